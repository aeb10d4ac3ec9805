//! The number of processes.

use std::time::Duration;

use containerv::spec::state::Status;
use containerv::{Container, Stdio};
use containerv_tests::Bed;

use crate::{limits, need, usage};

const MOST: u64 = 24;

fn bounded(bed: &Bed) -> Container {
    bed.keeper(|request| request.limits = limits(serde_json::json!({ "pids": { "at": MOST } })))
}

#[test]
fn a_fork_bomb_is_stopped_at_the_limit() {
    need!("pids");
    let bed = Bed::new();
    let container = bounded(&bed);
    // A shell would give up when it cannot fork; this goes on.
    let bomb = "BEGIN { while (1) system(\"awk -f /tmp/bomb &\") }";
    std::fs::write(bed.in_root("tmp/bomb"), bomb).unwrap();
    let spawned = container.command("awk").args(["-f", "/tmp/bomb"]).stdin(Stdio::Null).stdout(Stdio::Null);
    let mut first = spawned.stderr(Stdio::Null).spawn().unwrap();
    usage(&container, |stats| stats.pids_current >= MOST);
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(100));
        // While they run, the kernel counts for a moment also those that it is about to refuse.
        container.pause().unwrap();
        let (stats, processes) = (container.stats().unwrap(), container.processes().unwrap());
        assert!(stats.pids_current <= MOST && processes.len() as u64 <= MOST, "{stats:?} {processes:?}");
        container.resume().unwrap();
    }
    assert_eq!(container.state().unwrap().status, Status::Running);
    container.stop(Some(Duration::ZERO)).unwrap();
    assert_eq!(container.state().unwrap().status, Status::Exited);
    assert_eq!(first.wait().unwrap().signal(), Some(9));
    container.delete(false).unwrap();
    bed.assert_nothing_left("after a fork bomb");
}

#[test]
fn a_full_container_takes_no_more_processes_until_the_limit_is_raised() {
    need!("pids");
    let bed = Bed::new();
    let container = bounded(&bed);
    let quiet = |command: containerv::Command<'_>| {
        command.stdin(Stdio::Null).stdout(Stdio::Null).stderr(Stdio::Null).spawn()
    };
    let ends_well = |command| quiet(command).unwrap().wait().unwrap().success();
    let mut kept = Vec::new();
    let error = loop {
        match quiet(container.command("sleep").arg("1000")) {
            Ok(child) => kept.push(child),
            Err(error) => break error,
        }
        assert!(kept.len() as u64 <= MOST, "more than {MOST}");
    };
    // The first process is one of them.
    assert_eq!(kept.len() as u64, MOST - 1);
    assert!(error.to_string().contains("EAGAIN"), "{error}");
    assert!(error.hint().unwrap().contains("--pids-limit"), "{error:?}");
    container.update(&limits(serde_json::json!({ "pids": { "at": MOST + 8 } }))).unwrap();
    assert!(ends_well(container.command("true")));
    container.update(&limits(serde_json::json!({ "pids": "unlimited" }))).unwrap();
    let many = "for i in $(seq 40); do sleep 1000 & done";
    assert!(ends_well(container.command("sh").args(["-c", many])));
    assert!(container.stats().unwrap().pids_current > MOST + 8);
    container.kill().unwrap();
    assert!(kept.iter_mut().all(|child| child.wait().unwrap().signal() == Some(9)));
}
