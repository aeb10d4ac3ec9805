//! Memory: who is killed, what is said of it, and changes while processes run.

use std::path::Path;
use std::process::Command;

use containerv::spec::state::Status;
use containerv::{Container, ErrorKind};
use containerv_tests::{Bed, programs, skip};

use crate::{detached, limits, memory, need};

/// A command that uses this much memory and ends.
fn hog(mib: u64) -> String {
    format!("dd if=/dev/zero of=/dev/null bs={mib}M count=1")
}

/// Says whether a process that uses this much memory comes to its end in the container.
fn has_room(container: &Container, mib: u64) -> bool {
    let status = container.command("sh").args(["-c", &format!("exec {}", hog(mib))]).output().unwrap().status;
    assert!(status.success() || status.signal() == Some(9), "{status}");
    status.success()
}

#[test]
fn a_hog_is_killed_and_the_state_says_so() {
    need!("memory");
    let bed = Bed::new();
    let container = detached(&bed, |request| request.limits = memory(16), &format!("exec {}", hog(64)));
    let exit = container.wait().unwrap();
    assert_eq!((exit.code, exit.signal, exit.out_of_memory), (137, Some(9), true));
    let state = container.state().unwrap();
    assert_eq!((state.status, state.exit.unwrap().out_of_memory, state.oom_kills), (Status::Exited, true, 1));
    // What ended otherwise did not run out of memory, and a new start forgets the last one.
    container.update(&memory(128)).unwrap();
    container.start().unwrap();
    let exit = container.wait().unwrap();
    assert_eq!((exit.code, exit.out_of_memory, container.state().unwrap().oom_kills), (0, false, 0));
}

#[test]
fn the_command_line_says_what_happened() {
    need!("memory");
    let Some(cv) = programs::cv() else { return skip("`CONTAINERV_CV` names no `cv`") };
    let bed = Bed::new();
    let call = |words: &[&str]| {
        let output = Command::new(&cv).arg("--root").arg(bed.state()).args(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let root = bed.path("rootfs");
    let run = |more: &[&str]| {
        let limits = ["run", "--memory", "16m", "--memory-swap", "16m", "--rootfs"];
        let hog = format!("exec {}", hog(64));
        call(&[&limits[..], &[root.to_str().unwrap()], more, &["sh", "-c", &hog]].concat())
    };
    // As the caller's child; as the child of a monitor, which removes it; and kept.
    for more in [&["--rm"][..], &["--rm", "-t"], &["--name", "kept"]] {
        let (code, _, errors) = run(more);
        assert_eq!(code, Some(137), "{more:?}: {errors}");
        assert!(errors.contains("out of memory") && errors.contains("--memory"), "{more:?}: {errors}");
    }
    let shown = call(&["inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", "kept"]);
    assert_eq!(shown, (Some(0), "true 137\n".to_owned(), String::new()));
    let (_, listed, _) = call(&["ps", "-a", "--format", "{{.Status}}"]);
    assert!(listed.contains("out of memory"), "{listed}");
    let (_, events, _) = call(&["events", "--since", "1h", "--until", "0s", "--filter", "event=oom"]);
    assert_eq!(events.lines().count(), 3, "{events}");
    assert_eq!(call(&["rm", "kept"]).0, Some(0));
}

#[test]
fn swap_and_reservation_are_taken_and_changed() {
    need!("memory");
    let bed = Bed::new();
    if !counts_swap() {
        return skip("this kernel does not count swap");
    }
    let wanted = serde_json::json!({
        "memory": { "at": 32 << 20 }, "memory_and_swap": { "at": 48 << 20 }, "memory_reservation": 16 << 20,
    });
    let container = bed.keeper(|request| request.limits = limits(wanted));
    assert_eq!(container.stats().unwrap().memory_limit, Some(32 << 20));
    assert!(has_room(&container, 20));
    container.update(&limits(serde_json::json!({ "memory_reservation": 8 << 20 }))).unwrap();
    container
        .update(&limits(serde_json::json!({ "memory": { "at": 64 << 20 }, "memory_and_swap": "unlimited" })))
        .unwrap();
    assert_eq!(container.stats().unwrap().memory_limit, Some(64 << 20));
    // Less memory and swap together than memory alone is refused by name, whatever the other was.
    let error =
        container.update(&limits(serde_json::json!({ "memory_and_swap": { "at": 63 << 20 } }))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("--memory-swap"), "{error}");
}

fn counts_swap() -> bool {
    let v1 = Path::new("/sys/fs/cgroup/memory");
    !v1.is_dir() || v1.join("memory.memsw.usage_in_bytes").exists()
}

#[test]
fn a_limit_changes_while_processes_run() {
    need!("memory");
    let bed = Bed::new();
    let container = bed.keeper(|request| request.limits = memory(64));
    // Memory that cannot be taken back: there is no swap for it.
    let fill = "head -c 25165824 /dev/zero >/dev/shm/kept";
    assert!(container.command("sh").args(["-c", fill]).status().unwrap().success());
    assert!(!has_room(&container, 64));
    container.update(&memory(160)).unwrap();
    assert!(has_room(&container, 64));
    container.update(&memory(48)).unwrap();
    assert!(!has_room(&container, 48));
    assert_eq!(container.state().unwrap().status, Status::Running);
}

#[test]
fn a_limit_below_what_is_used_is_refused_and_nobody_is_killed() {
    need!("memory", "pids", "cpu");
    let bed = Bed::new();
    let container = bed.keeper(|request| request.limits = memory(64));
    let fill = "head -c 33554432 /dev/zero >/dev/shm/kept";
    assert!(container.command("sh").args(["-c", fill]).status().unwrap().success());
    let error = container.update(&memory(16)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    assert!(error.to_string().contains("`--memory`"), "{error}");
    assert!(error.hint().unwrap().contains("larger limit"), "{error:?}");
    assert_unchanged(&container);
    // What was refused is possible once the memory is free.
    assert!(container.command("rm").arg("/dev/shm/kept").status().unwrap().success());
    container.update(&memory(16)).unwrap();
    assert!(!has_room(&container, 24));
}

#[test]
fn a_change_comes_about_as_a_whole_or_not_at_all() {
    need!("memory", "pids", "cpu", "io");
    let bed = Bed::new();
    let container = bed.keeper(|request| request.limits = memory(64));
    let no_disk = serde_json::json!({
        "path": "/dev/null", "device": { "major": 1, "minor": 3 }, "kind": "write_bytes", "per_second": 5,
    });
    let change = limits(serde_json::json!({
        "memory": { "at": 96 << 20 }, "memory_and_swap": { "at": 128 << 20 }, "pids": { "at": 1 },
        "cpu_quota": { "at": 1000 }, "io_rates": [no_disk],
    }));
    // The last of these is what the kernel refuses.
    let error = container.update(&change).unwrap_err();
    assert!(error.to_string().contains("`--device-write-bps`"), "{error}");
    assert_unchanged(&container);
    assert!(container.command("sh").args(["-c", "true; true | true"]).status().unwrap().success());
    assert!(!has_room(&container, 80));
}

/// Checks that nothing is limited but memory, to 64 MiB.
fn assert_unchanged(container: &Container) {
    let stats = container.stats().unwrap();
    assert_eq!((stats.memory_limit, stats.pids_limit, stats.oom_kills), (Some(64 << 20), None, 0));
    let kept = container.host().container(container.id().as_str()).unwrap();
    assert_eq!(kept.request().limits, memory(64));
}
