//! A running container.

use serde_json::{Value, json};

use crate::api::{self, Handle, Information};
use crate::api_first::{self as first, Notifications};
use crate::layers::Layered;
use crate::pipes;

const PENDING: u32 = sim_protocol::codes::V1_OPERATION_PENDING;

/// It is gone at the end of the test.
pub struct Running {
    pub system: Handle,
    pub layers: Layered,
}

impl Running {
    /// A container of a name, whose part of the document may be changed.
    pub fn new(name: &str, change: impl FnOnce(&mut Value)) -> Running {
        Running::on(Layered::new(name), change)
    }

    /// A container on layers that are there.
    pub fn on(layers: Layered, change: impl FnOnce(&mut Value)) -> Running {
        let mut document = layers.document();
        change(&mut document["Container"]);
        let ((code, text), system) = api::create(&layers.id, &document.to_string());
        assert_eq!(code, 0, "{text:?}");
        let (code, text) = api::start(system, None);
        assert_eq!(code, 0, "{text:?}");
        Running { system, layers }
    }

    /// Starts a command with the streams that are asked for: input, output, errors.
    pub fn spawn(&self, line: &str, streams: [bool; 3]) -> (Handle, Information) {
        let parameters = json!({"CommandLine": line, "WorkingDirectory": "C:\\",
            "Environment": {"FROM_DOCUMENT": "yes"},
            "CreateStdInPipe": streams[0], "CreateStdOutPipe": streams[1], "CreateStdErrPipe": streams[2]});
        let ((code, text), process, information) = api::create_process(self.system, &parameters.to_string());
        assert_eq!(code, 0, "{line}: {text:?}");
        (process, information)
    }

    /// The exit code and the output of a command.
    pub fn run(&self, line: &str, input: Option<&[u8]>) -> (u32, String) {
        let (process, information) = self.spawn(line, [input.is_some(), true, true]);
        if let Some(input) = input {
            pipes::write_all(information.stream(0).unwrap(), input);
            let close = r#"{"Operation":"CloseHandle","CloseHandle":{"Handle":"StdIn"}}"#;
            assert_eq!(api::modify_process(process, Some(close)).0, 0);
        }
        let errors = information.stream(2).unwrap();
        let errors = std::thread::spawn(move || pipes::read_all(errors));
        let output = pipes::read_all(information.stream(1).unwrap());
        errors.join().unwrap();
        (exit_code(process), String::from_utf8_lossy(&output).into_owned())
    }

    /// Ends it; what it was made of stays.
    pub fn stop(&self) {
        let (code, text) = api::terminate(self.system, None);
        assert_eq!(code, 0, "{text:?}");
    }

    /// The part of the properties that the query asks for by this name.
    pub fn property(&self, name: &str) -> Value {
        let (code, text) = api::properties(self.system, Some(&json!({"PropertyTypes": [name]}).to_string()));
        assert_eq!(code, 0, "{text:?}");
        serde_json::from_str::<Value>(&text.unwrap()).unwrap()[name].take()
    }

    pub fn modify(&self, path: &str, kind: &str, settings: Value) -> api::Result {
        let request = json!({"ResourcePath": path, "RequestType": kind, "Settings": settings});
        api::modify(self.system, &request.to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where a test ended it.
        api::terminate(self.system, None);
        api::close(self.system);
    }
}

/// Waits for a process's end and closes it.
pub fn exit_code(process: Handle) -> u32 {
    let (code, status) = api::wait_for_process(process, 60_000);
    assert_eq!(code, 0);
    api::close_process(process);
    let status: Value = serde_json::from_str(&status.unwrap()).unwrap();
    assert_eq!(status["Exited"], true);
    status["ExitCode"].as_u64().unwrap() as u32
}

/// A running Hyper-V container of the first generation; it is gone at the end of the test.
pub struct HyperV {
    pub system: Handle,
    pub notifications: &'static Notifications,
}

impl HyperV {
    /// A container on a scratch that is not mounted; its document may be changed.
    pub fn new(layers: &Layered, change: impl FnOnce(&mut Value)) -> HyperV {
        let mut document = layers.first_document();
        change(&mut document);
        let (code, system) = first::create(&layers.id, &document.to_string());
        assert_eq!(code, PENDING);
        let notifications = Notifications::leaked();
        first::listen(system, notifications);
        let container = HyperV { system, notifications };
        container.done(2);
        assert_eq!(first::start(system), PENDING);
        container.done(3);
        container
    }

    /// Waits for the notification of work that went well.
    pub fn done(&self, code: u32) {
        let (status, data) = self.notifications.wait(code).expect("a notification");
        assert_eq!(status, 0, "{data}");
        self.notifications.clear();
    }

    /// The exit code and the output of a command.
    pub fn run(&self, line: &str) -> (u32, String) {
        let parameters = json!({"CommandLine": line, "CreateStdInPipe": true, "CreateStdOutPipe": true});
        let (code, process, information) = first::create_process(self.system, &parameters.to_string());
        assert_eq!(code, 0, "{line}");
        let output = pipes::read_all(information.stream(1).unwrap());
        let mut status = json!({});
        crate::bed::wait_until("the process has ended", || {
            let (code, text) = first::process_properties(process);
            assert_eq!(code, 0);
            status = serde_json::from_str(&text.unwrap()).unwrap();
            status["Exited"] == true
        });
        first::close_process(process);
        (status["ExitCode"].as_u64().unwrap() as u32, String::from_utf8_lossy(&output).into_owned())
    }

    pub fn modify(&self, resource: &str, kind: &str, settings: Value) -> u32 {
        let request = json!({"ResourceType": resource, "RequestType": kind, "Settings": settings});
        first::modify(self.system, &request.to_string()).0
    }

    /// Ends it; what it was made of stays.
    pub fn stop(&self) {
        assert_eq!(first::terminate(self.system), PENDING);
        self.done(0xA);
    }
}

impl Drop for HyperV {
    fn drop(&mut self) {
        // The last handle ends it.
        first::close(self.system);
    }
}
