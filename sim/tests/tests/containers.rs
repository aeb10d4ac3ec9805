//! Real containers: what is seen and done inside.
#![cfg(windows)]

use std::fs;

use serde_json::{Value, json};
use sim_protocol::codes;
use sim_tests::api::{self, Events};
use sim_tests::bed::{Service, wait_until};
use sim_tests::running::{Running, exit_code};

#[test]
fn a_command_sees_the_container() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("sees", |container| container["GuestOs"] = json!({"HostName": "web01"}));
    let (code, output) = container.run("cmd /c type C:\\app\\hello.txt& echo %FROM_DOCUMENT%& exit 5", None);
    assert_eq!((code, output.replace("\r\n", "\n").as_str()), (5, "hello from the layer\nyes\n"));
    // Both letter cases are one directory.
    assert_eq!(container.run("cmd /c type c:\\windows\\SYSTEM32\\layer.txt", None).1.trim(), "in system32");
    assert_eq!(container.run("cmd /c if exist Z:\\ exit 9", None).0, 0);
    assert_eq!(container.run("cmd /c exit -1073741510", None).0, 0xC000_013A);
    let words = r#"C:\probe.exe words "a b"  c\"d "" \\x\"#;
    assert_eq!(container.run(words, None).1.replace('\r', ""), "a b\nc\"d\n\n\\\\x\\\n");
    let output = container.run("C:\\probe.exe environment COMPUTERNAME", None).1;
    assert_eq!(output.trim(), "WEB01");
    let (code, text) =
        api::properties(container.system, Some(r#"{"PropertyTypes":["Statistics","ProcessList"]}"#));
    assert_eq!(code, 0);
    let properties: Value = serde_json::from_str(&text.unwrap()).unwrap();
    assert!(
        properties["Statistics"]["Memory"]["MemoryUsageCommitBytes"].as_u64().unwrap() > 1 << 20,
        "{properties}"
    );
    assert!(properties["ProcessList"].is_array());
    let ((code, _), process, _) =
        api::create_process(container.system, r#"{"CommandLine":"nothing-of-this-name.exe"}"#);
    assert_eq!(code, codes::FILE_NOT_FOUND);
    api::close_process(process);
}

#[test]
fn input_goes_in_and_comes_out_again() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("pipes", |_| ());
    let bytes: Vec<u8> = (0..200_000).flat_map(|line| format!("line {line}\r\n").into_bytes()).collect();
    let (code, output) = container.run("C:\\probe.exe cat", Some(&bytes));
    assert_eq!(code, 0);
    assert_eq!(output.len(), bytes.len());
    assert!(output.as_bytes() == bytes);
}

#[test]
fn what_is_written_stays_in_the_scratch_and_nowhere_else() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("writes", |_| ());
    assert_eq!(container.run("cmd /c echo new> C:\\app\\hello.txt", None).0, 0);
    assert_eq!(container.run("cmd /c type C:\\app\\hello.txt", None).1.trim(), "new");
    assert_eq!(container.layers.layer_text(), "hello from the layer\r\n");
    assert_eq!(
        fs::read_to_string(format!("{}app\\hello.txt", container.layers.volume)).unwrap().trim(),
        "new"
    );
}

