//! The same tests on what looks like another machine, in a mount namespace of its own.

use std::process::Command;

use containerv_tests::{Bed, machine, programs, skip};

/// Which look a test process was given; absent on the machine as it is.
const LOOK: &str = "CONTAINERV_TEST_CGROUP_LOOK";

/// Runs the tests whose names begin so again, on what looks like another machine.
fn in_look(look: &str, prepare: &str, tests: &[&str]) {
    let script = format!("{prepare}; exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", &script]).arg(std::env::current_exe().unwrap());
    let output = command.args(tests).arg("--show-output").env(LOOK, look).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("skipped: ") && !text.contains("running 0 tests"), "{text}");
    println!("{text}");
}

/// Says why no other look can be given.
fn impossible() -> Option<&'static str> {
    let hybrid = std::path::Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists();
    (!machine::is_root() || !hybrid).then_some("needs root and a hybrid machine, to take one version away")
}

#[test]
fn version_1_alone_works() {
    if let Some(reason) = impossible() {
        return skip(reason);
    }
    in_look(
        "v1",
        "umount /sys/fs/cgroup/unified",
        &["cpu::", "freezer::", "io::", "memory::", "oom::", "pids::"],
    );
}

#[test]
fn version_2_without_controllers_freezes_and_refuses_limits() {
    if let Some(reason) = impossible() {
        return skip(reason);
    }
    in_look("v2", "mount -t cgroup2 none /sys/fs/cgroup", &["freezer::", "looks::guest_is_told"]);
}

#[test]
fn no_hierarchy_at_all_refuses_limits() {
    if !machine::is_root() {
        return skip("needs root to hide the control groups");
    }
    in_look("none", "mount -t tmpfs none /sys/fs/cgroup", &["looks::guest_is_told"]);
}

/// An option of each controller, and what the controller is called.
const OPTIONS: [(&str, &str, &str); 6] = [
    ("--memory", "64m", "memory"),
    ("--cpus", "0.5", "cpu"),
    ("--cpuset-cpus", "0", "cpuset"),
    ("--pids-limit", "10", "pids"),
    ("--blkio-weight", "300", "io"),
    ("--cpu-shares", "300", "cpu"),
];

#[test]
fn guest_is_told_which_controller_is_missing() {
    if std::env::var_os(LOOK).is_none() {
        return;
    }
    let bed = Bed::new();
    let cv = programs::cv().expect("`CONTAINERV_CV` names no `cv`");
    let root = bed.path("rootfs");
    for (option, value, controller) in OPTIONS {
        let output = Command::new(&cv)
            .arg("--root")
            .arg(bed.state())
            .args(["run", "--rm", option, value, "--rootfs"])
            .arg(&root)
            .arg("true")
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{option}: {error}");
        let asked = if option == "--cpus" { "--cpu-quota" } else { option };
        assert!(error.contains(&format!("`{asked}`")), "{option}: {error}");
        let is_named = |name: &str| error.contains(&format!("the `{name}` controller"));
        // Without any hierarchy, names are those of version 1.
        assert!(is_named(controller) || (controller == "io" && is_named("blkio")), "{option}: {error}");
    }
}
