//! PID 1, and lives that end with their owner.

use std::process::{Command, Stdio};
use std::time::Duration;

use containerv::spec::request::{Lifetime, Request};
use containerv::spec::state::Status;
use containerv::{Container, StdioSet};
use containerv_tests::{Bed, processes_with, shell, wait_until};

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn a_keeper_reaps_orphans() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let script = "for i in $(seq 20); do setsid sh -c 'sleep 0.05 & exit' ; done; sleep 0.3; \
                  grep -c '^State:.Z' /proc/[0-9]*/status | grep -v ':0' | wc -l; set -- /proc/[0-9]*; echo $#";
    let output = container.command("sh").args(["-c", script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n2\n");
}

#[test]
fn an_init_reaps_orphans_and_ends_as_its_command_does() {
    let bed = Bed::new();
    let script = "echo $$; for i in $(seq 20); do setsid sh -c 'sleep 0.05 & exit' ; done; sleep 0.3; \
                  grep -c '^State:.Z' /proc/[0-9]*/status | grep -v ':0' | wc -l; exit 42";
    let output = bed.run(|request| request.init = true, script);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n0\n");
    assert_eq!(output.status.code(), Some(42));
    let output = bed.run(|request| request.init = true, "kill -9 $$");
    assert_eq!(output.status.docker_code(), 137);
}

#[test]
fn an_init_passes_signals_on() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.init = true;
    request.process = Some(shell("trap 'exit 3' USR1; echo ready; while :; do sleep 0.02; done"));
    let (container, mut child) = Container::run_attached(bed.host(), request, StdioSet::piped()).unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    container.signal(10).unwrap();
    assert_eq!(child.wait().unwrap().docker_code(), 3);
}

/// Starts `operation` of the helper program, which then sleeps; kills it, and returns the mark of
/// the container's objects.
fn lose_owner(bed: &Bed, operation: &str, change: impl FnOnce(&mut Request)) -> String {
    let mut request = bed.request();
    request.lifetime = Lifetime::OwnerBound;
    change(&mut request);
    let file = bed.path(&format!("{operation}.json"));
    std::fs::write(&file, serde_json::to_vec(&request).unwrap()).unwrap();
    let mut owner = Command::new(env!("CARGO_BIN_EXE_crash-at"))
        .args([operation, "--stay", "--root"])
        .arg(bed.state())
        .arg("--request")
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = owner.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    assert_eq!(line, "done\n");
    let mark = request.id.as_str().to_owned();
    assert!(bed.host().container(&mark).unwrap().state().unwrap().pid.is_some());
    owner.kill().unwrap();
    owner.wait().unwrap();
    mark
}

#[test]
fn an_owner_bound_container_ends_when_its_owner_is_killed() {
    let cases: [(&str, bool, bool); 6] = [
        ("create", false, false),
        ("create", true, false),
        ("attached", true, false),
        ("attached", true, true),
        ("detached", true, false),
        ("detached", true, true),
    ];
    for (operation, has_command, init) in cases {
        let bed = Bed::new();
        let mark = lose_owner(&bed, operation, |request| {
            request.init = init;
            request.auto_remove = true;
            request.process = has_command.then(|| shell("sleep 1000 & sleep 1000"));
        });
        let gone = wait_until(PATIENCE, || processes_with(std::slice::from_ref(&mark)).is_empty());
        let left = || processes_with(std::slice::from_ref(&mark)).len();
        assert!(gone, "{operation} init={init}: {} processes, {:?}", left(), bed.leftovers());
        // A process that is ending has lost its memory before it lets go of its locks. Its monitor
        // may have removed the container by then.
        let state = || bed.host().container(&mark).and_then(|container| container.state());
        let runs = || state().is_ok_and(|state| state.status == Status::Running);
        assert!(wait_until(PATIENCE, || !runs()));
        bed.host().repair(false).unwrap();
        bed.assert_nothing_left(&format!("after the owner of `{operation}` was killed, and repair"));
    }
}