#[test]
fn directories_are_mapped_and_read_only_is_enforced() {
    if sim_tests::no_containers() {
        return;
    }
    let host = std::env::temp_dir().join(format!("mapped-{}", std::process::id()));
    fs::create_dir_all(&host).unwrap();
    fs::write(host.join("in.txt"), "from the host").unwrap();
    let path = host.display().to_string();
    let container = Running::new("maps", |container| {
        container["MappedDirectories"] = json!([
            {"HostPath": path, "ContainerPath": "C:\\ro", "ReadOnly": true},
            {"HostPath": path, "ContainerPath": "C:\\rw"}
        ]);
    });
    assert_eq!(container.run("cmd /c type C:\\ro\\in.txt", None).1, "from the host");
    container.run("cmd /c echo x> C:\\ro\\out.txt", None);
    assert!(!host.join("out.txt").exists());
    assert_eq!(container.run("cmd /c echo x> C:\\rw\\out.txt", None).0, 0);
    assert!(host.join("out.txt").exists());
    let add = json!({"ResourcePath": "Container/MappedDirectories", "RequestType": "Add",
        "Settings": {"HostPath": path, "ContainerPath": "C:\\later", "ReadOnly": true}});
    assert_eq!(api::modify(container.system, &add.to_string()).0, 0);
    assert_eq!(container.run("cmd /c type C:\\later\\in.txt", None).1, "from the host");
    fs::remove_dir_all(host).unwrap();
}

#[test]
fn processes_are_ended_and_their_events_come_once() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("ends", |_| ());
    let parameters = json!({"CommandLine": "C:\\probe.exe sleep", "CreateStdOutPipe": true}).to_string();
    let ((code, text), process, information) = api::create_process(container.system, &parameters);
    assert_eq!(code, 0, "{text:?}");
    let events = Events::leaked();
    assert_eq!(api::listen_to_process(process, events), 0);
    assert_eq!(api::terminate_process(process, None).0, 0);
    let data: Value = serde_json::from_str(&events.wait(0x0001_0000).expect("ProcessExited")).unwrap();
    assert_eq!(
        data,
        json!({"ProcessId": information.process, "Exited": true, "ExitCode": 1067, "LastWaitResult": 0})
    );
    assert_eq!(api::terminate_process(process, None).0, codes::PROCESS_ALREADY_STOPPED);
    assert_eq!(events.all().len(), 1);
    api::close_process(process);
}

#[test]
fn a_console_has_its_size_and_one_stream() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("console", |_| ());
    let parameters = json!({"CommandLine": "cmd /c echo on a console", "EmulateConsole": true, "ConsoleSize": [30, 100],
        "CreateStdInPipe": true, "CreateStdOutPipe": true});
    let ((code, text), process, information) = api::create_process(container.system, &parameters.to_string());
    assert_eq!(code, 0, "{text:?}");
    let output = sim_tests::pipes::read_all(information.stream(1).unwrap());
    assert!(String::from_utf8_lossy(&output).contains("on a console"), "{output:?}");
    assert_eq!(exit_code(process), 0);
    let bad = json!({"CommandLine": "cmd", "EmulateConsole": true, "CreateStdErrPipe": true}).to_string();
    let ((code, _), process, _) = api::create_process(container.system, &bad);
    assert_eq!(code, codes::E_INVALIDARG);
    api::close_process(process);
}

#[test]
fn a_second_client_opens_it_and_a_crash_is_told() {
    if sim_tests::no_containers() {
        return;
    }
    let service = Service::connect();
    let container = Running::new("crash", |_| ());
    let id = container.layers.id.clone();
    let (code, other) = api::open(&id);
    assert_eq!(code, 0);
    let events = Events::leaked();
    assert_eq!(api::listen(other, events, 0), 0);
    service.faults(&id, json!([{"call": "HcsGetComputeSystemProperties", "with": id, "crash": true}]));
    api::properties(container.system, None);
    service.faults(&id, json!([]));
    for kind in [2, 3] {
        let report: serde_json::Value = serde_json::from_str(&events.wait(kind).unwrap()).unwrap();
        assert_eq!((&report["SystemId"], &report["CrashParameters"][0]), (&json!(id), &json!(0xEF)));
    }
    assert!(events.wait(1).unwrap().contains("UnexpectedExit"));
    wait_until("it is gone", || api::open(&id).0 == codes::SYSTEM_NOT_FOUND);
    api::close(other);
}

