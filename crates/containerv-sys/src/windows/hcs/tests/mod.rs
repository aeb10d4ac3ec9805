//! The wrappers, with functions of the test's own in place of the DLL's.

#![allow(unsafe_code, reason = "stands in for a DLL")]

mod fake;
mod signatures;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::windows::error::{Error, Hresult};
use crate::windows::wait;

const SHORT: Option<Duration> = Some(Duration::from_millis(5));

fn hcs() -> Hcs {
    Hcs { table: Arc::new(Computecore::of_test(fake::find)) }
}

fn system(hcs: &Hcs, id: &str) -> System {
    let (system, mut operation) = hcs.create_system(hcs.operation().unwrap(), id, "good").unwrap();
    assert_eq!(operation.wait(None).unwrap(), Waited::Done(Some("create:good".into())));
    system
}

#[test]
fn an_operation_ends_later_and_can_be_asked_again() {
    let hcs = hcs();
    let system = system(&hcs, "asked-again");
    let mut start = system.start(hcs.operation().unwrap(), None).unwrap();
    for _ in 0..2 {
        assert_eq!(start.wait(None).unwrap(), Waited::Done(Some("start:NULL".into())));
    }
    assert_eq!(start.function(), "HcsStartComputeSystem");
    let start = system.start(hcs.operation().unwrap(), Some("{}")).unwrap();
    assert_eq!(start.finish(None).unwrap().unwrap(), "start:{}");
}

#[test]
fn no_query_is_a_null_pointer() {
    let hcs = hcs();
    let list = hcs.enumerate_systems(hcs.operation().unwrap(), None).unwrap();
    assert_eq!(list.finish(None).unwrap().unwrap(), "enumerate:NULL");
}

#[test]
fn a_failure_of_the_operation_has_code_and_document() {
    let hcs = hcs();
    let (_system, operation) = hcs.create_system(hcs.operation().unwrap(), "failing", "bad").unwrap();
    let error = operation.finish(None).unwrap_err();
    assert_eq!(error.code(), Some(fake::INVALID_JSON));
    assert_eq!(error.function(), Some("HcsCreateComputeSystem"));
    assert_eq!(error.document(), Some("{\"Error\":-2143878899}"));
}

#[test]
fn a_failure_of_the_function_keeps_the_document_that_some_versions_have() {
    let hcs = hcs();
    let error = hcs.create_system(hcs.operation().unwrap(), "refused", "refused").unwrap_err();
    assert_eq!(error.code(), Some(fake::INVALID_JSON));
    assert!(error.document().is_some());
    let error = hcs.open_system("unknown").unwrap_err();
    assert!(error.is(Hresult(0xC037_010E)) && error.document().is_none());
}

#[test]
fn a_wait_that_was_too_short_leaves_the_operation_running() {
    for find in [fake::find as fn(&std::ffi::CStr) -> _, fake::find_other] {
        let hcs = Hcs { table: Arc::new(Computecore::of_test(find)) };
        let (_system, mut operation) =
            hcs.create_system(hcs.operation().unwrap(), "running", "stuck").unwrap();
        assert_eq!(operation.wait(SHORT).unwrap(), Waited::Running);
        assert_eq!(operation.wait(Some(Duration::ZERO)).unwrap(), Waited::Running);
        fake::release(operation.raw);
        assert_eq!(operation.wait(None).unwrap(), Waited::Done(Some("released:NULL".into())));
    }
}

#[test]
fn finishing_in_vain_is_the_services_own_code() {
    let hcs = hcs();
    let (_system, operation) = hcs.create_system(hcs.operation().unwrap(), "in-vain", "stuck").unwrap();
    let raw = operation.raw;
    assert!(operation.finish(SHORT).unwrap_err().is(Hresult::OPERATION_TIMEOUT));
    // It ends after it was closed: nothing happens.
    fake::release(raw);
}

#[test]
fn a_handle_is_signaled_at_the_end_of_an_operation() {
    let hcs = hcs();
    let (_system, mut operation) =
        hcs.create_system(hcs.waitable_operation().unwrap(), "signaled", "stuck").unwrap();
    let completion = operation.completion().unwrap();
    assert_eq!(wait::wait_any(&[completion], SHORT).unwrap(), None);
    fake::release(operation.raw);
    assert_eq!(wait::wait_any(&[completion], None).unwrap(), Some(0));
    assert!(matches!(operation.wait(Some(Duration::ZERO)).unwrap(), Waited::Done(_)));
    // Without being asked for there is none.
    assert!(hcs.operation().unwrap().0.completion().is_none());
}

#[test]
fn an_operation_that_is_closed_in_flight_calls_back_into_nothing() {
    let hcs = hcs();
    for number in 0..50 {
        let system = system(&hcs, &format!("flight-{number}"));
        drop(system.terminate(hcs.waitable_operation().unwrap(), None).unwrap());
    }
}

