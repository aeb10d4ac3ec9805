use containerv_spec::cgroup::{
    CgroupPlan, CgroupStep, Controller, DeviceKind, DeviceRule, Group, GroupSet, GroupVersion,
};
use containerv_spec::facts::{CgroupFacts, GroupAccess, V1Hierarchy, V2Hierarchy};
use containerv_spec::{Bound, ByteSize, DeviceNumber, DeviceRate, Limits, OsText, RateKind};

mod updates;

use super::*;

use Controller::{Cpu, Cpuacct, Cpuset, Devices, Freezer, Io, Memory, Pids};

fn below_root() -> GroupAccess {
    GroupAccess::Below("/".into())
}

fn v1(names: &str, controllers: &[Controller], access: &GroupAccess) -> V1Hierarchy {
    V1Hierarchy {
        controllers: controllers.to_vec(),
        mount: format!("/cg/{names}").into(),
        own: "/".into(),
        access: access.clone(),
    }
}

fn v1_facts(access: &GroupAccess) -> CgroupFacts {
    CgroupFacts {
        v1: vec![
            v1("cpu,cpuacct", &[Cpu, Cpuacct], access),
            v1("cpuset", &[Cpuset], access),
            v1("memory", &[Memory], access),
            v1("blkio", &[Io], access),
            v1("pids", &[Pids], access),
            v1("devices", &[Devices], access),
            v1("freezer", &[Freezer], access),
        ],
        ..CgroupFacts::default()
    }
}

fn v2(mount: &str, controllers: &[Controller], access: GroupAccess) -> V2Hierarchy {
    V2Hierarchy { controllers: controllers.to_vec(), mount: mount.into(), own: "/".into(), access }
}

fn hybrid_facts() -> CgroupFacts {
    let mut facts = v1_facts(&below_root());
    facts.v1[0] = v1("cpu", &[Cpu], &below_root());
    facts.v1.push(v1("cpuacct", &[Cpuacct], &below_root()));
    facts.v2 = Some(v2("/cg/unified", &[], below_root()));
    facts
}

fn v2_facts(controllers: &[Controller], access: GroupAccess) -> CgroupFacts {
    CgroupFacts { v2: Some(v2("/cg", controllers, access)), ..CgroupFacts::default() }
}

const USUAL_V2: [Controller; 5] = [Cpuset, Cpu, Io, Memory, Pids];

fn usual_v2() -> CgroupFacts {
    v2_facts(&USUAL_V2, below_root())
}

fn rate(minor: u32, kind: RateKind, per_second: u64) -> DeviceRate {
    DeviceRate { path: "/dev/sda".into(), device: DeviceNumber { major: 8, minor }, kind, per_second }
}

fn all_limits() -> Limits {
    Limits {
        memory: Some(Bound::At(ByteSize::mib(64))),
        memory_and_swap: Some(Bound::At(ByteSize::mib(96))),
        memory_reservation: Some(ByteSize::mib(32)),
        cpu_quota: Some(Bound::At(50_000)),
        cpu_period: Some(200_000),
        cpu_shares: Some(512),
        cpuset_cpus: Some("0-1".to_owned()),
        cpuset_mems: Some("0".to_owned()),
        pids: Some(Bound::At(100)),
        io_weight: Some(500),
        io_rates: vec![
            rate(0, RateKind::ReadBytes, 1 << 20),
            rate(16, RateKind::WriteOperations, 7),
            rate(0, RateKind::WriteBytes, 0),
        ],
        ..Limits::default()
    }
}

fn wanted(limits: &Limits) -> Wanted<'_> {
    Wanted { limits, devices: None, parent: None, name: "c1" }
}

fn text(plan: &CgroupPlan) -> Vec<String> {
    plan.steps.iter().map(CgroupStep::to_string).collect()
}

fn planned(facts: &CgroupFacts, limits: &Limits) -> CgroupPlan {
    plan(facts, &wanted(limits)).unwrap()
}

fn problems(facts: &CgroupFacts, limits: &Limits) -> Vec<String> {
    plan(facts, &wanted(limits)).unwrap_err().iter().map(Error::to_string).collect()
}

