//! Compute systems of the first generation.

// UNSAFETY: calls of vmcompute.dll with handles that are bare pointers.
#![allow(unsafe_code, reason = "calls of vmcompute.dll")]

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use super::abi::{Answer, Code, Raw, Text};
use super::call::{Call, begin};
use super::process::Process;
use super::{CREATE_COMPLETED, PAUSE_COMPLETED, RESUME_COMPLETED, SAVE_COMPLETED, START_COMPLETED};
use super::{SYSTEM_EXITED, Vmcompute, done};
use crate::windows::error::{Error, Result};
use crate::windows::hcs::ProcessInfo;
use crate::windows::notices::{self, Notice, Notices, Queue, Registration};
use crate::windows::wide::{self, Allocator, Returned, Wide};

/// A handle, and its registration for notifications.
#[derive(Debug)]
pub(super) struct SystemHandle {
    pub(super) vmcompute: Vmcompute,
    pub(super) raw: Raw,
    registered: Option<Raw>,
    notices: Notices,
    /// Dropped after the registration with the service.
    registration: Registration,
}

// SAFETY: the functions that take the handle may be called on any thread, and at the same time;
// only closing it may not overlap with them, and that takes the last owner.
unsafe impl Send for SystemHandle {}
// SAFETY: as above.
unsafe impl Sync for SystemHandle {}

impl SystemHandle {
    fn new(vmcompute: &Vmcompute, function: &'static str, raw: Raw) -> Result<Arc<Self>> {
        if raw.is_null() {
            return Err(Error::Answer { function, problem: "no handle was returned" });
        }
        let queue = Queue::new().map_err(Error::system("CreateEventW"));
        let queue = queue.inspect_err(|_| close(vmcompute, raw))?;
        let registration = Registration::new(Arc::clone(&queue));
        let notices = Notices(queue);
        // From here on the handle is closed whatever fails.
        let mut handle = Self { vmcompute: vmcompute.clone(), raw, registered: None, notices, registration };
        let register = vmcompute.table.HcsRegisterComputeSystemCallback()?;
        let mut registered = ptr::null_mut();
        let context = handle.registration.context();
        // SAFETY: the handle is open; the context is a number that the callback looks up;
        // `registered` takes the registration's handle.
        let code = unsafe { register(raw, Some(notified), context, &raw mut registered) };
        done("HcsRegisterComputeSystemCallback", code)?;
        handle.registered = Some(registered);
        Ok(Arc::new(handle))
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.notices.0
    }
}

impl Drop for SystemHandle {
    fn drop(&mut self) {
        let unregister = self.vmcompute.table.HcsUnregisterComputeSystemCallback();
        if let (Some(registered), Ok(unregister)) = (self.registered, unregister) {
            // SAFETY: the registration exists, and is given back once.
            unsafe { unregister(registered) };
        }
        close(&self.vmcompute, self.raw);
    }
}

fn close(vmcompute: &Vmcompute, raw: Raw) {
    if let Ok(close) = vmcompute.table.HcsCloseComputeSystem() {
        // SAFETY: the handle is open, and this is its last use.
        unsafe { close(raw) };
    }
}

/// Called by the DLL on one of its threads.
pub(super) unsafe extern "system" fn notified(kind: u32, context: *const c_void, status: Code, data: Text) {
    // SAFETY: the data is null or a text with a NUL, valid during the call.
    let data = unsafe { wide::copy(data) };
    notices::deliver(context, Notice { kind, status: status.into(), data });
}

/// A handle of a compute system, closed when it and all calls on it are dropped.
#[derive(Debug)]
pub struct System(Arc<SystemHandle>);

type OnSystem = unsafe extern "system" fn(Raw, Text, Answer) -> Code;

impl Vmcompute {
    /// Creates a compute system from a document of schema 1 (`HcsCreateComputeSystem` of
    /// vmcompute.dll). It exists when the call is done.
    ///
    /// # Errors
    ///
    /// The service's, with its result document, as for all functions here.
    pub fn create_system(&self, id: &str, document: &str) -> Result<(System, Call)> {
        const FUNCTION: &str = "HcsCreateComputeSystem";
        let create = self.table.HcsCreateComputeSystem()?;
        let (id, document) = (Wide::new(id)?, Wide::new(document)?);
        let mut raw = ptr::null_mut();
        let pending = begin(FUNCTION, |answer| {
            // SAFETY: the texts outlive the call; no identity is given; `raw` takes the handle.
            unsafe { create(id.as_ptr(), document.as_ptr(), ptr::null_mut(), &raw mut raw, answer) }
        })?;
        let handle = SystemHandle::new(self, FUNCTION, raw)?;
        let call = Call::new(FUNCTION, Arc::clone(&handle), pending.then_some(CREATE_COMPLETED));
        Ok((System(handle), call))
    }

