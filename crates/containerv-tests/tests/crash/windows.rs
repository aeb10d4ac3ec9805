//! Crashes on Windows, whose steps are calls of its services: what these have is looked at.

use std::time::Duration;

use containerv::Container;
use containerv::spec::Request;
use containerv::spec::plan::Plan;
use containerv::spec::plan::hcs::Stage;
use containerv::spec::request::{MountSource, NamedNetwork, Network};
use containerv::spec::state::Status;
use containerv_tests::inside::{command, doing, said};
use containerv_tests::{Bed, Caller, Ended};

use crate::{PROGRAM, repair, until_it_survives, until_it_survives_from};

/// Everything that a container can have outside of its directory.
fn rich(bed: &Bed, request: &mut Request) {
    request.name = Some("rich".into());
    request.network = Network::Named(NamedNetwork::new("nat"));
    let path = bed.make_directory("data").to_str().unwrap().into();
    let source = MountSource::Bind { path, recursive: true };
    let (target, options) = (r"C:\data".into(), Default::default());
    request.mounts.push(containerv::spec::request::Mount { source, target, read_only: true, options });
}

/// Repairs. Then the container is gone, or it is whole: nothing of it is in the services unless it runs,
/// and it can be removed.
fn settle(bed: &Bed, caller: &Caller<'_>, request: &Request, when: &str) {
    repair(bed, caller, false, when);
    if let Ok(container) = bed.host().container(request.id.as_str()) {
        if container.state().unwrap().status != Status::Running {
            let left: Vec<String> =
                bed.leftovers().into_iter().filter(|line| !line.starts_with("file")).collect();
            assert!(left.is_empty(), "{when}: {left:?}");
            container.start().unwrap_or_else(|error| panic!("{when}: {error:?}"));
            assert_eq!(container.state().unwrap().status, Status::Running, "{when}");
        }
        container.delete(true).unwrap();
    }
    bed.assert_nothing_left(when);
}

/// How many steps make a container, and how many start it.
fn steps(bed: &Bed, request: &Request) -> (u32, u32) {
    let Plan::Hcs(plan) = bed.host().plan(request, false).unwrap() else { panic!("not of Windows") };
    let count = |stage| plan.steps.iter().filter(|step| step.stage == stage).count() as u32;
    (count(Stage::Create), count(Stage::Start))
}

/// Kills the caller at every step of an operation that makes a container; a fault of the monitor's
/// is told to the caller, which then has to clean up.
fn at_every_step(operation: &str, change: impl Fn(&Bed, &mut Request)) {
    let bed = Bed::with_program();
    let caller = Caller::new(&bed, PROGRAM);
    let mut request = bed.request();
    change(&bed, &mut request);
    let (made, started) = steps(&bed, &request);
    let expected = if operation == "create" && request.process.is_some() { made } else { made + started };
    let killed = until_it_survives(|step| {
        let mut request = bed.request();
        change(&bed, &mut request);
        let when = format!("{operation} killed after step {step}");
        let ended = match caller.make(operation, &request, Some(step)) {
            Ended::Failed(error) if operation == "detached" => {
                assert!(error.contains("cannot create container"), "{when}: {error}");
                Ended::Killed
            }
            ended => ended,
        };
        settle(&bed, &caller, &request, &when);
        ended
    });
    assert!(killed >= expected, "{killed} of {expected} steps of {operation}");
}

#[test]
fn a_keeper() {
    at_every_step("create", |_, request| request.name = Some("keeper".into()));
}

#[test]
fn a_keeper_with_a_network_and_a_mount() {
    at_every_step("create", rich);
}

#[test]
fn a_prepared_command() {
    at_every_step("create", |_, request| request.process = Some(doing("sleep 600000")));
}

#[test]
fn an_attached_command() {
    at_every_step("attached", |bed, request| {
        rich(bed, request);
        // Whoever survives waits for its end.
        request.process = Some(doing("sleep 1000"));
    });
}

#[test]
fn a_detached_command() {
    at_every_step("detached", |bed, request| {
        rich(bed, request);
        request.process = Some(doing("sleep 600000"));
    });
}

#[test]
fn a_further_command() {
    let bed = Bed::with_program();
    let caller = Caller::new(&bed, PROGRAM);
    let container = bed.keeper(|_| {});
    let killed = until_it_survives(|step| {
        let ended = caller.change("exec", container.id().as_str(), Some(step));
        assert_eq!(caller.repair(false), "");
        assert_eq!(container.state().unwrap().status, Status::Running);
        assert_eq!(said(command(&container, "echo fine")), "fine");
        ended
    });
    assert!(killed >= 1, "only {killed} steps");
}

fn removal(least: u32, detached: bool) {
    let bed = Bed::with_program();
    let caller = Caller::new(&bed, PROGRAM);
    let killed = until_it_survives(|step| {
        let mut request = bed.request();
        rich(&bed, &mut request);
        request.process = detached.then(|| doing("sleep 600000"));
        let made = if detached { Container::run_detached } else { Container::create };
        let container = made(bed.host(), request).unwrap();
        let ended = caller.change("delete", container.id().as_str(), Some(step));
        let when = format!("removal killed after step {step}");
        repair(&bed, &caller, false, &when);
        assert!(container.state().is_err(), "{when}: it is still there");
        bed.assert_nothing_left(&when);
        ended
    });
    assert!(killed >= least, "only {killed} steps");
}

#[test]
fn the_removal_of_a_running_keeper() {
    removal(4, false);
}

#[test]
fn the_removal_of_a_running_command() {
    removal(4, true);
}

/// A container that was there before stays, as one that has ended.
fn a_new_start(is_keeper: bool) {
    let bed = Bed::with_program();
    let caller = Caller::new(&bed, PROGRAM);
    let mut request = bed.request();
    rich(&bed, &mut request);
    request.process = (!is_keeper).then(|| doing("sleep 600000"));
    let (made, started) = steps(&bed, &request);
    let container = Container::create(bed.host(), request).unwrap();
    let end = || container.stop(Some(Duration::ZERO)).unwrap();
    end();
    let killed = until_it_survives_from(made + 1, |step| {
        let ended = match caller.change("start", container.id().as_str(), Some(step)) {
            Ended::Failed(error) if !is_keeper => {
                assert!(error.contains("cannot start container"), "{error}");
                Ended::Killed
            }
            ended => ended,
        };
        let when = format!("start killed after step {step}");
        repair(&bed, &caller, false, &when);
        container.start().unwrap_or_else(|error| panic!("{when}: {error:?}"));
        assert_eq!(container.state().unwrap().status, Status::Running, "{when}");
        assert_eq!(said(command(&container, "echo fine")), "fine", "{when}");
        end();
        ended
    });
    assert!(killed >= started, "{killed} of {started} steps");
}

#[test]
fn a_new_start_of_a_keeper() {
    a_new_start(true);
}

#[test]
fn a_new_start_of_a_command() {
    a_new_start(false);
}
