//! vmcompute.dll: the first generation of the Host Compute Service, the functions for layers that
//! have no successor, and the first interface of the network service.

// UNSAFETY: calls of vmcompute.dll.
#![allow(unsafe_code, reason = "calls of vmcompute.dll")]

mod abi;
mod call;
mod layers;
mod process;
mod system;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use call::Call;
pub use layers::ParentLayer;
pub use process::Process;
pub use system::System;

use super::error::{Error, Hresult, Result};
use super::guid::Guid;
use super::library::Libraries;
use super::wide::{Allocator, Returned, Wide};
use abi::VmcomputeTable;

/// `HcsNotificationSystemExited`.
pub const SYSTEM_EXITED: u32 = 0x1;
/// `HcsNotificationSystemCreateCompleted`.
pub const CREATE_COMPLETED: u32 = 0x2;
/// `HcsNotificationSystemStartCompleted`.
pub const START_COMPLETED: u32 = 0x3;
/// `HcsNotificationSystemPauseCompleted`.
pub const PAUSE_COMPLETED: u32 = 0x4;
/// `HcsNotificationSystemResumeCompleted`.
pub const RESUME_COMPLETED: u32 = 0x5;
/// `HcsNotificationSystemCrashReport`.
pub const CRASH_REPORT: u32 = 0x6;
/// `HcsNotificationSystemSaveCompleted`.
pub const SAVE_COMPLETED: u32 = 0x8;
/// `HcsNotificationSystemCrashInitiated`.
pub const CRASH_INITIATED: u32 = 0xD;
/// `HcsNotificationProcessExited`.
pub const PROCESS_EXITED: u32 = 0x0001_0000;
/// `HcsNotificationServiceDisconnect`: the service is gone and every handle is dead.
pub const SERVICE_DISCONNECTED: u32 = 0x0100_0000;

/// vmcompute.dll.
#[derive(Clone, Debug)]
pub struct Vmcompute {
    table: Arc<VmcomputeTable>,
}

impl Vmcompute {
    /// Loads the DLL and looks up its functions.
    pub fn load(from: &Libraries) -> Self {
        Self { table: Arc::new(VmcomputeTable::load(from)) }
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
        VmcomputeTable::EXPORTS.iter().copied().filter(|function| !self.has(function)).collect()
    }

    /// Sends a request to the network service's first interface (`HNSCall`) and returns its
    /// answer. Whether that tells of a failure is in the answer.
    ///
    /// # Errors
    ///
    /// The system's, with the answer if there is one.
    pub fn hns_call(&self, method: &str, path: &str, request: &str) -> Result<String> {
        const FUNCTION: &str = "HNSCall";
        let function = self.table.HNSCall()?;
        let texts = [Wide::new(method)?, Wide::new(path)?, Wide::new(request)?];
        let [method, path, request] = texts.each_ref().map(Wide::as_ptr);
        let mut answer = Returned::new(Allocator::Task);
        // SAFETY: the texts outlive the call, and the slot takes a pointer.
        let code = Hresult::from(unsafe { function(method, path, request, answer.slot()) });
        if code.is_success() {
            return answer.required(FUNCTION);
        }
        Err(Error::failed(FUNCTION, code, answer.take(FUNCTION)?))
    }

    /// Returns the identifier that layers of this name have (`NameToGuid`). A document of a
    /// container must give this one for a layer whose folder has this name.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn name_to_guid(&self, name: &str) -> Result<Guid> {
        let function = self.table.NameToGuid()?;
        let name = Wide::new(name)?;
        let mut guid = Guid::NIL.to_raw();
        // SAFETY: the text outlives the call, and `guid` is room for the answer.
        done("NameToGuid", unsafe { function(name.as_ptr(), &raw mut guid) })?;
        Ok(Guid::from_raw(&guid))
    }

    /// Returns the base images that came with Windows (`GetBaseImages`): a JSON text.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn base_images(&self) -> Result<Option<String>> {
        const FUNCTION: &str = "GetBaseImages";
        let function = self.table.GetBaseImages()?;
        let mut images = Returned::new(Allocator::Task);
        // SAFETY: the slot takes a pointer.
        done(FUNCTION, unsafe { function(images.slot()) })?;
        images.take(FUNCTION)
    }
}

fn done(function: &'static str, code: i32) -> Result<()> {
    let code = Hresult::from(code);
    if code.is_success() { Ok(()) } else { Err(Error::failed(function, code, None)) }
}
