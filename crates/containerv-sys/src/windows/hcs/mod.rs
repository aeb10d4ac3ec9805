//! The Host Compute Service by computecore.dll: compute systems, their processes, and the
//! service itself.
//!
//! Documents are JSON texts, in and out; what is in them is the caller's business.

mod abi;
mod handle;
mod operation;
mod process;
mod service;
mod system;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use operation::{NewOperation, Operation, Waited};
pub use process::{Process, ProcessInfo, Spawn};
pub use system::System;

use super::error::Result;
use super::library::Libraries;
use abi::Computecore;
pub(in crate::windows) use abi::ProcessInformation;

/// `HcsEventSystemExited`: the system has stopped; the data says how.
pub const SYSTEM_EXITED: u32 = 1;
/// `HcsEventSystemCrashInitiated`.
pub const SYSTEM_CRASH_INITIATED: u32 = 2;
/// `HcsEventSystemCrashReport`.
pub const SYSTEM_CRASH_REPORT: u32 = 3;
/// `HcsEventSystemGuestConnectionClosed`.
pub const SYSTEM_GUEST_CONNECTION_CLOSED: u32 = 6;
/// `HcsEventProcessExited`: the data says with which code.
pub const PROCESS_EXITED: u32 = 0x0001_0000;
/// `HcsEventOperationCallback`.
pub const OPERATION_COMPLETED: u32 = 0x0100_0000;
/// `HcsEventServiceDisconnect`: the service is gone and every handle is dead.
pub const SERVICE_DISCONNECTED: u32 = 0x0200_0000;

/// computecore.dll.
#[derive(Clone, Debug)]
pub struct Hcs {
    table: Arc<Computecore>,
}

impl Hcs {
    /// Loads the DLL and looks up its functions. That something is missing shows when it is
    /// called, or asked for with [`Hcs::has`].
    pub fn load(from: &Libraries) -> Self {
        Self { table: Arc::new(Computecore::load(from)) }
    }

    /// Says whether this Windows has the DLL.
    pub fn is_loaded(&self) -> bool {
        self.table.is_loaded()
    }

    /// Says whether this Windows has a function of the DLL.
    pub fn has(&self, function: &str) -> bool {
        self.table.has(function)
    }

    /// Returns the functions that this Windows lacks.
    pub fn missing(&self) -> Vec<&'static str> {
        Computecore::EXPORTS.iter().copied().filter(|function| !self.has(function)).collect()
    }

    /// Makes an operation (`HcsCreateOperation`).
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function, or memory ran out.
    pub fn operation(&self) -> Result<NewOperation> {
        NewOperation::new(self)
    }

    /// Makes an operation whose end signals [`Operation::completion`].
    ///
    /// # Errors
    ///
    /// As for [`Hcs::operation`].
    pub fn waitable_operation(&self) -> Result<NewOperation> {
        NewOperation::waitable(self)
    }
}
