//! What a container uses, what runs in it, and what is changed while it runs.

use std::io::{BufRead, BufReader, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use containerv::spec::state::Status;
use containerv::spec::{Bound, ByteSize, Limits};
use containerv::{ErrorKind, Stdio};
use containerv_tests::Bed;
use containerv_tests::differences::has;
use containerv_tests::inside::{command, said};

use crate::{PATIENCE, assert_error};

fn memory(mib: u64) -> Limits {
    Limits { memory: Some(Bound::At(ByteSize::mib(mib))), ..Limits::default() }
}

#[test]
fn used_time_and_memory_are_counted() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    if !has(bed.host(), "stats") {
        return;
    }
    let before = container.stats().unwrap();
    let mut child =
        command(&container, "spin 300 + take 64").stdin(Stdio::Piped).stdout(Stdio::Piped).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "took 64");
    let after = container.stats().unwrap();
    assert!(after.timestamp_unix_ns > before.timestamp_unix_ns);
    let counted = |name: &str| !after.not_counted.contains(&name);
    if counted("cpu_total_ns") {
        assert!(after.cpu_total_ns >= before.cpu_total_ns + 50_000_000, "{before:?} {after:?}");
    }
    if counted("memory_usage") {
        assert!(after.memory_usage >= before.memory_usage + (60 << 20), "{before:?} {after:?}");
    }
    assert!(child.wait().unwrap().success());
    container.stop(None).unwrap();
    assert_eq!(container.stats().unwrap().pids_current, 0);
}

#[test]
fn processes_are_listed_with_their_numbers() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut child = command(&container, "sleep 600000").spawn().unwrap();
    let processes = container.processes().unwrap();
    let found = processes.iter().find(|process| process.pid == child.id());
    let found = found.unwrap_or_else(|| panic!("no {} in {processes:?}", child.id()));
    assert!(found.name.contains("inside"), "{found:?}");
    assert_eq!(found.pid_inside, child.id_inside());
    child.kill().unwrap();
    child.wait().unwrap();
    container.stop(None).unwrap();
    assert_error(&container.processes().unwrap_err(), ErrorKind::InvalidState, "");
}

#[test]
fn a_memory_limit_holds_and_is_changed_while_it_runs() {
    let bed = Bed::with_program();
    if !has(bed.host(), "limit-memory") {
        return;
    }
    let container = bed.keeper(|request| request.limits = memory(512));
    said(command(&container, "take 64"));
    if !has(bed.host(), "update-limits") {
        return;
    }
    container.update(&memory(600)).unwrap();
    let stored = bed.host().container(container.id().as_str()).unwrap();
    assert_eq!(stored.request().limits, memory(600));
    let stats = container.stats().unwrap();
    if !stats.not_counted.contains(&"memory_limit") {
        assert_eq!(stats.memory_limit, Some(600 << 20));
    }
    // What is wrong changes nothing.
    let wrong = Limits { cpu_percent: Some(200), ..Limits::default() };
    assert!(container.update(&wrong).is_err());
    assert_eq!(bed.host().container(container.id().as_str()).unwrap().request().limits, memory(600));
    said(command(&container, "take 64"));
}

#[test]
fn a_paused_container_does_nothing_until_it_is_resumed() {
    let bed = Bed::with_program();
    if !has(bed.host(), "pause") {
        return;
    }
    let container = bed.keeper(|_| {});
    let mut child = command(&container, "answer").stdin(Stdio::Piped).stdout(Stdio::Piped).spawn().unwrap();
    let (sender, lines) = channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut types = |line: &str| writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    types("one");
    assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "got one");
    container.pause().unwrap();
    assert_eq!(container.state().unwrap().status, Status::Paused);
    assert_eq!(container.pause().unwrap_err().kind(), ErrorKind::InvalidState);
    assert_error(&command(&container, "exit 0").spawn().unwrap_err(), ErrorKind::InvalidState, "");
    types("two");
    assert!(lines.recv_timeout(Duration::from_millis(300)).is_err(), "it goes on");
    container.resume().unwrap();
    assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "got two");
    assert_eq!(container.state().unwrap().status, Status::Running);
    assert_eq!(container.resume().unwrap_err().kind(), ErrorKind::InvalidState);
    types("exit 4");
    assert_eq!(child.wait().unwrap().code(), Some(4));
}

#[test]
fn a_paused_container_is_removed() {
    let bed = Bed::with_program();
    if !has(bed.host(), "pause") {
        return;
    }
    let container = bed.keeper(|_| {});
    container.pause().unwrap();
    container.delete(true).unwrap();
    bed.assert_nothing_left("after a paused container was removed");
}
