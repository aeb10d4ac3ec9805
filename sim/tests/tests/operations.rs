//! Operations, handles and callbacks of `computecore.dll`.
#![cfg(windows)]

use std::ffi::c_void;
use std::ptr;

use sim_protocol::codes;
use sim_tests::api::{self, Events, Handle, Information, Operation};
use sim_tests::bed::{Service, machine_document, wait_until};
use sim_tests::call;

#[test]
fn an_operation_that_was_not_started_says_so() {
    let operation = Operation::new();
    assert_eq!(operation.kind(), -1);
    assert_eq!(operation.result(), (codes::OPERATION_NOT_STARTED, None));
    assert_eq!(operation.wait(0), (codes::OPERATION_NOT_STARTED, None));
    let mut information = Information::empty();
    let code = call!("computecore", "HcsGetOperationResultAndProcessInfo", (Handle, *mut Information, *mut *mut u16) -> u32,
        operation.0, &mut information, ptr::null_mut());
    assert_eq!(code, codes::E_INVALIDARG);
    assert_eq!(call!("computecore", "HcsCancelOperation", (Handle) -> u32, operation.0), codes::E_NOTIMPL);
    operation.close();
}

#[test]
fn a_result_can_be_had_twice_and_the_operation_used_again() {
    let operation = Operation::new();
    for _ in 0..2 {
        let code = call!("computecore", "HcsEnumerateComputeSystems", (*const u16, Handle) -> u32, ptr::null(), operation.0);
        assert_eq!(code, 0);
        let first = operation.wait(api::INFINITE);
        assert_eq!(first.0, 0);
        assert_eq!(operation.result().0, 0);
        assert_eq!(operation.kind(), 0);
    }
    operation.close();
}

#[test]
fn a_busy_operation_is_refused_and_a_wait_can_be_given_up() {
    let service = Service::connect();
    let id = format!("busy-{}", std::process::id());
    let ((code, _), system) = api::create(&id, &machine_document("t"));
    assert_eq!(code, 0);
    service.faults(&id, serde_json::json!([{"call": "HcsStartComputeSystem", "with": id, "delay_ms": 700}]));
    let operation = Operation::new();
    let start = || call!("computecore", "HcsStartComputeSystem", (Handle, Handle, *const u16) -> u32, system, operation.0, ptr::null());
    assert_eq!(start(), 0);
    assert_eq!(operation.result().0, codes::OPERATION_PENDING);
    assert_eq!(start(), codes::OPERATION_ALREADY_STARTED);
    assert_eq!(operation.wait(1).0, codes::OPERATION_TIMEOUT);
    assert_eq!(operation.wait(60_000).0, 0);
    // Closed while it is pending: the work goes on.
    service.faults(&id, serde_json::json!([{"call": "HcsPauseComputeSystem", "with": id, "delay_ms": 300}]));
    let second = Operation::new();
    let code = call!("computecore", "HcsPauseComputeSystem", (Handle, Handle, *const u16) -> u32, system, second.0, ptr::null());
    assert_eq!(code, 0);
    second.close();
    wait_until("it is paused", || {
        api::properties(system, None).1.is_some_and(|text| text.contains("Paused"))
    });
    service.faults(&id, serde_json::json!([]));
    operation.close();
    api::close(system);
}

#[test]
fn a_completion_comes_on_another_thread_and_may_close_its_operation() {
    let callback: api::Completion = api::on_completion;
    let operation = call!("computecore", "HcsCreateOperation", (*const c_void, usize) -> Handle, ptr::null(), callback as usize);
    let code = call!("computecore", "HcsEnumerateComputeSystems", (*const u16, Handle) -> u32, ptr::null(), operation);
    assert_eq!(code, 0);
    let (completed, more) = &**api::COMPLETED;
    let minute = std::time::Duration::from_secs(60);
    let done = more
        .wait_timeout_while(completed.lock().unwrap(), minute, |list| !list.contains(&operation))
        .unwrap()
        .0;
    assert!(done.contains(&operation));
}