#[test]
fn without_limits_version_1_has_the_groups_that_statistics_and_pause_need() {
    let plan = planned(&v1_facts(&below_root()), &Limits::default());
    assert_eq!(
        text(&plan),
        [
            "make the shared control group `/cg/cpu,cpuacct/containerv` if missing",
            "make control group `/cg/cpu,cpuacct/containerv/c1`",
            "make the shared control group `/cg/memory/containerv` if missing",
            "make control group `/cg/memory/containerv/c1`",
            "make the shared control group `/cg/blkio/containerv` if missing",
            "make control group `/cg/blkio/containerv/c1`",
            "make the shared control group `/cg/pids/containerv` if missing",
            "make control group `/cg/pids/containerv/c1`",
            "make the shared control group `/cg/freezer/containerv` if missing",
            "make control group `/cg/freezer/containerv/c1`",
        ]
    );
    assert_eq!(plan.groups.groups[0].controllers, [Cpu, Cpuacct]);
    assert_eq!(plan.groups.v2(), None);
    let undone: Vec<_> = plan.steps.iter().filter_map(CgroupStep::undo).collect();
    let own: Vec<_> = plan.groups.groups.iter().map(|group| &group.path).collect();
    assert_eq!(undone, own);
}

#[test]
fn hybrid_leaves_counting_of_cpu_time_and_freezing_to_version_2() {
    let plan = planned(&hybrid_facts(), &Limits::default());
    let paths: Vec<String> = plan.groups.groups.iter().map(|group| group.path.to_string()).collect();
    assert_eq!(
        paths,
        [
            "/cg/cpu/containerv/c1",
            "/cg/memory/containerv/c1",
            "/cg/blkio/containerv/c1",
            "/cg/pids/containerv/c1",
            "/cg/unified/containerv/c1",
        ]
    );
    assert!(!text(&plan).iter().any(|step| step.starts_with("enable")));
    assert_eq!(plan.groups.clone_into().map(OsText::to_string).as_deref(), Some("/cg/unified/containerv/c1"));
}

#[test]
fn every_limit_on_version_1() {
    let plan = planned(&v1_facts(&below_root()), &all_limits());
    let settings = &text(&plan)[14..];
    assert_eq!(
        settings,
        [
            "set `/cg/cpuset/containerv/c1/cpuset.cpus` to `0-1` (`--cpuset-cpus`)",
            "set `/cg/cpuset/containerv/c1/cpuset.mems` to `0` (`--cpuset-mems`)",
            "limit `/cg/memory/containerv/c1` to memory 64MiB memory and swap 96MiB",
            "set `/cg/memory/containerv/c1/memory.soft_limit_in_bytes` to `33554432` (`--memory-reservation`)",
            "set `/cg/cpu,cpuacct/containerv/c1/cpu.cfs_period_us` to `200000` (`--cpu-period`)",
            "set `/cg/cpu,cpuacct/containerv/c1/cpu.cfs_quota_us` to `50000` (`--cpu-quota`)",
            "set `/cg/cpu,cpuacct/containerv/c1/cpu.shares` to `512` (`--cpu-shares`)",
            "set `/cg/pids/containerv/c1/pids.max` to `100` (`--pids-limit`)",
            "set `/cg/blkio/containerv/c1/blkio.bfq.weight` to `500` (`--blkio-weight`), or else set \
             `/cg/blkio/containerv/c1/blkio.weight` to `500` (`--blkio-weight`)",
            "set `/cg/blkio/containerv/c1/blkio.throttle.read_bps_device` to `8:0 1048576` (`--device-read-bps`)",
            "set `/cg/blkio/containerv/c1/blkio.throttle.write_iops_device` to `8:16 7` (`--device-write-iops`)",
            "set `/cg/blkio/containerv/c1/blkio.throttle.write_bps_device` to `8:0 0` (`--device-write-bps`)",
        ]
    );
}

