//! Compute systems.

// UNSAFETY: calls of computecore.dll with handles that are bare pointers.
#![allow(unsafe_code, reason = "calls of computecore.dll")]

use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use super::abi::{ALL_ACCESS, Code, Raw, Text};
use super::handle::SystemHandle;
use super::operation::{NewOperation, Operation, Waited};
use super::process::{Process, Spawn};
use super::{Hcs, abi};
use crate::windows::error::{Error, Hresult, Result};
use crate::windows::notices::Notices;
use crate::windows::wait::milliseconds;
use crate::windows::wide::{Allocator, Returned, Wide};

/// A handle of a compute system, closed when it and all operations on it are dropped.
///
/// Closing stops the system only if its document asks for that and no other handle is left.
#[derive(Debug)]
pub struct System(Arc<SystemHandle>);

/// A function on a system with options, such as `HcsStartComputeSystem`.
type OnSystem = unsafe extern "system" fn(Raw, Raw, Text) -> Code;

impl Hcs {
    /// Creates a compute system from a document (`HcsCreateComputeSystem`). It exists when the
    /// operation is done; the handle may be used to register for events before.
    ///
    /// # Errors
    ///
    /// The service's, with its result document.
    pub fn create_system(
        &self,
        operation: NewOperation,
        id: &str,
        document: &str,
    ) -> Result<(System, Operation)> {
        const FUNCTION: &str = "HcsCreateComputeSystem";
        let create = self.table.HcsCreateComputeSystem()?;
        let (id, document) = (Wide::new(id)?, Wide::new(document)?);
        let mut raw = ptr::null_mut();
        let operation = operation.begin(FUNCTION, None, None, |operation| {
            // SAFETY: the texts outlive the call, which copies them; the operation is open; no
            // security descriptor may be given; `raw` takes the handle.
            unsafe { create(id.as_ptr(), document.as_ptr(), operation, ptr::null(), &raw mut raw) }
        })?;
        Ok((System(SystemHandle::new(self, FUNCTION, raw)?), operation))
    }

    /// Opens a compute system (`HcsOpenComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's, `HCS_E_SYSTEM_NOT_FOUND` also for one that has stopped.
    pub fn open_system(&self, id: &str) -> Result<System> {
        const FUNCTION: &str = "HcsOpenComputeSystem";
        let open = self.table.HcsOpenComputeSystem()?;
        let id = Wide::new(id)?;
        let mut raw = ptr::null_mut();
        // SAFETY: the text outlives the call; `raw` takes the handle.
        let code = Hresult::from(unsafe { open(id.as_ptr(), ALL_ACCESS, &raw mut raw) });
        if !code.is_success() {
            return Err(Error::failed(FUNCTION, code, None));
        }
        Ok(System(SystemHandle::new(self, FUNCTION, raw)?))
    }

    /// Asks for the compute systems that fit a query (`HcsEnumerateComputeSystems`), or for all.
    /// The operation's document is an array of properties. An empty text is no query: the service
    /// refuses it as a document.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn enumerate_systems(&self, operation: NewOperation, query: Option<&str>) -> Result<Operation> {
        let enumerate = self.table.HcsEnumerateComputeSystems()?;
        let query = Wide::optional(query)?;
        operation.begin("HcsEnumerateComputeSystems", None, None, |operation| {
            // SAFETY: the text outlives the call, and the operation is open.
            unsafe { enumerate(query.as_ptr(), operation) }
        })
    }
}

impl System {
    /// Starts it (`HcsStartComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's, as for all functions here.
    pub fn start(&self, operation: NewOperation, options: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsStartComputeSystem()?;
        self.begin("HcsStartComputeSystem", function, operation, options)
    }

