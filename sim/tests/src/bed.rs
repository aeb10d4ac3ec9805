//! The compute service, asked directly: its state, its record, faults.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value, json};
use sim_protocol::{ADDRESS_FILE, Address, Call, Message, Reply, read, write};

/// A connection of the tests' own.
pub struct Service(Mutex<TcpStream>);

impl Service {
    pub fn connect() -> Service {
        let address = Address::read(Path::new(ADDRESS_FILE)).expect("a compute service");
        let mut stream = address.connect().unwrap();
        let hello = Message::Hello {
            token: address.token,
            library: "tests".into(),
            process: 0,
            program: String::new(),
            faults: None,
        };
        write(&mut stream, &hello).unwrap();
        Service(Mutex::new(stream))
    }

    fn call(&self, function: &str, arguments: Value) -> Value {
        let mut stream = self.0.lock().unwrap();
        let call = Call { id: 1, function: function.into(), arguments };
        write(&mut *stream, &Message::Call(call)).unwrap();
        loop {
            match read::<Reply>(&mut *stream).unwrap() {
                Some(Reply::Done { outcome, .. }) => {
                    assert_eq!(outcome.hresult, 0, "{outcome:?}");
                    return outcome.values;
                }
                Some(_) => {}
                None => panic!("the service hung up"),
            }
        }
    }

    pub fn state(&self) -> Value {
        self.call("sim.state", json!({}))
    }

    /// What this process has called.
    pub fn log(&self) -> Vec<Value> {
        self.log_of(std::process::id())
    }

    pub fn log_of(&self, process: u32) -> Vec<Value> {
        self.call("sim.log", json!({"process": process})).as_array().cloned().unwrap_or_default()
    }

    /// Sets the rules of faults for this process, in the place of those of the same name.
    pub fn faults(&self, name: &str, rules: Value) {
        self.call("sim.faults", json!({"process": std::process::id(), "name": name, "rules": rules}));
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
