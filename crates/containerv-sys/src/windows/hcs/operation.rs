//! Operations: what the service does while the caller goes on.

// UNSAFETY: calls of computecore.dll with handles that are bare pointers.
#![allow(unsafe_code, reason = "calls of computecore.dll")]

use std::ffi::c_void;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::sync::Arc;
use std::time::Duration;

use super::abi::{Answer, Code, Raw};
use super::handle::{ProcessHandle, SystemHandle};
use super::{Hcs, OPERATION_COMPLETED};
use crate::windows::error::{Error, Hresult, Result};
use crate::windows::notices::{self, Notice, Notices, Queue, Registration};
use crate::windows::wait::{Deadline, milliseconds};
use crate::windows::wide::{Allocator, Returned};

/// `HRESULT_FROM_WIN32(ERROR_TIMEOUT)`, which some versions return instead of their own code.
pub(super) const TIMEOUT: Hresult = Hresult::from_win32(1460);

/// What a wait for an operation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited<T = Option<String>> {
    /// It succeeded; by default with the result document, if there is one.
    Done(T),
    /// The time is over. The operation goes on, and can be waited for again.
    Running,
}

/// An operation that has not been used yet: each asynchronous function takes one.
#[derive(Debug)]
pub struct NewOperation(pub(super) Operation);

impl NewOperation {
    pub(super) fn new(hcs: &Hcs) -> Result<Self> {
        Self::with(hcs, None)
    }

    /// One whose completion signals a handle. A queue is told by a callback, and the queue's handle
    /// is what a program waits for together with others.
    pub(super) fn waitable(hcs: &Hcs) -> Result<Self> {
        let queue = Queue::new().map_err(Error::system("CreateEventW"))?;
        let registration = Registration::new(Arc::clone(&queue));
        Self::with(hcs, Some(Completion { notices: Notices(queue), registration }))
    }

    fn with(hcs: &Hcs, completion: Option<Completion>) -> Result<Self> {
        const FUNCTION: &str = "HcsCreateOperation";
        let create = hcs.table.HcsCreateOperation()?;
        let raw = match &completion {
            // SAFETY: the context is a number that the callback looks up, and no address.
            Some(completion) => unsafe { create(completion.registration.context(), Some(completed)) },
            // SAFETY: neither context nor callback.
            None => unsafe { create(std::ptr::null(), None) },
        };
        if raw.is_null() {
            // The function's only documented reason.
            let out_of_memory = Hresult(0x8007_000E);
            return Err(Error::failed(FUNCTION, out_of_memory, None));
        }
        let hcs = hcs.clone();
        Ok(Self(Operation { hcs, raw, function: FUNCTION, completion, system: None, process: None }))
    }

    /// Begins with a call whose outcome is the operation's. What the call works on stays open
    /// until the operation is closed.
    pub(super) fn begin(
        self,
        function: &'static str,
        system: Option<&Arc<SystemHandle>>,
        process: Option<&Arc<ProcessHandle>>,
        call: impl FnOnce(Raw) -> Code,
    ) -> Result<Operation> {
        let mut operation = self.0;
        operation.function = function;
        operation.system = system.cloned();
        operation.process = process.cloned();
        let code = Hresult::from(call(operation.raw));
        if code.is_success() {
            return Ok(operation);
        }
        // Nothing was begun. Some versions leave a document in the operation all the same.
        let document = operation.result_document();
        Err(Error::failed(function, code, document))
    }
}

#[derive(Debug)]
struct Completion {
    notices: Notices,
    registration: Registration,
}

/// Called by the DLL on one of its threads.
unsafe extern "system" fn completed(_operation: Raw, context: *const c_void) {
    notices::deliver(context, Notice { kind: OPERATION_COMPLETED, status: Hresult::OK, data: None });
}