#[test]
fn a_cpuset_of_version_1_inherits_before_anything_joins() {
    let limits = Limits { cpuset_cpus: Some("0".to_owned()), ..Limits::default() };
    let plan = planned(&v1_facts(&below_root()), &limits);
    let steps: Vec<String> = text(&plan).into_iter().filter(|step| step.contains("/cg/cpuset")).collect();
    assert_eq!(
        steps,
        [
            "make the shared control group `/cg/cpuset/containerv` if missing",
            "inherit CPUs and memory nodes in `/cg/cpuset/containerv`",
            "make control group `/cg/cpuset/containerv/c1`",
            "inherit CPUs and memory nodes in `/cg/cpuset/containerv/c1`",
            "set `/cg/cpuset/containerv/c1/cpuset.cpus` to `0` (`--cpuset-cpus`)",
        ]
    );
}

#[test]
fn every_limit_on_version_2() {
    let plan = planned(&usual_v2(), &all_limits());
    assert_eq!(
        text(&plan),
        [
            "make the shared control group `/cg/containerv` if missing",
            "enable controllers `cpuset` `cpu` `io` `memory` `pids` in `/cg` `/cg/containerv`",
            "make control group `/cg/containerv/c1`",
            "set `/cg/containerv/c1/cpuset.cpus` to `0-1` (`--cpuset-cpus`)",
            "set `/cg/containerv/c1/cpuset.mems` to `0` (`--cpuset-mems`)",
            "set `/cg/containerv/c1/memory.max` to `67108864` (`--memory`)",
            "set `/cg/containerv/c1/memory.swap.max` to `33554432` (`--memory-swap`)",
            "set `/cg/containerv/c1/memory.low` to `33554432` (`--memory-reservation`)",
            "set `/cg/containerv/c1/cpu.max` to `50000 200000` (`--cpu-quota`)",
            "set `/cg/containerv/c1/cpu.weight` to `50` (`--cpu-shares`)",
            "set `/cg/containerv/c1/pids.max` to `100` (`--pids-limit`)",
            "set `/cg/containerv/c1/io.bfq.weight` to `500` (`--blkio-weight`), or else set \
             `/cg/containerv/c1/io.weight` to `4950` (`--blkio-weight`)",
            "set `/cg/containerv/c1/io.max` to `8:0 rbps=1048576 wbps=max` (`--device-read-bps`)",
            "set `/cg/containerv/c1/io.max` to `8:16 wiops=7` (`--device-write-iops`)",
        ]
    );
    assert_eq!(plan.groups.join_files_v1(), []);
}

#[test]
fn version_2_tells_what_limits_need_from_what_statistics_want() {
    let limits = Limits { pids: Some(Bound::Unlimited), ..Limits::default() };
    let plan = planned(&usual_v2(), &limits);
    let enable = plan.steps.iter().find(|step| matches!(step, CgroupStep::Enable { .. })).unwrap();
    let CgroupStep::Enable { required, wanted, .. } = enable else { unreachable!() };
    assert_eq!((required.as_slice(), wanted.as_slice()), (&[Pids][..], &[Cpu, Io, Memory][..]));
    assert_eq!(text(&plan).last().unwrap(), "set `/cg/containerv/c1/pids.max` to `max` (`--pids-limit`)");
}

#[test]
fn a_user_works_below_what_was_delegated() {
    let base = GroupAccess::Below("/user.slice/user-7.slice/user@7.service/app.slice".into());
    let facts = v2_facts(&[Memory, Pids], base);
    let limits = Limits { memory: Some(Bound::At(ByteSize::mib(64))), ..Limits::default() };
    let plan = planned(&facts, &limits);
    let app = "/cg/user.slice/user-7.slice/user@7.service/app.slice";
    assert_eq!(
        text(&plan),
        [
            format!("make the shared control group `{app}/containerv` if missing"),
            format!("enable controllers `memory` `pids` in `{app}` `{app}/containerv`"),
            format!("make control group `{app}/containerv/c1`"),
            format!("set `{app}/containerv/c1/memory.max` to `67108864` (`--memory`)"),
        ]
    );
}

#[test]
fn without_permission_and_limits_there_are_no_groups_and_a_reason() {
    for (facts, why) in [
        (v2_facts(&USUAL_V2, GroupAccess::Denied), "no group of control groups v2 is delegated to this user"),
        (v1_facts(&GroupAccess::ReadOnly), "the control group hierarchies are mounted read-only"),
        (CgroupFacts::default(), "no control group hierarchy is mounted"),
    ] {
        let plan = planned(&facts, &Limits::default());
        assert_eq!(plan.steps, []);
        assert_eq!(plan.groups.absent.as_deref(), Some(why));
        assert!(plan.notes[0].contains(why));
    }
}