    /// Asks its guest to stop (`HcsShutDownComputeSystem`). The operation ends when the guest was
    /// asked.
    ///
    /// Containers take an empty text. A virtual machine wants its mechanism named. That there are
    /// no options cannot be said: the function is documented so, and refuses it as invalid JSON.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn shut_down(&self, operation: NewOperation, options: &str) -> Result<Operation> {
        let function = self.0.hcs.table.HcsShutDownComputeSystem()?;
        self.begin("HcsShutDownComputeSystem", function, operation, Some(options))
    }

    /// Stops it by force (`HcsTerminateComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's, `HCS_E_SYSTEM_ALREADY_STOPPED` if it has stopped or is about to.
    pub fn terminate(&self, operation: NewOperation, options: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsTerminateComputeSystem()?;
        self.begin("HcsTerminateComputeSystem", function, operation, options)
    }

    /// Makes its guest crash (`HcsCrashComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn crash(&self, operation: NewOperation, options: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsCrashComputeSystem()?;
        self.begin("HcsCrashComputeSystem", function, operation, options)
    }

    /// Stops its processors (`HcsPauseComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's; not every kind of system can be paused.
    pub fn pause(&self, operation: NewOperation, options: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsPauseComputeSystem()?;
        self.begin("HcsPauseComputeSystem", function, operation, options)
    }

    /// Lets its processors run again (`HcsResumeComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn resume(&self, operation: NewOperation, options: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsResumeComputeSystem()?;
        self.begin("HcsResumeComputeSystem", function, operation, options)
    }

    /// Saves a paused system to a file (`HcsSaveComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn save(&self, operation: NewOperation, options: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsSaveComputeSystem()?;
        self.begin("HcsSaveComputeSystem", function, operation, options)
    }

    /// Asks for its properties (`HcsGetComputeSystemProperties`), without a query for the basic
    /// ones. The operation's document has them.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn properties(&self, operation: NewOperation, query: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsGetComputeSystemProperties()?;
        self.begin("HcsGetComputeSystemProperties", function, operation, query)
    }

    /// Changes it (`HcsModifyComputeSystem`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn modify(&self, operation: NewOperation, request: &str) -> Result<Operation> {
        let modify = self.0.hcs.table.HcsModifyComputeSystem()?;
        let request = Wide::new(request)?;
        operation.begin("HcsModifyComputeSystem", Some(&self.0), None, |operation| {
            // SAFETY: both handles are open; the text outlives the call; no identity is given.
            unsafe { modify(self.0.raw, operation, request.as_ptr(), ptr::null_mut()) }
        })
    }

    /// Registers for its events (`HcsSetComputeSystemCallback`): [`super::SYSTEM_EXITED`] and
    /// others. Registered between creation and start, none is missed; those before are not
    /// repeated. Called again, it returns the same queue.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn events(&self) -> Result<Notices> {
        self.0.events()
    }

    /// Waits for its end and returns how that came (`HcsWaitForComputeSystemExit`, which older
    /// versions lack; the event tells the same).
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function; the service's.
    pub fn wait_for_exit(&self, limit: Option<Duration>) -> Result<Waited> {
        let wait = self.0.hcs.table.HcsWaitForComputeSystemExit()?;
        // SAFETY: the handle is open, and the slot takes a pointer.
        exit("HcsWaitForComputeSystemExit", |answer| unsafe { wait(self.0.raw, milliseconds(limit), answer) })
    }

    /// Starts a process in it (`HcsCreateProcess`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn create_process(&self, operation: NewOperation, parameters: &str) -> Result<Spawn> {
        const FUNCTION: &str = "HcsCreateProcess";
        let create = self.0.hcs.table.HcsCreateProcess()?;
        let parameters = Wide::new(parameters)?;
        let mut raw = ptr::null_mut();
        let operation = operation.begin(FUNCTION, Some(&self.0), None, |operation| {
            // SAFETY: both handles are open; the text outlives the call; no security descriptor
            // may be given; `raw` takes the handle.
            unsafe { create(self.0.raw, parameters.as_ptr(), operation, ptr::null(), &raw mut raw) }
        })?;
        Ok(Spawn::new(Process::new(&self.0.hcs, FUNCTION, raw)?, operation))
    }

    /// Opens a process in it by its number in there (`HcsOpenProcess`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn open_process(&self, id: u32) -> Result<Process> {
        const FUNCTION: &str = "HcsOpenProcess";
        let open = self.0.hcs.table.HcsOpenProcess()?;
        let mut raw = ptr::null_mut();
        // SAFETY: the handle is open; `raw` takes the other one.
        let code = Hresult::from(unsafe { open(self.0.raw, id, ALL_ACCESS, &raw mut raw) });
        if !code.is_success() {
            return Err(Error::failed(FUNCTION, code, None));
        }
        Process::new(&self.0.hcs, FUNCTION, raw)
    }

    fn begin(
        &self,
        name: &'static str,
        function: OnSystem,
        operation: NewOperation,
        options: Option<&str>,
    ) -> Result<Operation> {
        let options = Wide::optional(options)?;
        operation.begin(name, Some(&self.0), None, |operation| {
            // SAFETY: both handles are open, and the text outlives the call, which copies it.
            unsafe { function(self.0.raw, operation, options.as_ptr()) }
        })
    }
}

/// Calls one of the functions that wait for an end without an operation.
pub(super) fn exit(function: &'static str, wait: impl FnOnce(abi::Answer) -> Code) -> Result<Waited> {
    let mut document = Returned::new(Allocator::Local);
    let code = Hresult::from(wait(document.slot()));
    let document = document.take(function)?;
    match code {
        code if code.is_success() => Ok(Waited::Done(document)),
        Hresult::OPERATION_TIMEOUT | super::operation::TIMEOUT => Ok(Waited::Running),
        code => Err(Error::failed(function, code, document)),
    }
}