/// Something that the service has accepted to do.
///
/// Dropping it gives up the result and nothing else: the service goes on, and there is no way to
/// call it back (`HcsCancelOperation` is documented not to).
#[derive(Debug)]
pub struct Operation {
    hcs: Hcs,
    pub(super) raw: Raw,
    function: &'static str,
    completion: Option<Completion>,
    /// Closed after the operation: DLLs have crashed when the last handle went away under it.
    system: Option<Arc<SystemHandle>>,
    process: Option<Arc<ProcessHandle>>,
}

// SAFETY: the handle may be used on any thread, and this type is its only owner.
unsafe impl Send for Operation {}

impl Operation {
    /// Waits for the end and returns the result document.
    ///
    /// # Errors
    ///
    /// The operation's failure, with its result document.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<Waited> {
        let deadline = Deadline::after(limit);
        loop {
            let wait = self.hcs.table.HcsWaitForOperationResult()?;
            let rest = milliseconds(deadline.left());
            // SAFETY: the operation is open, and it is not closed meanwhile, because that takes
            // `self`. The answer goes where `outcome` says.
            let waited = self.outcome(|answer| unsafe { wait(self.raw, rest, answer) })?;
            if matches!(waited, Waited::Done(_)) || deadline.is_over() {
                return Ok(waited);
            }
        }
    }

    /// Waits for the end, and takes a wait that was too long for a failure with the code
    /// `HCS_E_OPERATION_TIMEOUT`. Dropped by then, the operation goes on.
    ///
    /// # Errors
    ///
    /// As for [`Operation::wait`].
    pub fn finish(mut self, limit: Option<Duration>) -> Result<Option<String>> {
        match self.wait(limit)? {
            Waited::Done(document) => Ok(document),
            Waited::Running => Err(Error::failed(self.function, Hresult::OPERATION_TIMEOUT, None)),
        }
    }

    /// Returns the function that began it.
    pub fn function(&self) -> &'static str {
        self.function
    }

    /// Returns the service's number of it.
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function.
    pub fn id(&self) -> Result<u64> {
        let id = self.hcs.table.HcsGetOperationId()?;
        // SAFETY: the operation is open.
        Ok(unsafe { id(self.raw) })
    }

    /// Returns the handle that is signaled at the end, if it was asked for at the beginning.
    pub fn completion(&self) -> Option<BorrowedHandle<'_>> {
        self.completion.as_ref().map(|completion| completion.notices.as_handle())
    }

    pub(super) fn hcs(&self) -> &Hcs {
        &self.hcs
    }

    /// Sorts what a wait function returned.
    pub(super) fn outcome(&self, wait: impl FnOnce(Answer) -> Code) -> Result<Waited> {
        let mut document = Returned::new(Allocator::Local);
        let code = Hresult::from(wait(document.slot()));
        let document = document.take(self.function)?;
        match code {
            code if code.is_success() => Ok(Waited::Done(document)),
            Hresult::OPERATION_TIMEOUT | Hresult::OPERATION_PENDING => Ok(Waited::Running),
            TIMEOUT if self.is_pending() => Ok(Waited::Running),
            code => Err(Error::failed(self.function, code, document)),
        }
    }

    fn is_pending(&self) -> bool {
        self.result().is_some_and(|(code, _)| code == Hresult::OPERATION_PENDING)
    }

    fn result_document(&self) -> Option<String> {
        self.result()?.1
    }

    fn result(&self) -> Option<(Hresult, Option<String>)> {
        let result = self.hcs.table.HcsGetOperationResult().ok()?;
        let mut document = Returned::new(Allocator::Local);
        // SAFETY: the operation is open, also if it was never begun, and the slot takes a pointer.
        let code = unsafe { result(self.raw, document.slot()) };
        Some((code.into(), document.take(self.function).ok()?))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Ok(close) = self.hcs.table.HcsCloseOperation() {
            // SAFETY: the operation is open, is closed once, and no wait is in it. It may be
            // running; its callback finds nothing once the registration is gone.
            unsafe { close(self.raw) };
        }
    }
}