#[test]
fn create_process_may_be_done_when_it_returns() {
    if sim_tests::no_containers() {
        return;
    }
    let service = Service::connect();
    let container = Running::new("synchronous", |_| ());
    let id = container.layers.id.clone();
    service.faults(&id, json!([{"call": "HcsCreateProcess", "with": id, "synchronous": true}]));
    let parameters =
        r#"{"CommandLine":"C:\\probe.exe sleep","CreateStdInPipe":true,"CreateStdOutPipe":true}"#;
    let ((code, _), process, _) = api::create_process(container.system, parameters);
    service.faults(&id, json!([]));
    assert_eq!(code, codes::E_INVALIDARG);
    assert_ne!(process, 0);
    let (code, information) = api::process_information(process);
    assert_eq!(code, 0);
    assert!(information.process != 0 && information.stream(1).is_some());
    assert_eq!(api::terminate_process(process, None).0, 0);
    api::close_process(process);
}

#[test]
fn limits_hold() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("limits", |container| {
        container["Memory"] = json!({"SizeInMB": 256});
    });
    assert_eq!(container.run("C:\\probe.exe memory 40", None).1.trim(), "took 40");
    // Killed, and not by itself.
    let (code, output) = container.run("C:\\probe.exe memory 400", None);
    assert!(code == 0xC000_0017 && !output.contains("took"), "{code:#x} {output}");
    let update =
        json!({"ResourcePath": "Container/Memory/SizeInMB", "RequestType": "Update", "Settings": 900});
    assert_eq!(api::modify(container.system, &update.to_string()).0, 0);
    assert_eq!(container.run("C:\\probe.exe memory 400", None).0, 0);
}

#[test]
fn a_paused_container_does_nothing() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("paused", |_| ());
    let parameters =
        json!({"CommandLine": "C:\\probe.exe cat", "CreateStdInPipe": true, "CreateStdOutPipe": true})
            .to_string();
    let ((code, _), process, information) = api::create_process(container.system, &parameters);
    assert_eq!(code, 0);
    assert_eq!(api::pause(container.system, None).0, 0);
    let ((code, _), second, _) = api::create_process(container.system, &parameters);
    assert_eq!(code, codes::INVALID_STATE);
    api::close_process(second);
    sim_tests::pipes::write_all(information.stream(0).unwrap(), b"through");
    let close = r#"{"Operation":"CloseHandle","CloseHandle":{"Handle":"StdIn"}}"#;
    assert_eq!(api::modify_process(process, Some(close)).0, 0);
    assert_eq!(api::wait_for_process(process, 300).0, codes::OPERATION_TIMEOUT);
    assert_eq!(api::resume(container.system, None).0, 0);
    assert_eq!(sim_tests::pipes::read_all(information.stream(1).unwrap()), b"through");
    assert_eq!(exit_code(process), 0);
}

#[test]
fn a_process_is_opened_by_its_number_and_signalled() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("signals", |_| ());
    let parameters = json!({"CommandLine": "C:\\probe.exe sleep"}).to_string();
    let ((code, _), process, information) = api::create_process(container.system, &parameters);
    assert_eq!(code, 0);
    assert!((0..3).all(|at| information.stream(at).is_none()));
    let (code, other) = api::open_process(container.system, information.process);
    assert_eq!(code, 0);
    assert_eq!(api::open_process(container.system, 999_999).0, codes::ELEMENT_NOT_FOUND);
    let (code, status) = api::process_properties(other, None);
    assert_eq!(code, 0);
    assert!(status.unwrap().contains(r#""Exited":false"#));
    assert_eq!(api::signal_process(other, Some(r#"{"Signal":"SIGTERM"}"#)).0, codes::INVALID_JSON);
    assert_eq!(api::signal_process(other, Some(r#"{"Signal":"CtrlShutdown"}"#)).0, 0);
    assert_eq!(api::wait_for_process(process, 60_000).0, 0);
    assert_eq!(api::signal_process(other, Some(r#"{"Signal":"CtrlC"}"#)).0, codes::PROCESS_ALREADY_STOPPED);
    api::close_process(other);
    api::close_process(process);
}
