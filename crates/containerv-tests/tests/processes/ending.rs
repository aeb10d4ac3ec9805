//! Exit codes and signals.

use std::time::{Duration, Instant};

use containerv::spec::request::{Process, Seccomp};
use containerv::spec::state::Status;
use containerv::{Container, ErrorKind, StdioSet};
use containerv_tests::machine::{own_descriptors, status_field};
use containerv_tests::{Bed, shell, wait_until};

#[test]
fn a_program_that_is_missing_is_told_though_the_container_removes_itself_meanwhile() {
    let bed = Bed::new();
    for _ in 0..150 {
        let mut request = bed.request();
        request.auto_remove = true;
        request.process = Some(Process { args: vec!["/absent".into()], ..shell("") });
        let error = Container::run_detached(bed.host(), request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommandNotFound, "{error}");
    }
    bed.assert_nothing_left("after failed starts");
}

#[test]
fn every_signal_that_ends_a_process_is_told() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    // Not among them: what is ignored by default, and what stops.
    for signal in (1..=16).chain([24, 25, 26, 27, 29, 30, 31, 34, 64]) {
        let mut child = container.command("sleep").arg("100").spawn().unwrap();
        child.signal(signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (None, Some(signal)));
        assert_eq!(status.docker_code(), 128 + signal);
    }
    let status = container.command("sh").args(["-c", "kill -9 $$"]).status().unwrap();
    assert_eq!(status.signal(), Some(9));
}

#[test]
fn numbers_that_are_no_signals_are_refused() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut child = container.command("sleep").arg("100").spawn().unwrap();
    for signal in [-1, 0, 32, 33, 65, 1000, i32::MIN] {
        assert_eq!(child.signal(signal).unwrap_err().kind(), ErrorKind::InvalidArgument, "{signal}");
        assert_eq!(container.signal(signal).unwrap_err().kind(), ErrorKind::InvalidArgument, "{signal}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(child.signal(15).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn the_descriptor_of_a_child_becomes_readable_at_its_end() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut child = container.command("sleep").arg("0.1").spawn().unwrap();
    let limit = rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 };
    let mut polled = [rustix::event::PollFd::new(&child, rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut polled, Some(&limit)), Ok(1));
    assert!(child.try_wait().unwrap().is_some());
}

#[test]
fn ids_of_processes_are_those_inside_and_outside() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut child = container.command("sleep").arg("100").spawn().unwrap();
    let inside = status_field(child.id(), "NSpid");
    assert_eq!(inside, format!("{}\t{}", child.id(), child.id_inside()));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn stop_asks_first_and_kills_when_its_time_is_over() {
    let bed = Bed::new();
    let made = |script: &str| {
        let mut request = bed.request();
        request.stop.timeout_seconds = 1;
        request.process =
            Some(shell(&format!("{script}; echo ready > /tmp/ready; while :; do sleep 0.02; done")));
        let container = Container::run_detached(bed.host(), request).unwrap();
        assert!(wait_until(Duration::from_secs(5), || bed.in_root("tmp/ready").exists()));
        std::fs::remove_file(bed.in_root("tmp/ready")).unwrap();
        container
    };
    let polite = made("trap 'exit 9' TERM");
    polite.stop(None).unwrap();
    assert_eq!(polite.wait().unwrap().code, 9);
    let deaf = made("trap '' TERM");
    let start = Instant::now();
    deaf.stop(None).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    let exit = deaf.wait().unwrap();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    // Stopping what has ended is fine.
    deaf.stop(None).unwrap();
}

#[test]
fn the_first_process_of_an_attached_container_decides_its_state() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.process = Some(shell("sleep 100"));
    let (container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
    let state = container.state().unwrap();
    assert_eq!((state.status, state.pid), (Status::Running, Some(child.id())));
    let error = container.delete(false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.hint().is_some(), "{error}");
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let exit = container.state().unwrap().exit.unwrap();
    assert_eq!((exit.code, exit.signal, exit.out_of_memory), (137, Some(9), false));
}

