//! The compute service, asked directly: its state, its record, faults.

use serde_json::{Value, json};
use sim_protocol::observer::Observer;

/// A connection of the tests' own.
pub struct Service(Observer);

impl Service {
    pub fn connect() -> Service {
        Service(Observer::connect().expect("a compute service"))
    }

    pub fn state(&self) -> Value {
        self.0.state().unwrap()
    }

    /// What this process has called.
    pub fn log(&self) -> Vec<Value> {
        self.log_of(std::process::id())
    }

    pub fn log_of(&self, process: u32) -> Vec<Value> {
        self.0.log(process).unwrap()
    }

    /// Sets the rules of faults for this process, in the place of those of the same name.
    pub fn faults(&self, name: &str, rules: Value) {
        self.0.faults(name, rules).unwrap();
    }
}

/// Waits until `ready`, for a minute.
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    for _ in 0..600 {
        if ready() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("not within a minute: {what}");
}

/// A virtual machine's document: what the stand-ins run without root.
pub fn machine_document(owner: &str) -> String {
    json!({
        "Owner": owner, "SchemaVersion": {"Major": 2, "Minor": 1}, "ShouldTerminateOnLastHandleClosed": true,
        "VirtualMachine": {
            "StopOnReset": true,
            "Chipset": {"Uefi": {"BootThis": {"DeviceType": "VmbFs", "DevicePath": "\\EFI\\Microsoft\\Boot\\bootmgfw.efi"}}},
            "ComputeTopology": {"Memory": {"SizeInMB": 1024, "AllowOvercommit": true}, "Processor": {"Count": 2}},
            "Devices": {"VirtualSmb": {"Shares": []}},
            "Services": {"Shutdown": {}}
        }
    })
    .to_string()
}
