//! Changes of running containers.

use super::*;

fn updated(facts: &CgroupFacts, current: &Limits, change: &Limits) -> Result<Vec<String>, Vec<String>> {
    let groups = planned(facts, current).groups;
    plan_update(facts, &groups, current, change)
        .map(|update| update.steps.iter().map(CgroupStep::to_string).collect())
        .map_err(|errors| errors.iter().map(Error::to_string).collect())
}

#[test]
fn an_update_writes_what_changes_with_its_other_half() {
    let change = Limits {
        memory: Some(Bound::At(ByteSize::mib(80))),
        cpu_quota: Some(Bound::Unlimited),
        ..Limits::default()
    };
    assert_eq!(
        updated(&usual_v2(), &all_limits(), &change).unwrap(),
        [
            "limit `/cg/containerv/c1` to memory 80MiB",
            "set `/cg/containerv/c1/memory.swap.max` to `16777216` (`--memory-swap`)",
            "set `/cg/containerv/c1/cpu.max` to `max 200000` (`--cpu-quota`)",
        ]
    );
    assert_eq!(
        updated(&hybrid_facts(), &all_limits(), &change).unwrap(),
        [
            "limit `/cg/memory/containerv/c1` to memory 80MiB",
            "set `/cg/cpu/containerv/c1/cpu.cfs_quota_us` to `-1` (`--cpu-quota`)",
        ]
    );
}

#[test]
fn an_update_is_checked_together_with_what_holds_already() {
    let change = Limits { memory: Some(Bound::At(ByteSize::mib(128))), ..Limits::default() };
    assert_eq!(
        updated(&usual_v2(), &all_limits(), &change).unwrap_err(),
        ["`--memory-swap`: 96MiB is less than the memory limit of 128MiB"]
    );
    let absent = GroupSet { groups: Vec::new(), absent: Some("nothing is delegated".to_owned()) };
    let errors = plan_update(&usual_v2(), &absent, &Limits::default(), &change).unwrap_err();
    assert_eq!(errors[0].to_string(), "`--memory`: the container has no control group: nothing is delegated");
}

#[test]
fn an_update_gives_a_group_of_version_2_the_controller_that_it_lacks() {
    let cpuset = Limits { cpuset_cpus: Some("0".to_owned()), ..Limits::default() };
    let session = "/cg/user.slice/session";
    for (access, base) in [("/", "/cg"), ("/user.slice/session", session)] {
        let facts = v2_facts(&USUAL_V2, GroupAccess::Below(access.into()));
        assert_eq!(
            updated(&facts, &Limits::default(), &cpuset).unwrap(),
            [
                format!("enable controllers `cpuset` in `{base}` `{base}/containerv`"),
                format!("set `{base}/containerv/c1/cpuset.cpus` to `0` (`--cpuset-cpus`)"),
            ]
        );
    }
    let facts = v2_facts(&[Cpu, Memory], below_root());
    assert_eq!(
        updated(&facts, &Limits::default(), &cpuset).unwrap_err(),
        ["`--cpuset-cpus`: the container has no control group of the `cpuset` controller"]
    );
}

#[test]
fn an_update_makes_the_group_of_version_1_that_is_missing() {
    let change = Limits {
        cpuset_cpus: Some("0".to_owned()),
        memory: Some(Bound::At(ByteSize::mib(64))),
        ..Limits::default()
    };
    let facts = hybrid_facts();
    let set = "set `/cg/cpuset/containerv/c1/cpuset.cpus` to `0` (`--cpuset-cpus`)";
    assert_eq!(
        updated(&facts, &Limits::default(), &change).unwrap(),
        [
            "make the shared control group `/cg/cpuset/containerv` if missing",
            "inherit CPUs and memory nodes in `/cg/cpuset/containerv`",
            "make control group `/cg/cpuset/containerv/c1`",
            "inherit CPUs and memory nodes in `/cg/cpuset/containerv/c1`",
            set,
            "limit `/cg/memory/containerv/c1` to memory 64MiB",
            "move the processes of `/cg/unified/containerv/c1` into `/cg/cpuset/containerv/c1`",
        ]
    );
    let groups = planned(&facts, &Limits::default()).groups;
    let update = plan_update(&facts, &groups, &Limits::default(), &change).unwrap();
    assert_eq!(
        update.made.iter().map(|group| group.path.to_string()).collect::<Vec<_>>(),
        ["/cg/cpuset/containerv/c1"]
    );
    let later: Vec<String> = later_groups(&facts, &groups).iter().map(OsText::to_string).collect();
    assert_eq!(later, ["/cg/cpuset/containerv/c1"]);
    // The next change finds it.
    let mut groups = groups;
    update.made.into_iter().for_each(|group| groups.add(group));
    assert_eq!(groups.groups.last().unwrap().version, GroupVersion::V2);
    let next = plan_update(&facts, &groups, &Limits::default(), &cpus("0")).unwrap();
    assert_eq!(next.steps.iter().map(CgroupStep::to_string).collect::<Vec<_>>(), [set]);
    assert!(next.made.is_empty() && later_groups(&facts, &groups).is_empty());
}

#[test]
fn an_update_names_the_controller_of_version_1_that_cannot_be_had() {
    let groups = planned(&hybrid_facts(), &Limits::default()).groups;
    let mut without = hybrid_facts();
    without.v1.retain(|hierarchy| !hierarchy.controllers.contains(&Cpuset));
    for facts in [v1_facts(&GroupAccess::ReadOnly), without] {
        let errors = plan_update(&facts, &groups, &Limits::default(), &cpus("0")).unwrap_err();
        let expected = "`--cpuset-cpus`: the container has no control group of the `cpuset` controller";
        assert_eq!(errors[0].to_string(), expected);
    }
}

fn cpus(list: &str) -> Limits {
    Limits { cpuset_cpus: Some(list.to_owned()), ..Limits::default() }
}
