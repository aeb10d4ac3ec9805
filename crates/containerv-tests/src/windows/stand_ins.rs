//! The service behind the stand-ins, asked directly.

use std::sync::OnceLock;

use serde_json::Value;
use sim_protocol::observer::Observer;

/// The service behind the stand-ins: what exists, what was called, faults on demand.
#[derive(Clone, Copy, Debug)]
pub struct StandIns(&'static Observer);

impl StandIns {
    /// Says whether the services are the stand-ins; the calling test is skipped if they are Windows' own.
    pub fn are_here() -> bool {
        let are_here = super::real_layers().is_none();
        if !are_here {
            crate::skip("only the stand-ins fail on demand and tell what was called");
        }
        are_here
    }

    /// Connects, or takes this program's connection.
    ///
    /// # Panics
    ///
    /// If there is no such service: these tests are not for a real Windows.
    #[allow(clippy::expect_used, reason = "a fixture fails by panicking, as tests do")]
    pub fn connect() -> Self {
        static OBSERVER: OnceLock<Observer> = OnceLock::new();
        Self(OBSERVER.get_or_init(|| Observer::connect().expect("the stand-ins' service")))
    }

    /// Returns what exists in the service.
    pub fn state(self) -> Value {
        self.0.state().unwrap()
    }

    /// Returns what a process has called, and what was noted of it.
    pub fn log(self, process: u32) -> Vec<Value> {
        self.0.log(process).unwrap()
    }

    /// Sets rules of faults for this process, in the place of those of the same name.
    pub fn set_faults(self, name: &str, rules: Value) {
        self.0.faults(name, rules).unwrap();
    }
}
