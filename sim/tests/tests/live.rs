//! What is changed, asked and told while a container runs.
#![cfg(windows)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sim_protocol::codes;
use sim_tests::api::{self, Information};
use sim_tests::api_first as first;
use sim_tests::bed::wait_until;
use sim_tests::layers::Layered;
use sim_tests::running::{HyperV, Running, exit_code};

const CONTROL_C_EXIT: u32 = 0xC000_013A;

/// Waits until the program has said something.
fn wait_for_word(information: &Information) -> fs::File {
    let mut output = information.stream(1).unwrap();
    assert!(output.read(&mut [0; 64]).unwrap() > 0);
    output
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A new directory of the host.
fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn statistics_and_processes_have_the_kernels_numbers() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("numbers", |_| ());
    let commit = || container.property("Statistics")["Memory"]["MemoryUsageCommitBytes"].as_u64().unwrap();
    let before = commit();
    let (holder, held) = container.spawn("C:\\probe.exe hold 64", [true, true, false]);
    let _output = wait_for_word(&held);
    assert!(commit() >= before + (60 << 20), "{before} {}", commit());
    let (spinner, spun) = container.spawn("C:\\probe.exe spin", [true, true, false]);
    let _more = wait_for_word(&spun);
    wait_until("it has worked for a fifth of a second", || {
        let processor = &container.property("Statistics")["Processor"];
        processor["TotalRuntime100ns"].as_u64().unwrap() > 2_000_000
            && processor["RuntimeUser100ns"].as_u64().unwrap() > 0
    });
    let of = |id: u32| {
        let list = container.property("ProcessList");
        let list = list.as_array().unwrap().iter();
        let found: Vec<Value> = list.filter(|one| one["ProcessId"] == id).cloned().collect();
        assert_eq!(found.len(), 1);
        found[0].clone()
    };
    let held = of(held.process);
    assert_eq!(held["ImageName"], "probe.exe");
    assert!(held["MemoryCommitBytes"].as_u64().unwrap() >= 60 << 20, "{held}");
    assert!(held["MemoryWorkingSetPrivateBytes"].as_u64().unwrap() >= 60 << 20, "{held}");
    assert!(held["CreateTimestamp"].as_str().unwrap().starts_with("20"), "{held}");
    wait_until("its time is counted", || of(spun.process)["UserTime100ns"].as_u64().unwrap() > 1_000_000);
    for process in [holder, spinner] {
        assert_eq!(api::terminate_process(process, None).0, 0);
        api::close_process(process);
    }
}

#[test]
fn limits_change_while_it_runs() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("changes", |_| ());
    let memory = |megabytes: u32| container.modify("Container/Memory/SizeInMB", "Update", json!(megabytes)).0;
    assert_eq!(memory(128), 0);
    let (code, output) = container.run("C:\\probe.exe memory 400", None);
    assert!(code == 0xC000_0017 && !output.contains("took"), "{code:#x} {output}");
    assert_eq!(memory(900), 0);
    assert_eq!(container.run("C:\\probe.exe memory 400", None).0, 0);
    let (process, information) = container.spawn("C:\\probe.exe hold 100", [true, true, false]);
    let _output = wait_for_word(&information);
    assert_eq!(memory(64), codes::E_OUTOFMEMORY);
    api::terminate_process(process, None);
    api::close_process(process);

    let limit = |settings: Value| container.modify("Container/Processor", "Update", settings).0;
    assert_eq!(limit(json!({"Maximum": 10_001})), codes::E_INVALIDARG);
    assert_eq!(limit(json!({"Maximum": 100, "Weight": 100})), codes::E_INVALIDARG);
    assert_eq!(limit(json!({"Maximum": "100"})), codes::INVALID_JSON);
    assert_eq!(limit(json!({"Maximum": 500})), 0);
    let (process, information) = container.spawn("C:\\probe.exe spin", [true, true, false]);
    let _output = wait_for_word(&information);
    let runtime =
        || container.property("Statistics")["Processor"]["TotalRuntime100ns"].as_u64().unwrap() as f64 / 1e7;
    let (begin, used) = (Instant::now(), runtime());
    std::thread::sleep(Duration::from_secs(1));
    let (used, real) = (runtime() - used, begin.elapsed().as_secs_f64());
    let allowed = 0.05 * std::thread::available_parallelism().unwrap().get() as f64;
    assert!(used < allowed * real + 0.2, "{used} s of {real} s");
    assert_eq!(limit(json!({"Weight": 100})), 0);
    api::terminate_process(process, None);
    api::close_process(process);
}

