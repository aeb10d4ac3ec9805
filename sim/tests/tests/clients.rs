//! What outlives a client, what does not, and what a broken connection means.
#![cfg(windows)]

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sim_protocol::codes;
use sim_tests::api::{self, Events};
use sim_tests::bed::{Service, machine_document, wait_until};

/// Set in a process of this program that is to be a client of its own.
const PART: &str = "SIM_TEST_PART";

/// Runs a test of this program in another process.
fn another(test: &str, part: &str, id: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(PART, part).env("SIM_TEST_ID", id);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn part() -> Option<(String, String)> {
    Some((std::env::var(PART).ok()?, std::env::var("SIM_TEST_ID").ok()?))
}

/// Creates a system and lives on, or exits without closing anything.
fn as_another_client((part, id): (String, String)) {
    let mut document: Value = serde_json::from_str(&machine_document("clients")).unwrap();
    document["ShouldTerminateOnLastHandleClosed"] = json!(part != "stays");
    let ((code, _), system) = api::create(&id, &document.to_string());
    assert_eq!(code, 0);
    assert_eq!(api::start(system, None).0, 0);
    if part == "killed" {
        std::thread::sleep(std::time::Duration::from_secs(600));
    }
    std::process::exit(0);
}

#[test]
fn a_system_may_outlive_its_client() {
    if let Some(part) = part() {
        as_another_client(part);
    }
    let id = format!("outlives-{}", std::process::id());
    assert!(another("a_system_may_outlive_its_client", "stays", &id).status().unwrap().success());
    let (code, system) = api::open(&id);
    assert_eq!(code, 0);
    assert!(api::properties(system, None).1.unwrap().contains(r#""State":"Running""#));
    assert_eq!(api::terminate(system, None).0, 0);
    api::close(system);
}

#[test]
fn a_killed_client_takes_its_system_along_and_leaks_are_reported() {
    if let Some(part) = part() {
        as_another_client(part);
    }
    let service = Service::connect();
    let there = |id: &str| service.state()["systems"].as_array().unwrap().iter().any(|system| *system == id);
    let id = format!("killed-{}", std::process::id());
    let mut child = another("a_killed_client_takes_its_system_along_and_leaks_are_reported", "killed", &id)
        .spawn()
        .unwrap();
    wait_until("the system is there", || there(&id));
    let process = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the system is gone", || !there(&id));
    let leaked = |entry: &Value| entry["note"] == "leak" && entry["what"]["system"] == id.as_str();
    assert!(service.log_of(process).iter().any(leaked));
}

#[test]
fn texts_that_nobody_frees_are_reported() {
    const TEST: &str = "texts_that_nobody_frees_are_reported";
    if let Some((part, _)) = part() {
        for _ in 0..50 {
            let query = Some(r#"{"PropertyTypes":["ProcessorTopology"]}"#);
            assert_eq!(api::service_properties(query).0, 0);
        }
        if part == "leaks" {
            api::leak_a_text();
            api::leak_a_text();
        }
        std::process::exit(0);
    }
    let service = Service::connect();
    for (part, expected) in [("frees", 0), ("leaks", 2)] {
        let mut child = another(TEST, part, "").spawn().unwrap();
        let process = child.id();
        assert!(child.wait().unwrap().success());
        let log = || service.log_of(process);
        wait_until("the service noticed", || log().iter().any(|entry| entry["note"] == "detach"));
        let leaked = |entry: &&Value| entry["note"] == "leak" && entry["what"]["of"] == "text";
        let leaked: Vec<Value> = log().iter().filter(leaked).cloned().collect();
        assert_eq!(leaked.len(), expected, "{part}: {leaked:?}");
        assert!(
            leaked
                .iter()
                .all(|entry| entry["what"]["text"].as_str().unwrap().contains("SupportedSchemaVersions"))
        );
    }
}

#[test]
fn a_broken_connection_kills_the_handles_and_not_the_client() {
    // In a process of its own: the connection is of a whole process.
    if part().is_none() {
        let id = format!("broken-{}", std::process::id());
        let mut alone = another("a_broken_connection_kills_the_handles_and_not_the_client", "broken", &id);
        assert!(alone.status().unwrap().success());
        return;
    }
    let (_, id) = part().unwrap();
    let service = Service::connect();
    let ((code, _), system) = api::create(&id, &machine_document("clients"));
    assert_eq!(code, 0);
    let events = Events::leaked();
    assert_eq!(api::listen(system, events, 0), 0);
    service.faults(&id, json!([{"call": "HcsStartComputeSystem", "disconnect": true}]));
    assert_eq!(api::start(system, None).0, codes::SERVICE_DISCONNECT);
    assert!(events.wait(0x0200_0000).is_some());
    assert_eq!(api::terminate(system, None).0, codes::SERVICE_DISCONNECT);
    api::close(system);
    service.faults(&id, json!([]));
    // The service is there again, and the system went with its last handle.
    wait_until("the system is gone", || api::open(&id).0 == codes::SYSTEM_NOT_FOUND);
}

#[test]
fn rules_come_from_the_environment_too() {
    if part().is_none() {
        let id = format!("environment-{}", std::process::id());
        let mut alone = another("rules_come_from_the_environment_too", "environment", &id);
        alone.env("SIM_FAULTS", r#"[{"call": "HcsCreateComputeSystem", "at": 1, "report": "0x80370102"}]"#);
        assert!(alone.status().unwrap().success());
        return;
    }
    let (_, id) = part().unwrap();
    let ((code, text), system) = api::create(&id, &machine_document("clients"));
    assert_eq!(code, codes::HYPERV_NOT_INSTALLED);
    assert!(text.unwrap().contains("ErrorEvents"));
    // The work was done all the same.
    let (code, other) = api::open(&id);
    assert_eq!(code, 0);
    api::close(other);
    api::close(system);
}
