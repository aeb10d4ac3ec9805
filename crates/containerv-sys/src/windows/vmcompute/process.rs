//! Processes in compute systems of the first generation.

// UNSAFETY: calls of vmcompute.dll with handles that are bare pointers.
#![allow(unsafe_code, reason = "calls of vmcompute.dll")]

use std::ptr;
use std::sync::Arc;

use super::abi::Raw;
use super::call::begin;
use super::system::{SystemHandle, notified};
use super::{Vmcompute, done};
use crate::windows::error::{Error, Result};
use crate::windows::hcs::{ProcessInfo, ProcessInformation};
use crate::windows::notices::{Notices, Queue, Registration};
use crate::windows::wide::{Allocator, Returned, Wide};

/// A handle of a process. Closing it does not end the process.
#[derive(Debug)]
pub struct Process {
    vmcompute: Vmcompute,
    raw: Raw,
    registered: Option<Raw>,
    notices: Notices,
    /// Dropped after the registration with the service.
    registration: Registration,
}

// SAFETY: the functions that take the handle may be called on any thread, and at the same time;
// only closing it may not overlap with them, and that takes the owner.
unsafe impl Send for Process {}
// SAFETY: as above.
unsafe impl Sync for Process {}

impl Process {
    pub(super) fn create(system: &Arc<SystemHandle>, parameters: &str) -> Result<(Self, ProcessInfo)> {
        const FUNCTION: &str = "HcsCreateProcess";
        let create = system.vmcompute.table.HcsCreateProcess()?;
        let parameters = Wide::new(parameters)?;
        let (mut raw, mut information) = (ptr::null_mut(), ProcessInformation::empty());
        begin(FUNCTION, |answer| {
            // SAFETY: the system is open; the text outlives the call; `information` has the layout
            // that is filled; `raw` takes the handle.
            unsafe { create(system.raw, parameters.as_ptr(), &raw mut information, &raw mut raw, answer) }
        })?;
        let information = information.take();
        Ok((Self::new(&system.vmcompute, FUNCTION, raw)?, information))
    }

    pub(super) fn open(system: &Arc<SystemHandle>, id: u32) -> Result<Self> {
        const FUNCTION: &str = "HcsOpenProcess";
        let open = system.vmcompute.table.HcsOpenProcess()?;
        let mut raw = ptr::null_mut();
        // SAFETY: the system is open; `raw` takes the handle.
        begin(FUNCTION, |answer| unsafe { open(system.raw, id, &raw mut raw, answer) })?;
        Self::new(&system.vmcompute, FUNCTION, raw)
    }

    fn new(vmcompute: &Vmcompute, function: &'static str, raw: Raw) -> Result<Self> {
        if raw.is_null() {
            return Err(Error::Answer { function, problem: "no handle was returned" });
        }
        let queue = Queue::new().map_err(Error::system("CreateEventW"));
        let queue = queue.inspect_err(|_| close(vmcompute, raw))?;
        let registration = Registration::new(Arc::clone(&queue));
        let notices = Notices(queue);
        // From here on the handle is closed whatever fails.
        let mut process = Self { vmcompute: vmcompute.clone(), raw, registered: None, notices, registration };
        let register = vmcompute.table.HcsRegisterProcessCallback()?;
        let mut registered = ptr::null_mut();
        let context = process.registration.context();
        // SAFETY: the handle is open; the context is a number that the callback looks up;
        // `registered` takes the registration's handle.
        let code = unsafe { register(raw, Some(notified), context, &raw mut registered) };
        done("HcsRegisterProcessCallback", code)?;
        process.registered = Some(registered);
        Ok(process)
    }

    /// Returns its notices: [`super::PROCESS_EXITED`]. An exit before the handle was opened is
    /// told by [`Process::properties`] only.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Returns its number and streams (`HcsGetProcessInfo`). The streams are handed out once.
    ///
    /// # Errors
    ///
    /// The service's, as for all functions here.
    pub fn info(&self) -> Result<ProcessInfo> {
        let get = self.vmcompute.table.HcsGetProcessInfo()?;
        let mut information = ProcessInformation::empty();
        // SAFETY: the handle is open; `information` has the layout that is filled.
        begin("HcsGetProcessInfo", |answer| unsafe { get(self.raw, &raw mut information, answer) })?;
        Ok(information.take())
    }

    /// Returns its state (`HcsGetProcessProperties`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn properties(&self) -> Result<String> {
        const FUNCTION: &str = "HcsGetProcessProperties";
        let get = self.vmcompute.table.HcsGetProcessProperties()?;
        let mut properties = Returned::new(Allocator::Task);
        // SAFETY: the handle is open; the slots take pointers.
        begin(FUNCTION, |answer| unsafe { get(self.raw, properties.slot(), answer) })?;
        properties.required(FUNCTION)
    }

    /// Sends it a signal (`HcsSignalProcess`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn signal(&self, options: &str) -> Result<()> {
        let signal = self.vmcompute.table.HcsSignalProcess()?;
        let options = Wide::new(options)?;
        // SAFETY: the handle is open, and the text outlives the call.
        begin("HcsSignalProcess", |answer| unsafe { signal(self.raw, options.as_ptr(), answer) }).map(drop)
    }

    /// Ends it by force (`HcsTerminateProcess`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn terminate(&self) -> Result<()> {
        let terminate = self.vmcompute.table.HcsTerminateProcess()?;
        // SAFETY: the handle is open.
        begin("HcsTerminateProcess", |answer| unsafe { terminate(self.raw, answer) }).map(drop)
    }

    /// Changes its console or closes one of its streams (`HcsModifyProcess`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn modify(&self, settings: &str) -> Result<()> {
        let modify = self.vmcompute.table.HcsModifyProcess()?;
        let settings = Wide::new(settings)?;
        // SAFETY: the handle is open, and the text outlives the call.
        begin("HcsModifyProcess", |answer| unsafe { modify(self.raw, settings.as_ptr(), answer) }).map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let unregister = self.vmcompute.table.HcsUnregisterProcessCallback();
        if let (Some(registered), Ok(unregister)) = (self.registered, unregister) {
            // SAFETY: the registration exists, and is given back once.
            unsafe { unregister(registered) };
        }
        close(&self.vmcompute, self.raw);
    }
}

fn close(vmcompute: &Vmcompute, raw: Raw) {
    if let Ok(close) = vmcompute.table.HcsCloseProcess() {
        // SAFETY: the handle is open, and this is its last use.
        unsafe { close(raw) };
    }
}
