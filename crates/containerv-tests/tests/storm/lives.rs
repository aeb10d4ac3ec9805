//! Whole lives of containers, many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use containerv::spec::request::{Mount, MountOptions, MountSource, Overlay};
use containerv::spec::state::Status;
use containerv::spec::{Bound, ByteSize, Request};
use containerv::{Child, Container, LogOptions, Stdio, StdioSet};
use containerv_tests::machine::{is_root, own_memory_kib};
use containerv_tests::{Bed, shell, wait_until};

use crate::follower::Follower;
use crate::own::Own;
use crate::{alone, watch};

const THREADS: usize = 8;

/// What the process may grow by between its 200th and its 1,000th container, in KiB. A page that is
/// lost with each would be 3,200.
const GROWTH: u64 = 2048;

#[test]
fn a_thousand_containers_leave_nothing_and_take_no_memory() {
    let _alone = alone();
    let bed = Arc::new(Bed::new());
    let lives = 1_000;
    // Descriptors that a host keeps are opened by its first calls.
    live(&bed, 0, KINDS.len());
    let before = Own::now();

    let follower = Follower::begin(bed.host());
    live(&bed, KINDS.len(), lives / 5);
    let early = own_memory_kib();
    live(&bed, lives / 5, lives);
    let late = own_memory_kib();
    println!("{lives} lives: {early} KiB of private memory after a fifth, {late} KiB at the end");
    assert!(late < early + GROWTH, "{early} KiB, then {late} KiB");

    let seen = follower.end(&bed);
    println!("events: {seen:?}");
    // Those before it began are not seen, and the last one is the follower's own.
    assert_eq!(seen.lives, lives - KINDS.len() + 1);
    before.assert_again(|| {});
    bed.assert_nothing_left("after all lives");
    assert!(bed.host().containers().unwrap().is_empty());
    assert_eq!(bed.host().repair(true).unwrap(), [], "there is nothing to repair");
}

/// Lets the lives of these numbers happen, a few at once.
fn live(bed: &Arc<Bed>, first: usize, end: usize) {
    let (bed, next) = (Arc::clone(bed), AtomicUsize::new(first));
    watch::run(THREADS, move |_, report| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                return;
            }
            let (what, life) = KINDS[number % KINDS.len()];
            report.doing(format!("{what}, number {number}"));
            life(&bed, number);
        }
    });
}

type Life = fn(&Bed, usize);

const KINDS: [(&str, Life); 8] = [
    ("a keeper", keeper),
    ("a keeper with mounts, limits and a name", rich_keeper),
    ("a keeper that is removed while it is used", busy_keeper),
    ("a keeper that is stopped and runs again", restarted_keeper),
    ("a detached command with a log", detached),
    ("a prepared command", prepared),
    ("an attached command", attached),
    ("a failure", failed),
];

fn keeper(bed: &Bed, number: usize) {
    let container = bed.keeper(|_| {});
    echo(&container, number);
    container.delete(true).unwrap();
}

fn rich_keeper(bed: &Bed, number: usize) {
    let container = bed.keeper(|request| {
        request.name = Some(format!("rich-{number}"));
        request.overlay = Overlay::Container;
        request.mounts = vec![
            mount(MountSource::Tmpfs { size: Some(1 << 20), mode: None }, "/mnt"),
            mount(
                MountSource::Bind { path: bed.in_root("home").to_str().unwrap().into(), recursive: true },
                "/home",
            ),
        ];
        // Ordinary users rarely have a group of their own.
        if is_root() {
            request.limits.memory = Some(Bound::At(ByteSize::mib(64)));
            request.limits.pids = Some(Bound::At(50));
        }
    });
    echo(&container, number);
    assert_eq!(container.state().unwrap().status, Status::Running);
    assert_eq!(container.processes().unwrap().len(), 1);
    assert_eq!(bed.host().container(&format!("rich-{number}")).unwrap().id(), container.id());
    container.delete(true).unwrap();
}

fn mount(source: MountSource, target: &str) -> Mount {
    Mount { source, target: target.into(), read_only: false, options: MountOptions::default() }
}

fn busy_keeper(bed: &Bed, _: usize) {
    let container = bed.keeper(|request| request.overlay = Overlay::Memory);
    let mut kept = sleeper(&container);
    drop(sleeper(&container));
    container.delete(true).unwrap();
    assert_eq!(kept.wait().unwrap().signal(), Some(9));
}

fn restarted_keeper(bed: &Bed, number: usize) {
    let container = bed.keeper(|request| request.read_only = true);
    echo(&container, number);
    container.stop(None).unwrap();
    assert_eq!(container.state().unwrap().status, Status::Exited);
    container.start().unwrap();
    echo(&container, number);
    container.delete(true).unwrap();
}

fn detached(bed: &Bed, number: usize) {
    let request = with_command(bed, &format!("echo one {number}; echo two {number} >&2; exec sleep 1000"));
    let container = Container::run_detached(bed.host(), request).unwrap();
    echo(&container, number);
    let expected = [format!("one {number}\n"), format!("two {number}\n")];
    let logged = || {
        let entries = container.logs(LogOptions::default()).unwrap();
        let mut lines: Vec<String> =
            entries.map(|entry| String::from_utf8(entry.unwrap().data).unwrap()).collect();
        lines.sort();
        lines == expected
    };
    assert!(wait_until(Duration::from_secs(60), logged), "both lines are in the log");
    container.kill().unwrap();
    assert_eq!(container.wait().unwrap().signal, Some(9));
    container.delete(false).unwrap();
}

fn prepared(bed: &Bed, number: usize) {
    let request = with_command(bed, "read line; exit 6");
    let container = Container::create(bed.host(), request).unwrap();
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 6, "number {number}");
    container.delete(false).unwrap();
}

fn attached(bed: &Bed, number: usize) {
    let request = with_command(bed, "cat; exit 7");
    let stdio = StdioSet { stdin: Stdio::Piped, stdout: Stdio::Piped, stderr: Stdio::Null };
    let (container, mut child) = Container::run_attached(bed.host(), request, stdio).unwrap();
    echo(&container, number);
    let text = format!("attached {number}\n");
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((String::from_utf8(output.stdout).unwrap(), output.status.code()), (text, Some(7)));
    container.delete(false).unwrap();
}

/// A container whose command is not there comes to nothing, and one in which it is not goes on.
fn failed(bed: &Bed, number: usize) {
    let mut request = with_command(bed, "");
    request.process.as_mut().unwrap().args = vec![format!("absent-{number}").as_str().into()];
    assert!(Container::run_detached(bed.host(), request).is_err());
    let container = bed.keeper(|_| {});
    assert!(container.command("absent").spawn().is_err());
    echo(&container, number);
    container.delete(true).unwrap();
}

fn with_command(bed: &Bed, script: &str) -> Request {
    let mut request = bed.request();
    request.process = Some(shell(script));
    request
}

fn echo(container: &Container, number: usize) {
    let output = container.command("echo").arg(number.to_string()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{number}\n"));
    assert!(output.status.success());
}

fn sleeper(container: &Container) -> Child {
    let command = container.command("sleep").arg("1000");
    command.stdin(Stdio::Null).stdout(Stdio::Null).stderr(Stdio::Null).spawn().unwrap()
}