#[test]
fn without_permission_a_limit_is_refused_with_the_way_out() {
    let limits =
        Limits { memory: Some(Bound::At(ByteSize::mib(64))), pids: Some(Bound::At(5)), ..Limits::default() };
    let facts = v2_facts(&USUAL_V2, GroupAccess::Denied);
    let errors = plan(&facts, &wanted(&limits)).unwrap_err();
    assert_eq!(errors.len(), 2);
    assert_eq!(
        errors[0].to_string(),
        "`--memory`: no group of the `memory` controller can be made: no group below `/cg` is delegated to this user"
    );
    assert_eq!(errors[0].kind(), ErrorKind::PermissionDenied);
    let hint = errors[0].hint().unwrap();
    assert!(
        hint.contains("root") && hint.contains("systemd-run --user --scope") && hint.contains("Delegate=")
    );
    assert!(
        problems(&v1_facts(&GroupAccess::ReadOnly), &limits)[0]
            .ends_with("`/cg/memory` is mounted read-only")
    );
}

#[test]
fn a_missing_controller_is_named_with_the_mode() {
    let limits = Limits { io_weight: Some(100), cpuset_mems: Some("0".to_owned()), ..Limits::default() };
    assert_eq!(
        problems(&v2_facts(&[Memory], below_root()), &limits),
        [
            "`--cpuset-mems`: the `cpuset` controller is not available here (control groups v2)",
            "`--blkio-weight`: the `io` controller is not available here (control groups v2)",
        ]
    );
    let mut hybrid = hybrid_facts();
    hybrid.v1.retain(|hierarchy| hierarchy.controllers != [Io]);
    assert_eq!(
        problems(&hybrid, &Limits { io_weight: Some(100), ..Limits::default() }),
        [
            "`--blkio-weight`: the `blkio` controller is not available here (control groups v1 and v2 (hybrid))"
        ]
    );
    let none = problems(&CgroupFacts::default(), &Limits { pids: Some(Bound::At(9)), ..Limits::default() });
    assert_eq!(none, ["`--pids-limit`: the `pids` controller is not available here (no control groups)"]);
}

#[test]
fn all_wrong_values_are_reported_at_once() {
    let limits = Limits {
        memory: Some(Bound::At(ByteSize::mib(5))),
        memory_and_swap: Some(Bound::At(ByteSize::mib(4))),
        memory_reservation: Some(ByteSize::mib(5)),
        cpu_quota: Some(Bound::At(999)),
        cpu_period: Some(1_000_001),
        cpu_shares: Some(1),
        cpuset_cpus: Some("1-0".to_owned()),
        cpuset_mems: Some("a".to_owned()),
        pids: Some(Bound::At(0)),
        io_weight: Some(9),
        io_rates: vec![
            rate(0, RateKind::ReadOperations, 1 << 32),
            rate(0, RateKind::WriteBytes, 1),
            rate(0, RateKind::WriteBytes, 2),
        ],
        ..Limits::default()
    };
    assert_eq!(
        problems(&usual_v2(), &limits),
        [
            "`--memory`: 5MiB is less than the minimum of 6MiB",
            "`--memory-reservation`: 5MiB is less than the minimum of 6MiB",
            "`--memory-swap`: 4MiB is less than the memory limit of 5MiB",
            "`--cpu-period`: 1000001 is not between 1000 and 1000000 microseconds",
            "`--cpu-quota`: 999 is not between 1000 and 17592186044415 microseconds",
            "`--cpu-shares`: 1 is not between 2 and 262144",
            "`--cpuset-cpus`: `1-0` is not a list of CPUs: `1-0` runs backwards",
            "`--cpuset-mems`: `a` is not a list of memory nodes: `a` is not a number",
            "`--pids-limit`: 0 leaves no room for the container's own command",
            "`--blkio-weight`: 9 is not between 10 and 1000",
            "`--device-read-iops`: 4294967296 a second for `/dev/sda` is more than the kernel's 4294967295",
            "`--device-write-bps`: `/dev/sda` (device 8:0) is given twice",
        ]
    );
}

