//! Everything that exists.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::container::Container;
use crate::layers::Layers;
use crate::network::Networks;
use crate::server::Client;

#[derive(Default)]
pub struct World {
    /// By a number of ours: ids may come again when a system has stopped.
    pub systems: BTreeMap<u64, System>,
    pub next_system: u64,
    pub bound: HashMap<(u64, u64), Bound>,
    pub networks: Networks,
    pub layers: Layers,
    /// Processor groups and credential guards that were made.
    pub settings: Vec<Value>,
    /// Files that a virtual machine may open: machine id, and path in lower case.
    pub grants: Vec<(String, String)>,
}

/// What a client's handle stands for.
pub struct Bound {
    pub client: Arc<Client>,
    pub target: Target,
    /// Whether a callback is registered on the handle.
    pub events: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    System(u64),
    Process(u64, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Created,
    Starting,
    Running,
    Paused,
    /// Saved as a template.
    Template,
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Shares the host's kernel.
    Process,
    /// A container that brings its own virtual machine.
    HyperV,
    /// A virtual machine without an agent that we could play.
    Machine,
}

pub struct System {
    pub id: String,
    pub runtime_id: String,
    pub owner: String,
    pub kind: Kind,
    pub state: State,
    pub document: Value,
    pub started: Option<SystemTime>,
    pub terminate_on_last_handle: bool,
    pub exit: Option<Exit>,
    pub container: Option<Arc<Container>>,
    pub processes: BTreeMap<u32, Process>,
    /// Where the writable files are, on this machine.
    pub scratch: Option<std::path::PathBuf>,
    /// Endpoints that are plugged in.
    pub endpoints: Vec<String>,
}

/// How a system ended.
#[derive(Clone, Debug)]
pub struct Exit {
    pub status: u32,
    pub kind: &'static str,
    pub detail: &'static str,
    pub initiator: &'static str,
}

impl Exit {
    pub const TERMINATED: Exit = Exit {
        status: sim_protocol::codes::TERMINATED,
        kind: "ForcedExit",
        detail: "Terminate",
        initiator: "Client",
    };
    pub const SHUT_DOWN: Exit =
        Exit { status: 0, kind: "GracefulExit", detail: "Shutdown", initiator: "Client" };
    pub const CRASHED: Exit = Exit {
        status: sim_protocol::codes::UNEXPECTED_EXIT,
        kind: "UnexpectedExit",
        detail: "Terminate",
        initiator: "Internal",
    };

    pub fn document(&self) -> Value {
        json!({
            "Status": self.status as i32,
            "ExitType": self.kind,
            "Attribution": [{"SystemExit": {"Detail": self.detail, "Initiator": self.initiator}}]
        })
    }
}

pub struct Process {
    pub id: u32,
    pub exit: Option<u32>,
    /// The ends of its streams that are ours.
    pub ends: crate::streams::Ends,
    pub creator: u64,
    /// Whether it is on a pseudo console.
    pub console: bool,
}

impl Process {
    pub fn status(&self) -> Value {
        match self.exit {
            Some(code) => {
                json!({"ProcessId": self.id, "Exited": true, "ExitCode": code, "LastWaitResult": 0})
            }
            None => json!({"ProcessId": self.id, "Exited": false, "ExitCode": 0, "LastWaitResult": 0}),
        }
    }
}

impl World {
    /// The system with this id, if it has not stopped.
    pub fn by_id(&self, id: &str) -> Option<u64> {
        let live = |system: &System| system.state != State::Stopped && system.id.eq_ignore_ascii_case(id);
        self.systems.iter().find(|(_, system)| live(system)).map(|(number, _)| *number)
    }

    /// Handles that are told of what happens to the target.
    pub fn listeners(&self, target: Target) -> Vec<(Arc<Client>, u64)> {
        let listening = self.bound.iter().filter(|(_, bound)| bound.events && bound.target == target);
        listening.map(|((_, handle), bound)| (Arc::clone(&bound.client), *handle)).collect()
    }

    pub fn has_handles(&self, number: u64) -> bool {
        self.bound.values().any(|bound| bound.target == Target::System(number))
    }

    /// Forgets systems that have stopped and that nobody can ask about.
    pub fn sweep(&mut self) {
        let held = |number: u64| {
            self.bound.values().any(|bound| match bound.target {
                Target::System(of) | Target::Process(of, _) => of == number,
            })
        };
        let gone: Vec<u64> = self
            .systems
            .iter()
            .filter(|(number, system)| system.state == State::Stopped && !held(**number))
            .map(|(number, _)| *number)
            .collect();
        for number in gone {
            self.systems.remove(&number);
        }
    }
}
