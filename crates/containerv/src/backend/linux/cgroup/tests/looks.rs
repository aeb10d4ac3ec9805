//! The same tests on what looks like another machine, and as another user.

use super::*;

/// Runs tests again in a mount namespace that looks like another machine.
fn in_look(look: &str, prepare: &str, tests: &[&str]) {
    let script = format!("{prepare}; exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", &script]).arg(std::env::current_exe().unwrap()).env(LOOK, look);
    check_run(&test_run(&mut command, tests).unwrap(), tests);
}

fn test_run(command: &mut Command, tests: &[&str]) -> std::io::Result<Output> {
    let here = module_path!().split_once("::").unwrap().1.strip_suffix("looks").unwrap();
    let names = tests.iter().map(|name| format!("{here}{name}"));
    command.args(["--exact", "--nocapture"]).args(names).output()
}

fn check_run(output: &Output, tests: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains(&format!("{} passed", tests.len())), "{text}\n{errors}");
    assert!(!text.contains("skipped"), "{text}");
    println!("{text}");
}

/// Runs tests again as the user `nobody`, after `prepare` has run as root.
fn as_nobody(look: &str, prepare: &str, tests: &[&str]) {
    // Nobody may be unable to reach the test program where it lies.
    let copy = std::env::temp_dir().join(format!("containerv-test-{look}-{}", std::process::id()));
    // Not written by this process, whose other threads start children (ETXTBSY).
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&copy).status().unwrap();
    assert!(copied.success());
    let script = format!("{prepare}; exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" \"$@\"");
    let output = test_run(Command::new("sh").arg("-ec").arg(script).arg(&copy).env(LOOK, look), tests);
    std::fs::remove_file(&copy).unwrap();
    check_run(&output.unwrap(), tests);
}

const EVERYWHERE: [&str; 10] = [
    "life::probe_finds_this_machine",
    "life::processes_join_are_listed_and_the_groups_go_after_them",
    "life::a_group_that_exists_is_not_taken_over",
    "life::join_files_and_the_clone_target_open",
    "life::frozen_processes_stand_still_until_thawed",
    "life::kill_ends_frozen_and_nested_processes",
    "life::waiting_for_the_end_takes_no_longer_than_allowed",
    "life::groups_made_inside_are_removed_however_deep",
    "life::removal_waits_for_a_process_that_is_about_to_end",
    "life::only_allowed_devices_open",
];

fn mode_is(mode: CgroupMode) -> bool {
    probe().unwrap().mode() == mode
}

#[test]
fn version_2_alone_works() {
    need_groups!();
    if !is_root() || !mode_is(CgroupMode::Hybrid) {
        println!("skipped: needs root and a hybrid machine");
        return;
    }
    in_look("v2", "mount -t cgroup2 none /sys/fs/cgroup", &EVERYWHERE);
}

#[test]
fn version_1_alone_works() {
    need_groups!();
    if !is_root() || !mode_is(CgroupMode::Hybrid) {
        println!("skipped: needs root and a hybrid machine");
        return;
    }
    let mut tests = EVERYWHERE.to_vec();
    tests.extend(["life::statistics_count_what_processes_use", "limits::a_hog_is_killed_and_counted"]);
    in_look("v1", "umount /sys/fs/cgroup/unified", &tests);
}

#[test]
fn a_machine_without_mounted_hierarchies_is_seen_as_such() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    in_look("none", "mount -t tmpfs none /sys/fs/cgroup", &["life::probe_finds_this_machine"]);
}

#[test]
fn hierarchies_in_unusual_places_are_found() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let prepare = "mkdir -p \"${TMPDIR:=/tmp}\"; mount -t tmpfs none /mnt; mkdir '/mnt/a b'; \
        mount -t cgroup2 none '/mnt/a b'; mount -t tmpfs none /sys/fs/cgroup";
    in_look("v2", prepare, &EVERYWHERE[..5]);
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A group that belongs to `nobody`, with a group `session` in it, on version 2.
struct Delegation {
    path: OsText,
}

impl Delegation {
    fn make(mount: &OsText, name: &str) -> Self {
        let path = mount.join(format!("containerv-test-{name}-{}", std::process::id()));
        for directory in [path.clone(), path.join("session")] {
            execute(&CgroupStep::Make { path: directory.clone() }).unwrap();
            for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
                let nobody = (rustix::fs::Uid::from_raw(65534), rustix::fs::Gid::from_raw(65534));
                rustix::fs::chown(directory.join(file).as_bytes(), Some(nobody.0), Some(nobody.1)).unwrap();
            }
        }
        Self { path }
    }
}

impl Drop for Delegation {
    fn drop(&mut self) {
        let removed = remove_group(&self.path);
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

#[test]
fn a_user_with_a_delegated_group_needs_no_root() {
    need_groups!();
    let Some(hierarchy) = probe().unwrap().v2.filter(|_| is_root()) else {
        println!("skipped: needs root and a version 2 hierarchy");
        return;
    };
    let delegation = Delegation::make(&hierarchy.mount, "delegated");
    let prepare = format!("echo 0 >{}/session/cgroup.procs", delegation.path);
    let mut tests = EVERYWHERE[..9].to_vec();
    tests.push("looks::guest_works_below_the_delegated_group");
    as_nobody("delegated", &prepare, &tests);
}

#[test]
fn guest_works_below_the_delegated_group() {
    if std::env::var(LOOK).as_deref() != Ok("delegated") {
        return;
    }
    let facts = probe().unwrap();
    let v2 = facts.v2.as_ref().unwrap();
    let GroupAccess::Below(base) = &v2.access else { panic!("{v2:?}") };
    assert_eq!(base.join("session"), v2.own);
    let memory = limits(|limits| limits.memory = Some(Bound::At(ByteSize::mib(64))));
    let errors = Fixture::with(&memory, None).err();
    if facts.v1.iter().any(|hierarchy| hierarchy.controllers.contains(&Controller::Memory)) {
        let error = errors.unwrap();
        assert!(error.to_string().contains("`--memory`: no group of the `memory` controller"), "{error}");
    }
}

#[test]
fn a_user_without_a_delegated_group_gets_none_and_the_reason() {
    need_groups!();
    if !is_root() {
        println!("skipped: needs root to become nobody");
        return;
    }
    as_nobody("denied", "true", &["life::probe_finds_this_machine", "looks::guest_gets_no_groups"]);
}

#[test]
fn guest_gets_no_groups() {
    if std::env::var(LOOK).as_deref() != Ok("denied") {
        return;
    }
    let none = Limits::default();
    let wanted = Wanted { limits: &none, devices: None, parent: None, name: "box" };
    let groups = plan(&probe().unwrap(), &wanted).unwrap().groups;
    assert!(groups.absent.as_deref().unwrap().contains("delegated to this user"));
    let error = freeze(&groups).unwrap_err();
    assert!(error.to_string().contains("delegated to this user"), "{error}");
    assert_eq!(kill(&groups).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(stats(&groups), CgroupStats::default());
    remove(&groups).unwrap();
    let pids = limits(|limits| limits.pids = Some(Bound::At(9)));
    assert_eq!(Fixture::with(&pids, None).err().unwrap().kind(), ErrorKind::PermissionDenied);
}