#[test]
fn swap_needs_a_memory_limit() {
    for memory in [None, Some(Bound::Unlimited)] {
        let limits =
            Limits { memory, memory_and_swap: Some(Bound::At(ByteSize::mib(64))), ..Limits::default() };
        let message = "`--memory-swap`: needs a memory limit, because it counts memory and swap together";
        assert_eq!(problems(&usual_v2(), &limits), [message]);
    }
    let unlimited = Limits { memory_and_swap: Some(Bound::Unlimited), ..Limits::default() };
    let last = text(&planned(&usual_v2(), &unlimited)).pop().unwrap();
    assert_eq!(last, "set `/cg/containerv/c1/memory.swap.max` to `max` (`--memory-swap`)");
}

#[test]
fn memory_limits_have_their_own_checks() {
    let limits = |memory, reservation| Limits {
        memory: Some(Bound::At(ByteSize::bytes(memory))),
        memory_reservation: Some(ByteSize::bytes(reservation)),
        ..Limits::default()
    };
    assert_eq!(
        problems(&usual_v2(), &limits(64 << 20, 65 << 20)),
        ["`--memory-reservation`: 65MiB is more than the memory limit of 64MiB"]
    );
    assert_eq!(
        problems(&usual_v2(), &limits(u64::MAX, 6 << 20)),
        ["`--memory`: the kernel counts at most 2^63 - 1 bytes"]
    );
    assert!(plan(&usual_v2(), &wanted(&limits(6 << 20, 6 << 20))).is_ok());
}

#[test]
fn cpus_must_be_among_those_of_the_machine() {
    let facts = CgroupFacts { cpus: Some("0-1,4".to_owned()), ..usual_v2() };
    let limits = |list: &str| Limits { cpuset_cpus: Some(list.to_owned()), ..Limits::default() };
    for list in ["0", "0-1", "4,0", "1,4"] {
        assert!(plan(&facts, &wanted(&limits(list))).is_ok(), "{list}");
    }
    let errors = plan(&facts, &wanted(&limits("0-2"))).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "`--cpuset-cpus`: 2 of `0-2` is not among the CPUs that containers may use"
    );
    assert_eq!(errors[0].hint(), Some("this machine offers `0-1,4`"));
    for list in ["", ",", "0,", "-1", "0-", "+1", "0x1", "0-1-2", " 0", "99999999999", "8192", "0\n1"] {
        assert!(plan(&facts, &wanted(&limits(list))).is_err(), "{list:?}");
    }
}

#[test]
fn parents_and_names_stay_below_the_root() {
    let plan_below = |parent: &str| {
        let parent = OsText::from(parent);
        let limits = Limits::default();
        let wanted = Wanted { limits: &limits, devices: None, parent: Some(&parent), name: "c1" };
        plan(&usual_v2(), &wanted).map_err(|errors| errors[0].to_string())
    };
    let nested = plan_below("/jobs//night/").unwrap();
    assert_eq!(
        text(&nested)[..3],
        [
            "make the shared control group `/cg/jobs` if missing",
            "make the shared control group `/cg/jobs/night` if missing",
            "enable controllers `cpu` `io` `memory` `pids` in `/cg` `/cg/jobs` `/cg/jobs/night`",
        ]
    );
    for wrong in ["", "/", "..", "/a/../b", "a/.", "a\nb", "a\0b", &"x".repeat(256)] {
        let message = plan_below(wrong).unwrap_err();
        assert!(message.starts_with("`--cgroup-parent`: "), "{wrong:?}: {message}");
    }
    for name in ["", "..", "a/b"] {
        let limits = Limits::default();
        let wanted = Wanted { limits: &limits, devices: None, parent: None, name };
        assert!(plan(&usual_v2(), &wanted).is_err(), "{name:?}");
    }
}

#[test]
fn a_parent_without_permission_is_refused() {
    let (parent, limits) = ("/jobs".into(), Limits::default());
    let wanted = Wanted { limits: &limits, devices: None, parent: Some(&parent), name: "c1" };
    let errors = plan(&v2_facts(&USUAL_V2, GroupAccess::Denied), &wanted).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "`--cgroup-parent`: no control group can be made: no group of control groups v2 is delegated to this user"
    );
}