#[test]
fn removal_does_not_wait_for_children_that_nobody_has_waited_for() {
    let bed = Bed::new();
    let start = Instant::now();
    let container = bed.keeper(|_| {});
    let mut kept = container.command("sleep").arg("1000").spawn().unwrap();
    drop(container.command("sleep").arg("1000").spawn().unwrap());
    drop(container.command("true").spawn().unwrap());
    container.delete(true).unwrap();
    assert_eq!(kept.wait().unwrap().signal(), Some(9));
    // The same where the first process is a command, and for every way to end it.
    let end: [fn(&Container); 3] = [
        |container| container.stop(Some(Duration::ZERO)).unwrap(),
        |container| drop((container.kill(), container.wait())),
        |container| container.delete(true).unwrap(),
    ];
    for end in end {
        let mut request = bed.request();
        request.process = Some(shell("sleep 1000"));
        let (container, mut first) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
        let mut further = container.command("sleep").arg("1000").spawn().unwrap();
        end(&container);
        assert_eq!(first.wait().unwrap().signal(), Some(9));
        assert_eq!(further.wait().unwrap().signal(), Some(9));
        let mut request = bed.request();
        request.process = Some(shell("sleep 1000"));
        let container = Container::run_detached(bed.host(), request).unwrap();
        let mut further = container.command("sleep").arg("1000").spawn().unwrap();
        end(&container);
        assert_eq!(further.wait().unwrap().signal(), Some(9));
    }
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn a_killed_attached_command_can_be_waited_for_before_its_companions() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.process = Some(shell("sleep 1000"));
    let (container, mut first) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
    let mut further = container.command("sleep").arg("1000").spawn().unwrap();
    first.kill().unwrap();
    assert_eq!(first.wait().unwrap().signal(), Some(9));
    assert_eq!(further.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_command_that_cannot_be_executed_is_told_apart() {
    let bed = Bed::new();
    std::fs::write(bed.in_root("tmp/plain"), "#!/bin/sh\n").unwrap();
    std::fs::write(bed.in_root("tmp/lost"), "#!/bin/absent\n").unwrap();
    std::fs::write(bed.in_root("tmp/text"), "echo hi\n").unwrap();
    containerv_tests::machine::run("chmod", &["755", bed.in_root("tmp/lost").to_str().unwrap()]);
    containerv_tests::machine::run("chmod", &["755", bed.in_root("tmp/text").to_str().unwrap()]);
    let cases = [
        ("absent-program", ErrorKind::CommandNotFound, "PATH"),
        ("/bin/absent-program", ErrorKind::CommandNotFound, "not in the container"),
        ("/bin/sh/absent", ErrorKind::CommandNotFound, "not in the container"),
        ("/tmp/lost", ErrorKind::CommandNotFound, "interpreter"),
        ("/tmp/plain", ErrorKind::CommandNotExecutable, "not executable"),
        ("/tmp", ErrorKind::CommandNotExecutable, "is a directory"),
        ("/tmp/text", ErrorKind::CommandNotExecutable, "#!/bin/sh"),
    ];
    let keeper = bed.keeper(|_| {});
    let before = own_descriptors();
    for (program, kind, hint) in cases {
        let mut errors = vec![keeper.command(program).spawn().unwrap_err()];
        for make in [attached, detached, started] {
            let mut request = bed.request();
            request.process = Some(Process { args: vec![program.into()], ..shell("") });
            errors.push(make(&bed, request).unwrap_err());
        }
        for error in errors {
            assert_eq!(error.kind(), kind, "{program}: {error}");
            assert!(error.to_string().contains(&format!("cannot execute `{program}`")), "{error}");
            assert!(error.hint().unwrap().contains(hint), "{program}: {error:?}");
        }
    }
    // Other tests of this process open some as well, for as long as they last.
    let closed = wait_until(Duration::from_secs(60), || own_descriptors() <= before + 8);
    assert!(closed, "{before} {}", own_descriptors());
}

#[test]
fn a_filter_that_keeps_a_command_from_letting_anybody_in_does_not_keep_it_from_its_start() {
    let bed = Bed::new();
    for calls in [&["accept4"][..], &["poll"], &["accept4", "poll"]] {
        for (program, code) in [("sh", Some(9)), ("absent-program", None)] {
            let profile = serde_json::json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": calls, "action": "SCMP_ACT_ERRNO"}],
            });
            let mut request = bed.request();
            request.security.seccomp = Seccomp::Profile(serde_json::from_value(profile).unwrap());
            request.process =
                Some(Process { args: [program, "-c", "exit 9"].map(Into::into).into(), ..shell("") });
            let container = Container::create(bed.host(), request).unwrap();
            let result = container.start();
            match code {
                Some(code) => assert_eq!(container.wait().unwrap().code, code, "{calls:?} {result:?}"),
                None => assert_eq!(result.unwrap_err().kind(), ErrorKind::CommandNotFound, "{calls:?}"),
            }
        }
    }
}

#[test]
fn a_prepared_command_that_was_killed_meanwhile_is_run_anew() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.process = Some(shell("exit 9"));
    let container = Container::create(bed.host(), request).unwrap();
    let before = container.state().unwrap().pid.unwrap();
    let pid = rustix::process::Pid::from_raw(before as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_until(Duration::from_secs(30), || container.state().unwrap().status == Status::Exited);
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 9);
}

fn attached(bed: &Bed, request: containerv::spec::Request) -> containerv::Result<()> {
    Container::run_attached(bed.host(), request, StdioSet::null()).map(drop)
}

fn detached(bed: &Bed, request: containerv::spec::Request) -> containerv::Result<()> {
    Container::run_detached(bed.host(), request).map(drop)
}

fn started(bed: &Bed, request: containerv::spec::Request) -> containerv::Result<()> {
    let container = Container::create(bed.host(), request)?;
    let result = container.start();
    container.delete(true)?;
    result
}