#[test]
fn directories_come_and_go() {
    if sim_tests::no_containers() {
        return;
    }
    let host = directory("comes");
    fs::write(host.join("in.txt"), "from the host").unwrap();
    let container = Running::new("comes", |_| ());
    let settings = json!({"HostPath": host, "ContainerPath": "C:\\later\\here"});
    let mapped = |kind: &str| container.modify("Container/MappedDirectories", kind, settings.clone()).0;
    assert_eq!(mapped("Remove"), codes::ELEMENT_NOT_FOUND);
    assert_eq!(mapped("Add"), 0);
    assert_eq!(container.run("cmd /c type C:\\later\\here\\in.txt", None).1, "from the host");
    assert_eq!(container.run("cmd /c echo x> C:\\later\\here\\out.txt", None).0, 0);
    assert!(host.join("out.txt").exists());
    assert_eq!(mapped("Remove"), 0);
    assert_eq!(container.run("cmd /c if exist C:\\later\\here\\in.txt exit 9", None).0, 0);
    // A drive of its own; and letter case is that of what is there.
    let drive = json!({"HostPath": host, "ContainerPath": "E:\\"});
    assert_eq!(container.modify("Container/MappedDirectories", "Add", drive.clone()).0, 0);
    assert_eq!(container.run("cmd /c type e:\\in.txt", None).1, "from the host");
    assert_eq!(container.modify("Container/MappedDirectories", "Remove", drive).0, 0);
    assert_eq!(container.run("cmd /c if exist E:\\ exit 9", None).0, 0);
    let below = json!({"HostPath": host, "ContainerPath": "C:\\WINDOWS\\System32\\Mapped"});
    assert_eq!(container.modify("Container/MappedDirectories", "Add", below).0, 0);
    assert_eq!(container.run("cmd /c type C:\\windows\\system32\\mapped\\in.txt", None).1, "from the host");
    assert_eq!(container.run("cmd /c type C:\\windows\\system32\\layer.txt", None).1, "in system32");
    let root = json!({"HostPath": host, "ContainerPath": "C:\\"});
    assert_eq!(container.modify("Container/MappedDirectories", "Add", root).0, codes::E_INVALIDARG);
    let gone = json!({"HostPath": "C:\\no\\such", "ContainerPath": "C:\\later"});
    assert_eq!(container.modify("Container/MappedDirectories", "Add", gone).0, codes::FILE_NOT_FOUND);
    fs::remove_dir_all(host).unwrap();
}

#[test]
fn the_first_generation_maps_directories_too() {
    if sim_tests::no_containers() {
        return;
    }
    let host = directory("older");
    fs::write(host.join("in.txt"), "from the host").unwrap();
    let layers = Layered::new("older");
    layers.unmount();
    let container = HyperV::new(&layers, |_| ());
    let settings = json!({"HostPath": host, "ContainerPath": "C:\\shared", "ReadOnly": true});
    let mapped = |kind: &str| container.modify("MappedDirectory", kind, settings.clone());
    assert_eq!(mapped("Remove"), codes::ELEMENT_NOT_FOUND);
    assert_eq!(mapped("Add"), 0);
    assert_eq!(container.run("cmd /c type C:\\shared\\in.txt").1, "from the host");
    container.run("cmd /c echo x> C:\\shared\\out.txt");
    assert!(!host.join("out.txt").exists());
    assert_eq!(mapped("Remove"), 0);
    assert_eq!(container.run("cmd /c if exist C:\\shared\\in.txt exit 9").0, 0);
    let wrong = [
        (json!({"HostPath": host, "Container": "C:\\x"}), 0xC037_010D),
        (json!({"HostPath": "C:\\no\\such", "ContainerPath": "C:\\x"}), codes::FILE_NOT_FOUND),
        (json!({"HostPath": host, "ContainerPath": "x"}), codes::E_INVALIDARG),
    ];
    for (settings, expected) in wrong {
        assert_eq!(container.modify("MappedDirectory", "Add", settings.clone()), expected, "{settings}");
    }
    assert_eq!(container.modify("Floppy", "Add", json!({})), 0xC037_010D);
    container.stop();
    fs::remove_dir_all(host).unwrap();
}

/// A program that counts into a file of the directory stands still between these two.
fn stands_still(directory: &Path, pause: impl FnOnce(), resume: impl FnOnce()) {
    let file = directory.join("count.txt");
    wait_until("it counts", || !text(&file).is_empty());
    pause();
    let now = text(&file);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(text(&file), now);
    resume();
    wait_until("it counts again", || !text(&file).is_empty() && text(&file) != now);
}

