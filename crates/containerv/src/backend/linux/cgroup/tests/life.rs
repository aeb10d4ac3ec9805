//! From the making of groups to their end.

use containerv_spec::cgroup::DeviceKind;

use super::*;

/// CPU time of a process in ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn probe_finds_this_machine() {
    let facts = probe().unwrap();
    let expected = match std::env::var(LOOK).as_deref() {
        Ok("v1") => Some(CgroupMode::V1),
        Ok("v2") => Some(CgroupMode::V2),
        Ok("none") => Some(CgroupMode::None),
        _ => None,
    };
    if let Some(mode) = expected {
        assert_eq!(facts.mode(), mode);
    }
    let root = GroupAccess::Below("/".into());
    for hierarchy in &facts.v1 {
        assert!(std::path::Path::new(&hierarchy.mount.join("tasks").to_string()).exists());
        assert!(hierarchy.access == root || !rustix::process::geteuid().is_root());
    }
    if let Some(hierarchy) = &facts.v2 {
        assert!(std::path::Path::new(&hierarchy.mount.join("cgroup.subtree_control").to_string()).exists());
    }
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        probe().unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    println!("probe of {}: median {:?}", facts.mode().describe(), times[100]);
    assert!(times[100] < Duration::from_millis(2), "median {:?}", times[100]);
}

#[test]
fn processes_join_are_listed_and_the_groups_go_after_them() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let pid = fixture.start("exec sleep 1000");
    for group in &fixture.groups().groups {
        assert_eq!(kill::list(&group.path).unwrap(), [pid], "{group:?}");
    }
    assert_eq!(processes(fixture.groups()).unwrap(), [pid]);
    kill(fixture.groups()).unwrap();
    assert!(!fixture.wait().status.success());
    remove(fixture.groups()).unwrap();
    assert!(!fixture.exists());
    remove(fixture.groups()).unwrap();
    kill(fixture.groups()).unwrap();
    assert!(wait_until_empty(fixture.groups(), Duration::ZERO).unwrap());
    assert_eq!(processes(fixture.groups()).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_group_that_exists_is_not_taken_over() {
    need_groups!();
    let fixture = Fixture::new(&Limits::default());
    let make = fixture.plan.steps.iter().find(|step| step.undo().is_some()).unwrap();
    let error = execute(make).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.hint().unwrap().contains("repair"));
    let shared = fixture.plan.steps.iter().find(|step| matches!(step, CgroupStep::MakeParent { .. }));
    execute(shared.unwrap()).unwrap();
}

#[test]
fn join_files_and_the_clone_target_open() {
    need_groups!();
    let fixture = Fixture::new(&Limits::default());
    let v1 = fixture.groups().groups.iter().filter(|group| group.version == GroupVersion::V1).count();
    assert_eq!(open_join_files(fixture.groups()).unwrap().len(), v1);
    assert_eq!(open_clone_target(fixture.groups()).unwrap().is_some(), fixture.groups().v2().is_some());
}

#[test]
fn frozen_processes_stand_still_until_thawed() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let pid = fixture.start("while :; do :; done");
    assert!(eventually(|| ticks(pid) > 1));
    assert!(!is_frozen(fixture.groups()).unwrap());
    freeze(fixture.groups()).unwrap();
    assert!(is_frozen(fixture.groups()).unwrap());
    let before = ticks(pid);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ticks(pid), before);
    thaw(fixture.groups()).unwrap();
    assert!(!is_frozen(fixture.groups()).unwrap());
    assert!(eventually(|| ticks(pid) > before + 1));
}