#[test]
fn a_system_is_closed_after_the_operations_on_it() {
    let hcs = hcs();
    let system = system(&hcs, "outlived");
    let mut start = system.start(hcs.operation().unwrap(), None).unwrap();
    drop(system);
    assert_eq!(fake::count("close", "outlived"), 0);
    start.wait(None).unwrap();
    drop(start);
    assert_eq!(fake::count("close", "outlived"), 1);
}

#[test]
fn events_are_registered_once_and_delivered() {
    let hcs = hcs();
    let system = system(&hcs, "eventful");
    let events = system.events().unwrap();
    let again = system.events().unwrap();
    assert_eq!(fake::count("register", "eventful"), 1);
    drop(system.terminate(hcs.operation().unwrap(), None).unwrap());
    assert!(wait::wait(&events, None).unwrap());
    let exit = again.next_of(SYSTEM_EXITED, None).unwrap();
    assert_eq!(exit.data.as_deref(), Some("{\"Status\":0}"));
    assert_eq!(events.next(SHORT), None);
}

#[test]
fn events_of_one_handle_do_not_reach_another() {
    let hcs = hcs();
    let first = system(&hcs, "watched");
    let second = hcs.open_system("watched").unwrap();
    let (ours, theirs) = (first.events().unwrap(), second.events().unwrap());
    drop(second.terminate(hcs.operation().unwrap(), None).unwrap());
    assert!(theirs.next(None).is_some());
    assert_eq!(ours.next(SHORT), None);
}

#[test]
fn a_process_has_the_streams_that_were_asked_for() {
    let hcs = hcs();
    let system = system(&hcs, "spawning");
    let mut spawn = system.create_process(hcs.operation().unwrap(), "ordinary").unwrap();
    let Waited::Done(info) = spawn.wait(None).unwrap() else { panic!("it has started") };
    assert_eq!(info.id, 1234);
    // The service says NULL for the one and INVALID_HANDLE_VALUE for the other.
    assert!(info.stdin.is_none() && info.stdout.is_some() && info.stderr.is_none());
    assert_eq!(fake::count("info", "ordinary"), 0);
    drop(spawn.into_process());
    assert_eq!(fake::count("close", "ordinary"), 1);
}

#[test]
fn a_process_that_was_started_by_the_time_the_call_returned_tells_about_itself() {
    let hcs = hcs();
    let system = system(&hcs, "server-2022");
    let mut spawn = system.create_process(hcs.operation().unwrap(), "already-done").unwrap();
    let Waited::Done(info) = spawn.wait(None).unwrap() else { panic!("it has started") };
    assert_eq!(info.id, 1234);
    assert_eq!(fake::count("terminate", "already-done"), 0);
}

#[test]
fn a_process_of_which_nothing_is_known_is_told_to_end() {
    let hcs = hcs();
    let system = system(&hcs, "server-2022-gone");
    let mut spawn = system.create_process(hcs.operation().unwrap(), "already-gone").unwrap();
    let error = spawn.wait(None).unwrap_err();
    assert!(error.is(Hresult::INVALID_ARGUMENT));
    assert_eq!(fake::count("terminate", "already-gone"), 1);
}

#[test]
fn a_process_that_takes_long_can_be_waited_for_again() {
    let hcs = hcs();
    let system = system(&hcs, "slow");
    let mut spawn = system.create_process(hcs.operation().unwrap(), "stuck").unwrap();
    assert!(matches!(spawn.wait(SHORT).unwrap(), Waited::Running));
    assert_eq!(fake::count("info", "stuck"), 0);
    fake::release(spawn.operation().raw);
    assert!(matches!(spawn.wait(None).unwrap(), Waited::Done(_)));
}

#[test]
fn a_function_that_an_old_version_lacks_is_an_answer() {
    let hcs = hcs();
    let system = system(&hcs, "old");
    assert!(!hcs.has("HcsWaitForComputeSystemExit"));
    assert!(hcs.missing().contains(&"HcsWaitForComputeSystemExit"));
    let error = system.wait_for_exit(None).unwrap_err();
    assert!(matches!(error, Error::Absent { function: "HcsWaitForComputeSystemExit", .. }));
    assert!(matches!(system.pause(hcs.operation().unwrap(), None), Err(Error::Absent { .. })));
}

#[test]
fn the_services_answers_and_failures_have_their_documents() {
    let hcs = hcs();
    assert_eq!(hcs.service_properties(None).unwrap().unwrap(), "service:NULL");
    let error = hcs.service_properties(Some("bad")).unwrap_err();
    assert_eq!((error.code(), error.document()), (Some(fake::INVALID_JSON), Some("{\"Error\":1}")));
    assert!(matches!(hcs.service_properties(Some("a\0b")), Err(Error::Nul { .. })));
}
