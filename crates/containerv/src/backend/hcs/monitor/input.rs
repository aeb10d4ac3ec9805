//! Input on its way to a command.

use std::os::windows::io::{AsHandle, BorrowedHandle};

use containerv_sys::frame::MAX_PAYLOAD;
use containerv_sys::windows::pipe::{Stream, WriteBehind};

use crate::backend::hcs::compute::Process;

/// The command's standard input, one piece at a time.
#[derive(Debug)]
pub(super) struct Input {
    writer: Option<WriteBehind>,
    /// The last piece is still on its way.
    busy: bool,
}

impl Input {
    /// None is given to a command without standard input: what is sent to it is lost.
    pub(super) fn new(stream: Option<Stream>) -> Self {
        Self { writer: stream.map(|stream| WriteBehind::new(stream, MAX_PAYLOAD)), busy: false }
    }

    /// The handle that says that the command has read the last piece, while it has not.
    pub(super) fn takes(&self) -> Option<BorrowedHandle<'_>> {
        self.writer.as_ref().filter(|_| self.busy).map(AsHandle::as_handle)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Begins to write. The last piece was read.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if let Some(writer) = &mut self.writer {
            match writer.send(bytes) {
                Ok(_) => self.busy = true,
                // The command has closed it.
                Err(_) => self.writer = None,
            }
        }
    }

    /// The command has read the last piece, or will read nothing more.
    pub(super) fn caught_up(&mut self) {
        self.busy = false;
        if self.writer.as_mut().is_some_and(|writer| writer.finish().is_err()) {
            self.writer = None;
        }
    }

    /// Ends it. The last piece was read.
    pub(super) fn close(&mut self, process: &Process) {
        if self.writer.take().is_some() {
            // To close the pipe is not always enough. A process that has ended has none.
            let _ = process.close_stdin();
        }
    }
}
