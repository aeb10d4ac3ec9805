//! How the first generation does what takes time: the function says that the work goes on, and a
//! notification tells the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::abi::{Answer, Code};
use super::system::SystemHandle;
use super::{SERVICE_DISCONNECTED, SYSTEM_EXITED};
use crate::windows::error::{Error, Hresult, Result};
use crate::windows::hcs::Waited;
use crate::windows::notices::Notice;
use crate::windows::wide::{Allocator, Returned};

/// Something that the service has accepted to do. Dropping it gives up the result only.
#[derive(Debug)]
pub struct Call {
    function: &'static str,
    system: Arc<SystemHandle>,
    /// The notification that tells the end; none if the function had come to it already.
    awaited: Option<u32>,
}

impl Call {
    pub(super) fn new(function: &'static str, system: Arc<SystemHandle>, awaited: Option<u32>) -> Self {
        Self { function, system, awaited }
    }

    /// Waits for the end.
    ///
    /// # Errors
    ///
    /// The service's, with what the notification said; `HCS_E_UNEXPECTED_EXIT` if the system ended
    /// instead, `HCS_E_SERVICE_DISCONNECT` if the service did.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<Waited<()>> {
        let Some(awaited) = self.awaited else { return Ok(Waited::Done(())) };
        let function = self.function;
        let look = |notices: &mut VecDeque<Notice>| end(function, awaited, notices);
        match self.system.queue().find(limit, look) {
            None => Ok(Waited::Running),
            Some(outcome) => {
                self.awaited = None;
                outcome.map(Waited::Done)
            }
        }
    }

    /// Waits for the end, and takes a wait that was too long for a failure with the code
    /// `HCS_E_OPERATION_TIMEOUT`.
    ///
    /// # Errors
    ///
    /// As for [`Call::wait`].
    pub fn finish(mut self, limit: Option<Duration>) -> Result<()> {
        match self.wait(limit)? {
            Waited::Done(()) => Ok(()),
            Waited::Running => Err(Error::failed(self.function, Hresult::OPERATION_TIMEOUT, None)),
        }
    }
}

/// Looks for the end of a call. The end of the system or of the service stays in the queue, for
/// others wait for it too.
fn end(function: &'static str, awaited: u32, notices: &mut VecDeque<Notice>) -> Option<Result<()>> {
    let has = |kind| notices.iter().position(|notice| notice.kind == kind);
    if awaited == SYSTEM_EXITED && has(SYSTEM_EXITED).is_some() {
        // Its status says how the system ended, not how the call did.
        return Some(Ok(()));
    }
    if let Some(notice) = has(awaited).and_then(|place| notices.remove(place)) {
        let failed = Error::failed(function, notice.status, notice.data);
        return Some(if notice.status.is_success() { Ok(()) } else { Err(failed) });
    }
    let ends =
        [(SYSTEM_EXITED, Hresult::UNEXPECTED_EXIT), (SERVICE_DISCONNECTED, Hresult::SERVICE_DISCONNECT)];
    ends.into_iter().find_map(|(kind, code)| {
        let notice = notices.iter().find(|notice| notice.kind == kind)?;
        Some(Err(Error::failed(function, code, notice.data.clone())))
    })
}

/// Calls a function that returns a result document. `Ok(true)`: the work goes on.
pub(super) fn begin(function: &'static str, call: impl FnOnce(Answer) -> Code) -> Result<bool> {
    let mut result = Returned::new(Allocator::Task);
    let code = Hresult::from(call(result.slot()));
    let document = result.take(function)?;
    match code {
        Hresult::CALL_PENDING => Ok(true),
        code if code.is_success() => Ok(false),
        code => Err(Error::failed(function, code, document)),
    }
}