#[test]
fn nothing_happens_in_a_pause_of_either_generation() {
    if sim_tests::no_containers() {
        return;
    }
    let host = directory("still");
    let mapping = json!([{"HostPath": host, "ContainerPath": "C:\\shared"}]);
    let container = Running::new("still", |container| container["MappedDirectories"] = mapping.clone());
    let (process, _) = container.spawn("C:\\probe.exe tick C:\\shared\\count.txt", [false; 3]);
    let pause = || {
        assert_eq!(api::pause(container.system, None).0, 0);
        assert_eq!(api::pause(container.system, None).0, codes::INVALID_STATE);
        assert!(container.property("Statistics").is_object());
        let list = api::properties(container.system, Some(r#"{"PropertyTypes":["ProcessList"]}"#));
        assert_eq!(list.0, codes::INVALID_STATE);
    };
    let resume = || {
        assert_eq!(api::resume(container.system, None).0, 0);
        assert_eq!(api::resume(container.system, None).0, codes::INVALID_STATE);
    };
    stands_still(&host, pause, resume);
    api::close_process(process);
    // Terminating ends what stands still.
    assert_eq!(api::pause(container.system, None).0, 0);
    container.stop();

    fs::remove_file(host.join("count.txt")).unwrap();
    let layers = Layered::new("older-still");
    layers.unmount();
    let container = HyperV::new(&layers, |document| document["MappedDirectories"] = mapping);
    let (code, process, _) = first::create_process(
        container.system,
        r#"{"CommandLine":"C:\\probe.exe tick C:\\shared\\count.txt"}"#,
    );
    assert_eq!(code, 0);
    let pause = || {
        assert_eq!(first::pause(container.system), codes::V1_OPERATION_PENDING);
        container.done(4);
    };
    let resume = || {
        assert_eq!(first::resume(container.system), codes::V1_OPERATION_PENDING);
        container.done(5);
    };
    stands_still(&host, pause, resume);
    first::close_process(process);
    container.stop();
    fs::remove_dir_all(host).unwrap();
}

#[test]
fn streams_are_closed_one_by_one() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("closed", |_| ());
    let (process, information) = container.spawn("C:\\probe.exe obey", [true, true, true]);
    let close = |handle: &str| {
        let request = json!({"Operation": "CloseHandle", "CloseHandle": {"Handle": handle}});
        api::modify_process(process, Some(&request.to_string())).0
    };
    assert_eq!(close("StdOut"), 0);
    assert!(sim_tests::pipes::read_all(information.stream(1).unwrap()).is_empty());
    assert_eq!(close("StdSide"), codes::INVALID_JSON);
    // The process does not mind.
    assert_eq!(close("StdErr"), 0);
    assert!(sim_tests::pipes::read_all(information.stream(2).unwrap()).is_empty());
    sim_tests::pipes::write_all(information.stream(0).unwrap(), b"41\n");
    assert_eq!(exit_code(process), 41);
}

#[test]
fn console_events_reach_a_program_or_end_it() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("events", |_| ());
    for (name, number) in
        [("CtrlC", "0"), ("CtrlBreak", "1"), ("CtrlClose", "2"), ("CtrlLogOff", "5"), ("CtrlShutdown", "6")]
    {
        let options = json!({"Signal": name}).to_string();
        let file = format!("{name}.txt");
        let (process, information) =
            container.spawn(&format!("C:\\probe.exe handle C:\\{file}"), [false, true, false]);
        let _output = wait_for_word(&information);
        assert_eq!(api::signal_process(process, Some(&options)).0, 0);
        assert_eq!(exit_code(process), 33, "{name}");
        assert_eq!(text(format!("{}{file}", container.layers.volume)), number);
    }
    for name in ["CtrlC", "CtrlShutdown"] {
        let options = json!({"Signal": name}).to_string();
        let (process, information) = container.spawn("C:\\probe.exe spin", [true, true, false]);
        let _output = wait_for_word(&information);
        assert_eq!(api::signal_process(process, Some(&options)).0, 0);
        assert_eq!(exit_code(process), CONTROL_C_EXIT, "{name}");
    }
    // No options: a request to shut down.
    let (process, information) = container.spawn("C:\\probe.exe spin", [true, true, false]);
    let _output = wait_for_word(&information);
    assert_eq!(api::signal_process(process, None).0, 0);
    assert_eq!(exit_code(process), CONTROL_C_EXIT);
}

#[test]
fn a_console_gets_a_new_size() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("resized", |_| ());
    let parameters = json!({"CommandLine": "C:\\probe.exe watch-console C:\\size.txt", "EmulateConsole": true,
        "ConsoleSize": [30, 100], "CreateStdInPipe": true, "CreateStdOutPipe": true});
    let ((code, message), process, information) =
        api::create_process(container.system, &parameters.to_string());
    assert_eq!(code, 0, "{message:?}");
    let output = information.stream(1).unwrap();
    std::thread::spawn(move || sim_tests::pipes::read_all(output));
    let is = |size: &str| text(format!("{}size.txt", container.layers.volume)) == size;
    wait_until("the first size", || is("100x30"));
    let resize = |height: u32, width: u32| {
        let request = json!({"Operation": "ConsoleSize", "ConsoleSize": {"Height": height, "Width": width}});
        api::modify_process(process, Some(&request.to_string())).0
    };
    for (width, height) in [(120, 40), (60, 50), (132, 20), (80, 25)] {
        assert_eq!(resize(height, width), 0);
        wait_until("the new size", || is(&format!("{width}x{height}")));
    }
    assert_eq!(resize(0, 80), codes::E_INVALIDARG);
    assert_eq!(
        api::modify_process(process, Some(r#"{"Operation":"ConsoleSize","ConsoleSize":{"Rows":3}}"#)).0,
        codes::INVALID_JSON
    );
    assert_eq!(api::terminate_process(process, None).0, 0);
    api::close_process(process);
    let (plain, _) = container.spawn("C:\\probe.exe sleep", [false; 3]);
    let request = r#"{"Operation":"ConsoleSize","ConsoleSize":{"Height":25,"Width":80}}"#;
    assert_eq!(api::modify_process(plain, Some(request)).0, codes::E_INVALIDARG);
    api::close_process(plain);
}
