//! The whole system of a container crashes: who supervises it, or waits for it, tells that once.

use std::time::{Duration, SystemTime};

use containerv::spec::Request;
use containerv::{Container, Event, StdioSet};
use containerv_tests::inside::doing;
use containerv_tests::{Bed, StandIns, wait_until};
use serde_json::json;

use crate::{Faults, alone};

/// For the service, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets the system crash in the middle of a call.
fn crash(container: &Container) {
    let rule = json!([{"call": "HcsPauseComputeSystem", "with": container.id().as_str(), "crash": true}]);
    let _faults = Faults::set(rule);
    container.pause().expect_err("it has crashed meanwhile");
}

fn told(bed: &Bed) -> Vec<Event> {
    bed.host().events(Some(SystemTime::UNIX_EPOCH), false).unwrap().map(Result::unwrap).collect()
}

/// What was told, once its end was.
fn told_at_end(bed: &Bed) -> Vec<Event> {
    let mut events = Vec::new();
    let ended = wait_until(PATIENCE, || {
        events = told(bed);
        events.iter().any(|event| event.action == "die")
    });
    assert!(ended, "{events:?}");
    events
}

fn check(bed: &Bed, container: &Container) {
    let events = told_at_end(bed);
    let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["create", "start", "crash", "die"], "{events:?}");
    // The code is that of the stand-ins' end, whose form depends on the generation.
    assert_eq!(events[2].attributes["crashParameters"], "0xef,0x0,0x0,0x0,0x0");
    assert!(events[2].attributes["crashStatus"].starts_with("0x"), "{events:?}");
    assert!(!events[3].attributes.contains_key("crashStatus"));
    container.delete(true).unwrap();
    assert_eq!(told(bed).iter().filter(|event| event.action == "crash").count(), 1);
    bed.assert_nothing_left("after a crash");
}

/// Makes a container that crashes, and looks at what was told of it.
fn crashing(make: impl FnOnce(&Bed, Request) -> Container) {
    if !StandIns::are_here() {
        return;
    }
    let _alone = alone();
    let bed = Bed::with_program();
    let container = make(&bed, Request { process: Some(doing("sleep 600000")), ..bed.request() });
    check(&bed, &container);
}

#[test]
fn the_crash_of_a_detached_command_is_told_once() {
    crashing(|bed, request| {
        let container = Container::run_detached(bed.host(), request).unwrap();
        crash(&container);
        assert_ne!(container.wait().unwrap().code, 0);
        container
    });
}

#[test]
fn the_crash_of_an_attached_command_is_told_once() {
    crashing(|bed, request| {
        let (container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
        crash(&container);
        assert!(!child.wait().unwrap().success());
        container
    });
}

#[test]
fn the_crash_of_a_container_without_a_command_is_told_by_who_waits_for_it() {
    crashing(|bed, request| {
        let container = Container::create(bed.host(), Request { process: None, ..request }).unwrap();
        crash_while_waited_for(&container);
        container
    });
}

fn crash_while_waited_for(container: &Container) {
    // It looks twice whether the container runs, and a third time once it listens.
    let looks = || {
        let log = StandIns::connect().log(std::process::id());
        let of_it = |entry: &&serde_json::Value| {
            let function = entry["function"].as_str().unwrap_or_default();
            entry["turn"].is_u64() && function.ends_with("HcsGetComputeSystemProperties")
        };
        log.iter().filter(of_it).count()
    };
    let before = looks();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..2).map(|_| scope.spawn(|| container.wait().unwrap())).collect();
        assert!(wait_until(PATIENCE, || looks() >= before + 3 * waiters.len()), "they wait");
        crash(container);
        waiters.into_iter().for_each(|waiter| assert_ne!(waiter.join().unwrap().code, 0));
    });
}
