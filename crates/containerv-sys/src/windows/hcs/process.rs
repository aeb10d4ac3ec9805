//! Processes in compute systems.

// UNSAFETY: calls of computecore.dll with handles that are bare pointers.
#![allow(unsafe_code, reason = "calls of computecore.dll")]

use std::ffi::c_void;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;

use super::Hcs;
use super::abi::{Code, ProcessInformation, Raw, Text};
use super::handle::ProcessHandle;
use super::operation::{NewOperation, Operation, Waited};
use super::system::exit;
use crate::windows::error::Result;
use crate::windows::notices::Notices;
use crate::windows::wait::{Deadline, milliseconds};
use crate::windows::wide::Wide;

/// A handle of a process, closed when it and all operations on it are dropped. Closing does not
/// end the process.
#[derive(Debug)]
pub struct Process(Arc<ProcessHandle>);

/// A function on a process with options, such as `HcsSignalProcess`.
type OnProcess = unsafe extern "system" fn(Raw, Raw, Text) -> Code;

/// `HCS_PROCESS_INFORMATION`: a process's number and our ends of its standard streams, which are
/// pipes for overlapped input and output.
#[derive(Debug)]
pub struct ProcessInfo {
    /// The number inside the compute system.
    pub id: u32,
    /// Where its standard input is written, if that was asked for.
    pub stdin: Option<OwnedHandle>,
    /// Where its standard output is read, if that was asked for.
    pub stdout: Option<OwnedHandle>,
    /// Where its standard error is read, if that was asked for.
    pub stderr: Option<OwnedHandle>,
}

impl Process {
    pub(super) fn new(hcs: &Hcs, function: &'static str, raw: Raw) -> Result<Self> {
        ProcessHandle::new(hcs, function, raw).map(Self)
    }

    /// Asks for the number and the streams (`HcsGetProcessInfo`). The streams are handed out once.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn info(&self, operation: NewOperation, limit: Option<Duration>) -> Result<Waited<ProcessInfo>> {
        let get = self.0.hcs.table.HcsGetProcessInfo()?;
        let operation = operation.begin("HcsGetProcessInfo", None, Some(&self.0), |operation| {
            // SAFETY: both handles are open.
            unsafe { get(self.0.raw, operation) }
        })?;
        wait_for_info(&operation, limit)
    }

    /// Asks for its state (`HcsGetProcessProperties`). The operation's document has it.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn properties(&self, operation: NewOperation, query: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsGetProcessProperties()?;
        self.begin("HcsGetProcessProperties", function, operation, query)
    }

    /// Sends it a signal (`HcsSignalProcess`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn signal(&self, operation: NewOperation, options: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsSignalProcess()?;
        self.begin("HcsSignalProcess", function, operation, options)
    }

    /// Ends it by force, and not what it has started (`HcsTerminateProcess`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn terminate(&self, operation: NewOperation, options: Option<&str>) -> Result<Operation> {
        let function = self.0.hcs.table.HcsTerminateProcess()?;
        self.begin("HcsTerminateProcess", function, operation, options)
    }

    /// Changes its console or closes one of its streams (`HcsModifyProcess`). To close our end of
    /// its standard input is not always enough for it to see the end.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn modify(&self, operation: NewOperation, settings: &str) -> Result<Operation> {
        let function = self.0.hcs.table.HcsModifyProcess()?;
        self.begin("HcsModifyProcess", function, operation, Some(settings))
    }

    /// Registers for its events (`HcsSetProcessCallback`): [`super::PROCESS_EXITED`]. An exit
    /// before that is told by [`Process::properties`] only. Called again, it returns the same
    /// queue.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn events(&self) -> Result<Notices> {
        self.0.events()
    }

    /// Waits for its end and returns how that came (`HcsWaitForProcessExit`, which older versions
    /// lack; the event tells the same).
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function; the service's.
    pub fn wait_for_exit(&self, limit: Option<Duration>) -> Result<Waited> {
        let wait = self.0.hcs.table.HcsWaitForProcessExit()?;
        // SAFETY: the handle is open, and the slot takes a pointer.
        exit("HcsWaitForProcessExit", |answer| unsafe { wait(self.0.raw, milliseconds(limit), answer) })
    }

    fn begin(
        &self,
        name: &'static str,
        function: OnProcess,
        operation: NewOperation,
        options: Option<&str>,
    ) -> Result<Operation> {
        let options = Wide::optional(options)?;
        operation.begin(name, None, Some(&self.0), |operation| {
            // SAFETY: both handles are open, and the text outlives the call, which copies it.
            unsafe { function(self.0.raw, operation, options.as_ptr()) }
        })
    }
}