#[test]
fn devices_go_to_the_list_of_version_1_or_a_program() {
    let rule = DeviceRule {
        kind: DeviceKind::Character,
        major: Some(1),
        minor: Some(3),
        read: true,
        write: true,
        make: true,
    };
    let (limits, rules) = (Limits::default(), [rule]);
    let wanted = Wanted { limits: &limits, devices: Some(&rules), parent: None, name: "c1" };
    let hybrid = text(&plan(&hybrid_facts(), &wanted).unwrap());
    assert_eq!(
        hybrid[hybrid.len() - 2..],
        [
            "set `/cg/devices/containerv/c1/devices.deny` to `a` (`--device`)",
            "set `/cg/devices/containerv/c1/devices.allow` to `c 1:3 rwm` (`--device`)",
        ]
    );
    let unified = text(&plan(&usual_v2(), &wanted).unwrap());
    assert_eq!(unified.last().unwrap(), "allow no device in `/cg/containerv/c1` but `c 1:3 rwm`");
    let errors = plan(&CgroupFacts::default(), &wanted).unwrap_err();
    assert!(errors[0].to_string().starts_with("`--device`: the `devices` controller"));
}

#[test]
fn conversions_hit_the_ends_and_the_defaults() {
    for (shares, weight) in [(2, 1), (10, 1), (15, 1), (512, 50), (1024, 100), (2048, 200), (262_144, 10_000)]
    {
        assert_eq!(settings::cpu_weight(shares), weight, "{shares}");
    }
    for (weight, cost) in [(10, 1), (500, 4950), (1000, 10_000)] {
        assert_eq!(settings::io_cost_weight(weight), cost, "{weight}");
    }
    let mib = |count| Bound::At(ByteSize::mib(count));
    assert_eq!(settings::swap_alone(mib(96), Some(mib(96))), Bound::At(0));
    assert_eq!(settings::swap_alone(Bound::Unlimited, Some(mib(96))), Bound::Unlimited);
}

#[test]
fn a_weight_at_the_end_of_the_scale_is_noted() {
    let limits = Limits { cpu_shares: Some(200_000), ..Limits::default() };
    assert!(
        planned(&usual_v2(), &limits).notes[0].contains("`--cpu-shares 200000` becomes a weight of 10000")
    );
    assert!(planned(&hybrid_facts(), &limits).notes.is_empty());
}

#[test]
fn plans_round_trip_through_json() {
    let plan = planned(&usual_v2(), &all_limits());
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<CgroupPlan>(&json).unwrap(), plan);
    let group = Group { version: GroupVersion::V2, controllers: vec![Memory, Io], path: "/cg/x".into() };
    assert_eq!(
        serde_json::to_string(&group).unwrap(),
        r#"{"version":"v2","controllers":["memory","io"],"path":"/cg/x"}"#
    );
}

proptest::proptest! {
    #[test]
    fn a_list_of_cpus_is_read_as_it_is_written(ranges in proptest::collection::vec((0u32..4000, 0u32..4000), 1..9)) {
        let ranges: Vec<_> = ranges.iter().map(|(first, more)| *first..=first + more).collect();
        let text: Vec<String> = ranges.iter().map(|it| format!("{}-{}", it.start(), it.end())).collect();
        proptest::prop_assert_eq!(check::parse_list(&text.join(",")), Ok(ranges));
    }

    #[test]
    fn every_problem_names_its_option(memory: u64, both: u64, quota: u64, period: u64, list in "[0-9,-]{0,6}", pids: u64, weight: u16) {
        let limits = Limits {
            memory: Some(Bound::At(ByteSize::bytes(memory))),
            memory_and_swap: Some(Bound::At(ByteSize::bytes(both))),
            cpu_quota: Some(Bound::At(quota)),
            cpu_period: Some(period),
            cpuset_cpus: Some(list),
            pids: Some(Bound::At(pids)),
            io_weight: Some(weight),
            ..Limits::default()
        };
        for facts in [usual_v2(), hybrid_facts(), CgroupFacts::default()] {
            for error in plan(&facts, &wanted(&limits)).err().unwrap_or_default() {
                proptest::prop_assert!(error.to_string().starts_with("`--"), "{}", error);
            }
        }
    }
}
