//! The first generation: notifications, and containers with virtual machines of their own.
#![cfg(windows)]

use serde_json::{Value, json};
use sim_protocol::codes;
use sim_tests::api_first::{self as first, Notifications};
use sim_tests::layers::Layered;

const PENDING: u32 = codes::V1_OPERATION_PENDING;

#[test]
fn a_hyper_v_container_runs_by_notifications() {
    let layered = Layered::new("first");
    let text = layered.first_document().to_string();
    let refused = |text: &str| {
        let (code, system) = first::create(&layered.id, text);
        assert_eq!(code, PENDING);
        let list = Notifications::leaked();
        first::listen(system, list);
        let (status, data) = list.wait(2).expect("CreateCompleted");
        assert!(data.contains("ErrorEvents"), "{data}");
        first::close(system);
        status
    };
    // Mounted on the host, it cannot be given to a virtual machine.
    assert_eq!(refused(&text), codes::SHARING_VIOLATION);
    layered.unmount();
    assert_eq!(refused(&text.replace("\"SystemType\"", "\"SystemKind\"")), 0xC037_010D);

    let (code, system) = first::create(&layered.id, &text);
    assert_eq!(code, PENDING);
    let list = Notifications::leaked();
    // What was completed before anybody listened is not lost.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let registered = first::listen(system, list);
    assert_eq!(list.wait(2), Some((0, String::new())));
    let (code, twin) = first::create(&layered.id, &text);
    assert_eq!(code, PENDING);
    let others = Notifications::leaked();
    first::listen(twin, others);
    assert_eq!(others.wait(2).unwrap().0, 0xC037_010F);
    first::close(twin);
    if !sim_tests::no_containers() {
        assert_eq!(first::start(system), PENDING);
        assert_eq!(list.wait(3), Some((0, String::new())));
        runs(system);
        assert_eq!(first::shut_down(system), PENDING);
        let (status, data) = list.wait(1).expect("SystemExited");
        assert_eq!(status, 0);
        assert!(data.contains("GracefulExit"), "{data}");
        assert_eq!(first::start(system), PENDING);
    }
    assert_eq!(first::unlisten(registered), 0);
    assert_eq!(first::unlisten(registered), codes::E_HANDLE);
    assert_eq!(first::close(system), 0);
    assert_eq!(first::close(system), codes::E_HANDLE);
}

fn runs(system: usize) {
    let parameters =
        json!({"CommandLine": "C:\\probe.exe obey", "CreateStdInPipe": true, "CreateStdOutPipe": true})
            .to_string();
    let (code, process, information) = first::create_process(system, &parameters);
    assert_eq!(code, 0);
    let list = Notifications::leaked();
    first::listen_to_process(process, list);
    // Not before: what happens before somebody listens is not told.
    sim_tests::pipes::write_all(information.stream(0).unwrap(), b"70000\n");
    let (_, data) = list.wait(0x0001_0000).expect("ProcessExited");
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(
        data,
        json!({"ProcessId": information.process, "Exited": true, "ExitCode": 70_000, "LastWaitResult": 0})
    );
    assert!(sim_tests::pipes::read_all(information.stream(1).unwrap()).is_empty());
    assert_eq!(first::close_process(process), 0);
    let (code, text) = first::properties(system, r#"{"PropertyTypes":["Statistics"]}"#);
    assert_eq!(code, 0);
    assert!(text.unwrap().contains("MemoryUsageCommitBytes"));
}

#[test]
fn networks_by_requests() {
    assert_eq!(first::hns("GET", "/globals/version", "")["Output"]["Version"]["Major"], 13);
    let made = first::hns(
        "POST",
        "/networks/",
        r#"{"Name":"old","Type":"nat","Subnets":[{"AddressPrefix":"10.66.0.0/24","GatewayAddress":"10.66.0.1"}]}"#,
    );
    assert_eq!(made["Success"], true, "{made}");
    let id = made["Output"]["ID"].as_str().unwrap();
    let end = first::hns("POST", "/endpoints/", &json!({"Name": "e", "VirtualNetwork": id}).to_string());
    assert_eq!(end["Output"]["IPAddress"], "10.66.0.2", "{end}");
    let refused = first::hns("DELETE", &format!("/networks/{id}"), "");
    assert_eq!(refused["ErrorCode"], json!(codes::HCN_ENTITY_HAS_REFERENCES));
    let end = format!("/endpoints/{}", end["Output"]["ID"].as_str().unwrap());
    assert_eq!(first::hns("DELETE", &end, "")["Success"], true);
    assert_eq!(first::hns("GET", &end, "")["ErrorCode"], json!(codes::HCN_ENDPOINT_NOT_FOUND));
    assert_eq!(first::hns("DELETE", &format!("/networks/{id}"), "")["Success"], true);
}