/// A process that is being started.
#[derive(Debug)]
pub struct Spawn {
    /// Closed before the process.
    operation: Operation,
    process: Process,
}

impl Spawn {
    pub(super) fn new(process: Process, operation: Operation) -> Self {
        Self { process, operation }
    }

    /// Returns the handle that is signaled when it has started, if that was asked for.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Returns the process, to register for events before it has started.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Waits until it has started. On `Running` the process may still come.
    ///
    /// # Errors
    ///
    /// The service's. If it cannot say what was started, the process is told to end.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<Waited<ProcessInfo>> {
        let failure = match wait_for_info(&self.operation, limit) {
            Err(failure) if failure.code().is_some() => failure,
            outcome => return outcome,
        };
        // On Windows Server 2022 the call may have done its work by the time that it returns. The
        // wait for the operation then fails, while the process exists and tells about itself. Only
        // after a failure: a process that has ended in the meantime knows nothing any more.
        let info = self.operation.hcs().operation().and_then(|operation| self.process.info(operation, limit));
        match info {
            Ok(info) => Ok(info),
            Err(_) => {
                self.give_up();
                Err(failure)
            }
        }
    }

    /// Takes the process after it has started.
    pub fn into_process(self) -> Process {
        self.process
    }

    /// Nobody would ever learn of the process, if it exists.
    fn give_up(&self) {
        let operation = self.operation.hcs().operation();
        // Whether it exists is not known, so that a failure says nothing.
        drop(operation.and_then(|operation| self.process.terminate(operation, None)));
    }
}

fn wait_for_info(operation: &Operation, limit: Option<Duration>) -> Result<Waited<ProcessInfo>> {
    let wait = operation.hcs().table.HcsWaitForOperationResultAndProcessInfo()?;
    let deadline = Deadline::after(limit);
    loop {
        let mut raw = ProcessInformation::empty();
        let rest = milliseconds(deadline.left());
        // SAFETY: the operation is open, and the borrow keeps it from being closed; `raw` has the
        // layout that the function fills, and the slot takes a pointer.
        let waited = operation.outcome(|answer| unsafe { wait(operation.raw, rest, &raw mut raw, answer) });
        match waited? {
            Waited::Done(_) => return Ok(Waited::Done(raw.take())),
            Waited::Running if deadline.is_over() => return Ok(Waited::Running),
            Waited::Running => {}
        }
    }
}

impl ProcessInformation {
    pub(in crate::windows) fn empty() -> Self {
        let none = ptr::null_mut();
        Self { id: 0, reserved: 0, stdin: none, stdout: none, stderr: none }
    }

    /// Takes what a function has filled in.
    pub(in crate::windows) fn take(self) -> ProcessInfo {
        let [stdin, stdout, stderr] = [self.stdin, self.stdout, self.stderr].map(own);
        ProcessInfo { id: self.id, stdin, stdout, stderr }
    }
}

/// Takes a stream's handle. One that was not asked for is null or `INVALID_HANDLE_VALUE`.
fn own(raw: *mut c_void) -> Option<OwnedHandle> {
    if raw.is_null() || raw == INVALID_HANDLE_VALUE {
        return None;
    }
    // SAFETY: the service has opened the handle for the caller, who closes it, and hands it out
    // once.
    Some(unsafe { OwnedHandle::from_raw_handle(raw) })
}