#[test]
fn dead_handles_are_refused_and_reported() {
    let operation = Operation::new();
    operation.close();
    operation.close();
    assert_eq!(operation.result().0, codes::E_HANDLE);
    let ((code, _), system) = api::create(&format!("dead-{}", std::process::id()), &machine_document("t"));
    assert_eq!(code, 0);
    api::close(system);
    assert_eq!(api::start(system, None).0, codes::E_HANDLE);
    api::close(0x1234);
    let service = Service::connect();
    let misuse = |function: &str, is: &str| {
        service.log().iter().any(|entry| {
            entry["function"] == "misuse"
                && entry["arguments"]["function"] == function
                && entry["arguments"]["is"].as_str().is_some_and(|text| text.contains(is))
        })
    };
    wait_until("the reports", || {
        misuse("HcsCloseOperation", "closed")
            && misuse("HcsStartComputeSystem", "closed")
            && misuse("HcsCloseComputeSystem", "never")
    });
}

#[test]
fn events_are_of_each_handle_and_none_comes_after_closing() {
    let id = format!("events-{}", std::process::id());
    let ((code, _), system) = api::create(&id, &machine_document("t"));
    assert_eq!(code, 0);
    let (code, other) = api::open(&id);
    assert_eq!(code, 0);
    let (code, closed) = api::open(&id);
    assert_eq!(code, 0);
    let lists = [Events::leaked(), Events::leaked(), Events::leaked()];
    assert_eq!(api::listen(system, lists[0], 0), 0);
    assert_eq!(api::listen(other, lists[1], 4), 0);
    assert_eq!(api::listen(closed, lists[2], 0), 0);
    api::close(closed);
    assert_eq!(api::start(system, None).0, 0);
    assert_eq!(api::terminate(system, None).0, 0);
    for events in &lists[..2] {
        let data = events.wait(1).expect("SystemExited");
        assert!(data.contains("ForcedExit"), "{data}");
        assert_eq!(events.all().len(), 1);
    }
    assert!(lists[2].all().is_empty());
    assert_eq!(api::terminate(system, None).0, codes::SYSTEM_ALREADY_STOPPED);
    assert_eq!(api::open(&id).0, codes::SYSTEM_NOT_FOUND);
    assert!(api::properties(system, None).1.unwrap().contains(r#""Stopped":true"#));
    assert_eq!(api::wait_for_system(other, 60_000).0, 0);
    api::close(system);
    api::close(other);
}

#[test]
fn operation_callbacks_of_a_system_exclude_those_of_operations() {
    let ((code, _), system) = api::create(&format!("styles-{}", std::process::id()), &machine_document("t"));
    assert_eq!(code, 0);
    let events = Events::leaked();
    assert_eq!(api::listen(system, events, 1), 0);
    let callback: api::Completion = api::on_completion;
    let operation = call!("computecore", "HcsCreateOperation", (*const c_void, usize) -> Handle, ptr::null(), callback as usize);
    let code = call!("computecore", "HcsStartComputeSystem", (Handle, Handle, *const u16) -> u32, system, operation, ptr::null());
    assert_eq!(code, codes::SYSTEM_CALLBACK_ALREADY_SET);
    call!("computecore", "HcsCloseOperation", (Handle) -> (), operation);
    assert_eq!(api::start(system, None).0, 0);
    assert!(events.wait(0x0100_0000).is_some());
    api::close(system);
}

#[test]
fn the_last_handle_ends_a_system_that_asked_for_it() {
    let service = Service::connect();
    let id = format!("last-{}", std::process::id());
    let ((code, _), system) = api::create(&id, &machine_document("t"));
    assert_eq!(code, 0);
    let (code, second) = api::open(&id);
    assert_eq!(code, 0);
    let there = || service.state()["systems"].as_array().unwrap().iter().any(|system| *system == id.as_str());
    api::close(system);
    assert!(there());
    api::close(second);
    wait_until("the system is gone", || !there());
}

#[test]
fn a_fault_is_what_the_rule_says() {
    let service = Service::connect();
    let id = format!("fault-{}", std::process::id());
    let ((code, _), system) = api::create(&id, &machine_document("t"));
    assert_eq!(code, 0);
    service.faults(
        &id,
        serde_json::json!([
            {"call": "HcsStartComputeSystem", "with": id, "at": 1, "refuse": "0x8037011B"},
            {"call": "HcsStartComputeSystem", "with": id, "at": 2, "fail": "0x80370102", "bare": true},
            {"call": "event.SystemExited", "with": id, "lost": true}
        ]),
    );
    assert_eq!(api::start(system, None), (codes::ACCESS_DENIED, None));
    assert_eq!(api::start(system, None), (codes::HYPERV_NOT_INSTALLED, None));
    assert_eq!(api::start(system, None).0, 0);
    service.faults(&id, serde_json::json!([]));
    api::close(system);
}