#[test]
fn kill_ends_frozen_and_nested_processes() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let main = fixture.start("sleep 1000 & sleep 1000 & sleep 1000 & wait");
    assert!(eventually(|| processes(fixture.groups()).unwrap().len() == 4));
    let inner = fixture.start("exec sleep 1000");
    for group in &fixture.groups().groups {
        let nested = group.path.join("nested");
        execute(&CgroupStep::Make { path: nested.clone() }).unwrap();
        files::write(&nested.join("cgroup.procs"), &inner.to_string()).unwrap();
    }
    assert_eq!(processes(fixture.groups()).unwrap().len(), 5);
    freeze(fixture.groups()).unwrap();
    kill(fixture.groups()).unwrap();
    assert!(wait_until_empty(fixture.groups(), Duration::from_secs(5)).unwrap());
    use std::os::unix::process::ExitStatusExt;
    for _ in [inner, main] {
        assert_eq!(fixture.wait().status.signal(), Some(9));
    }
    remove(fixture.groups()).unwrap();
    assert!(!fixture.exists());
}

#[test]
fn waiting_for_the_end_takes_no_longer_than_allowed() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    fixture.start("exec sleep 1000");
    let start = Instant::now();
    assert!(!wait_until_empty(fixture.groups(), Duration::from_millis(50)).unwrap());
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn groups_made_inside_are_removed_however_deep() {
    need_groups!();
    let fixture = Fixture::new(&Limits::default());
    let top = fixture.groups().groups.last().unwrap().path.clone();
    let name = "n".repeat(200);
    let mut path = top.clone();
    // Twelve names of 200 bytes are no path that one system call takes once more is added.
    for _ in 0..12 {
        path = path.join(&name);
        execute(&CgroupStep::Make { path: path.clone() }).unwrap();
        execute(&CgroupStep::Make { path: path.join("beside") }).unwrap();
    }
    remove(fixture.groups()).unwrap();
    assert!(!fixture.exists());
}

#[test]
fn a_group_with_processes_is_not_removed_and_names_them() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let pid = fixture.start("exec sleep 1000");
    let start = Instant::now();
    let error = remove(fixture.groups()).unwrap_err();
    assert!(start.elapsed() >= Duration::from_secs(2) && start.elapsed() < Duration::from_secs(4));
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.to_string().ends_with(&format!("it still has processes: {pid}")), "{error}");
    assert!(fixture.exists());
}

#[test]
fn removal_waits_for_a_process_that_is_about_to_end() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    fixture.start("exec sleep 0.2");
    let start = Instant::now();
    remove(fixture.groups()).unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn statistics_count_what_processes_use() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let pid = fixture.start("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; exec sleep 1000");
    assert!(eventually(|| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap() == "sleep\n"));
    let taken = stats(fixture.groups());
    println!("{taken:?}");
    let cpu = taken.cpu_total_ns.unwrap();
    assert!((1_000_000..60_000_000_000).contains(&cpu), "{cpu}");
    assert!(taken.cpu_user_ns.unwrap() + taken.cpu_system_ns.unwrap() <= cpu + cpu / 2 + 20_000_000);
    if fixture.groups().with(Controller::Pids).is_some() {
        assert_eq!((taken.pids_current, taken.pids_limit), (Some(1), None));
    }
    if fixture.groups().with(Controller::Memory).is_some() {
        assert!((4096..256 << 20).contains(&taken.memory_usage.unwrap()));
        assert!(taken.memory_peak.unwrap() >= taken.memory_usage.unwrap());
        assert_eq!((taken.memory_limit, taken.oom_kills), (None, Some(0)));
        assert!(taken.memory_cache.is_some() && taken.memory_inactive_file.is_some());
    }
    if fixture.groups().with(Controller::Io).is_some() {
        assert!(taken.io_read_bytes.is_some() && taken.io_write_ops.is_some());
    }
}

#[test]
fn only_allowed_devices_open() {
    need_groups!();
    let null = DeviceRule {
        kind: DeviceKind::Character,
        major: Some(1),
        minor: Some(3),
        read: true,
        write: true,
        make: false,
    };
    let mut fixture = Fixture::with(&Limits::default(), Some(&[null])).unwrap();
    fixture.start(
        "cat </dev/null && echo null; (head -c1 </dev/zero) || echo no zero; exec 3<>/dev/null && echo both",
    );
    let output = fixture.wait();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "null\nno zero\nboth\n");
}