    /// Opens a compute system (`HcsOpenComputeSystem` of vmcompute.dll).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn open_system(&self, id: &str) -> Result<System> {
        const FUNCTION: &str = "HcsOpenComputeSystem";
        let open = self.table.HcsOpenComputeSystem()?;
        let id = Wide::new(id)?;
        let mut raw = ptr::null_mut();
        // SAFETY: the text outlives the call; `raw` takes the handle.
        begin(FUNCTION, |answer| unsafe { open(id.as_ptr(), &raw mut raw, answer) })?;
        Ok(System(SystemHandle::new(self, FUNCTION, raw)?))
    }

    /// Returns the compute systems that fit a query, a JSON array (`HcsEnumerateComputeSystems`
    /// of vmcompute.dll).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn enumerate_systems(&self, query: &str) -> Result<String> {
        const FUNCTION: &str = "HcsEnumerateComputeSystems";
        let enumerate = self.table.HcsEnumerateComputeSystems()?;
        let query = Wide::new(query)?;
        let mut list = Returned::new(Allocator::Task);
        // SAFETY: the text outlives the call, and the slots take pointers.
        begin(FUNCTION, |answer| unsafe { enumerate(query.as_ptr(), list.slot(), answer) })?;
        list.required(FUNCTION)
    }

    /// Returns properties of the service (`HcsGetServiceProperties` of vmcompute.dll).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn service_properties(&self, query: &str) -> Result<Option<String>> {
        const FUNCTION: &str = "HcsGetServiceProperties";
        let get = self.table.HcsGetServiceProperties()?;
        let query = Wide::new(query)?;
        let mut properties = Returned::new(Allocator::Task);
        // SAFETY: the text outlives the call, and the slots take pointers.
        begin(FUNCTION, |answer| unsafe { get(query.as_ptr(), properties.slot(), answer) })?;
        properties.take(FUNCTION)
    }
}

impl System {
    /// Starts it (`HcsStartComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn start(&self, options: &str) -> Result<Call> {
        let function = self.0.vmcompute.table.HcsStartComputeSystem()?;
        self.call("HcsStartComputeSystem", function, options, START_COMPLETED)
    }

    /// Asks it to stop (`HcsShutdownComputeSystem`). Its end ends the call.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn shut_down(&self, options: &str) -> Result<Call> {
        let function = self.0.vmcompute.table.HcsShutdownComputeSystem()?;
        self.call("HcsShutdownComputeSystem", function, options, SYSTEM_EXITED)
    }

    /// Stops it by force (`HcsTerminateComputeSystem`). Its end ends the call.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn terminate(&self, options: &str) -> Result<Call> {
        let function = self.0.vmcompute.table.HcsTerminateComputeSystem()?;
        self.call("HcsTerminateComputeSystem", function, options, SYSTEM_EXITED)
    }

    /// Stops its processors (`HcsPauseComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn pause(&self, options: &str) -> Result<Call> {
        let function = self.0.vmcompute.table.HcsPauseComputeSystem()?;
        self.call("HcsPauseComputeSystem", function, options, PAUSE_COMPLETED)
    }

    /// Lets its processors run again (`HcsResumeComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn resume(&self, options: &str) -> Result<Call> {
        let function = self.0.vmcompute.table.HcsResumeComputeSystem()?;
        self.call("HcsResumeComputeSystem", function, options, RESUME_COMPLETED)
    }

    /// Saves a paused system to a file (`HcsSaveComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn save(&self, options: &str) -> Result<Call> {
        let function = self.0.vmcompute.table.HcsSaveComputeSystem()?;
        self.call("HcsSaveComputeSystem", function, options, SAVE_COMPLETED)
    }

    /// Returns its properties (`HcsGetComputeSystemProperties`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn properties(&self, query: &str) -> Result<Option<String>> {
        const FUNCTION: &str = "HcsGetComputeSystemProperties";
        let get = self.0.vmcompute.table.HcsGetComputeSystemProperties()?;
        let query = Wide::new(query)?;
        let mut properties = Returned::new(Allocator::Task);
        begin(FUNCTION, |answer| {
            // SAFETY: the handle is open; the text outlives the call; the slots take pointers.
            unsafe { get(self.0.raw, query.as_ptr(), properties.slot(), answer) }
        })?;
        properties.take(FUNCTION)
    }

    /// Changes it (`HcsModifyComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn modify(&self, request: &str) -> Result<()> {
        let modify = self.0.vmcompute.table.HcsModifyComputeSystem()?;
        let request = Wide::new(request)?;
        // SAFETY: the handle is open, and the text outlives the call.
        begin("HcsModifyComputeSystem", |answer| unsafe { modify(self.0.raw, request.as_ptr(), answer) })
            .map(drop)
    }

    /// Returns its notices. Those that end a call go to whoever waits for the call.
    pub fn notices(&self) -> Notices {
        self.0.notices.clone()
    }

    /// Starts a process in it (`HcsCreateProcess` of vmcompute.dll).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn create_process(&self, parameters: &str) -> Result<(Process, ProcessInfo)> {
        Process::create(&self.0, parameters)
    }

    /// Opens a process in it by its number in there (`HcsOpenProcess` of vmcompute.dll).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn open_process(&self, id: u32) -> Result<Process> {
        Process::open(&self.0, id)
    }

    fn call(&self, name: &'static str, function: OnSystem, options: &str, awaited: u32) -> Result<Call> {
        let options = Wide::new(options)?;
        // SAFETY: the handle is open, and the text outlives the call.
        let pending = begin(name, |answer| unsafe { function(self.0.raw, options.as_ptr(), answer) })?;
        Ok(Call::new(name, Arc::clone(&self.0), pending.then_some(awaited)))
    }
}
