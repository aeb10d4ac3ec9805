//! Handles of systems and processes, closed with their last user.

// UNSAFETY: calls of computecore.dll with handles that are bare pointers.
#![allow(unsafe_code, reason = "calls of computecore.dll")]

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use super::Hcs;
use super::abi::{Event, NO_OPTIONS, Raw};
use crate::windows::error::{Error, Hresult, Result};
use crate::windows::notices::{self, Notice, Notices, Queue, Registration};
use crate::windows::wide;

macro_rules! handle {
    ($(#[$about:meta])* $name:ident, $callback:ident, $close:ident) => {
        $(#[$about])*
        #[derive(Debug)]
        pub(super) struct $name {
            pub(super) hcs: Hcs,
            pub(super) raw: Raw,
            events: Mutex<Option<(Notices, Registration)>>,
        }

        // SAFETY: the functions that take the handle may be called on any thread, and at the same
        // time; only closing it may not overlap with them, and that takes the last owner.
        unsafe impl Send for $name {}
        // SAFETY: as above.
        unsafe impl Sync for $name {}

        impl $name {
            pub(super) fn new(hcs: &Hcs, function: &'static str, raw: Raw) -> Result<Arc<Self>> {
                if raw.is_null() {
                    return Err(Error::Answer { function, problem: "no handle was returned" });
                }
                Ok(Arc::new(Self { hcs: hcs.clone(), raw, events: Mutex::new(None) }))
            }

            /// Registers for the handle's events, once; there is one callback a handle.
            pub(super) fn events(&self) -> Result<Notices> {
                let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((notices, _)) = events.as_ref() {
                    return Ok(notices.clone());
                }
                let register = self.hcs.table.$callback()?;
                let queue = Queue::new().map_err(Error::system("CreateEventW"))?;
                let registration = Registration::new(Arc::clone(&queue));
                let context = registration.context();
                // SAFETY: the handle is open; the context is a number that the callback looks up.
                let code = unsafe { register(self.raw, NO_OPTIONS, context, Some(event)) };
                let code = Hresult::from(code);
                if !code.is_success() {
                    return Err(Error::failed(stringify!($callback), code, None));
                }
                let notices = Notices(queue);
                *events = Some((notices.clone(), registration));
                Ok(notices)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                if let Ok(close) = self.hcs.table.$close() {
                    // SAFETY: the handle is open, and this is its last use: every operation on it
                    // has been closed. The function waits for callbacks that are running; none of
                    // ours waits for anything.
                    unsafe { close(self.raw) };
                }
            }
        }
    };
}

handle! {
    /// A handle of a compute system.
    SystemHandle, HcsSetComputeSystemCallback, HcsCloseComputeSystem
}
handle! {
    /// A handle of a process.
    ProcessHandle, HcsSetProcessCallback, HcsCloseProcess
}

/// Called by the DLL on one of its threads. It must neither unwind nor wait.
unsafe extern "system" fn event(event: *const Event, context: *const c_void) {
    // SAFETY: the DLL passes an event that is valid during the call, or null.
    let Some(event) = (unsafe { event.as_ref() }) else { return };
    // SAFETY: the data is null or a text with a NUL, valid during the call.
    let data = unsafe { wide::copy(event.data) };
    notices::deliver(context, Notice { kind: event.kind.cast_unsigned(), status: Hresult::OK, data });
}
