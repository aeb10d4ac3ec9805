//! Pipes with overlapped input and output, as ordinary readers and writers.
//!
//! Handles that the Host Compute Service gives are of this kind: to read one without saying where
//! the system shall put the result is wrong. Here every transfer has an event of its own, so that
//! it can be waited for together with other things, and no thread is needed for a silent stream.

// UNSAFETY: transfers that the system does while the caller waits for something else.
#![allow(unsafe_code, reason = "overlapped transfers have no safe wrapper")]

mod collect;
mod flight;
mod server;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle, RawHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_IO_PENDING, ERROR_MORE_DATA, ERROR_NO_DATA,
    ERROR_OPERATION_ABORTED, ERROR_PIPE_NOT_CONNECTED,
};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::core::BOOL;

use super::wait::{self, Event};

pub use collect::collect;
pub use flight::{ReadAhead, WriteBehind};
pub use server::{PipeListener, connect, pair};

/// The most that is transferred at a time; the system counts in 32 bits.
const MAX_TRANSFER: usize = 1 << 30;

/// One end of a pipe that was opened for overlapped transfers.
#[derive(Debug)]
pub struct Stream {
    handle: OwnedHandle,
    /// Set by the system at the end of a transfer.
    event: Event,
}

/// How a transfer ended that could be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// So many bytes were transferred; reading none is the end.
    Bytes(usize),
    /// The other handle was signaled first, and nothing was transferred.
    Stopped,
    /// The time was over first, and nothing was transferred.
    TimedOut,
}

impl Stream {
    /// Takes a handle that was opened for overlapped transfers.
    ///
    /// # Errors
    ///
    /// The system's, for want of an event.
    pub fn new(handle: OwnedHandle) -> io::Result<Self> {
        Ok(Self { handle, event: Event::new()? })
    }

    /// Makes a second one of the same pipe's end, to read and write at the same time.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn try_clone(&self) -> io::Result<Self> {
        Self::new(self.handle.try_clone()?)
    }

    /// Reads, unless another handle is signaled or the time is over before anything has come.
    ///
    /// # Errors
    ///
    /// The system's. That the other end is gone is the end and no error.
    pub fn read_unless(
        &mut self,
        buffer: &mut [u8],
        stop: Option<BorrowedHandle<'_>>,
        limit: Option<Duration>,
    ) -> io::Result<Transfer> {
        let length = buffer.len().min(MAX_TRANSFER) as u32;
        let (handle, start) = (self.handle.as_raw_handle(), buffer.as_mut_ptr());
        let read = |overlapped| {
            // SAFETY: the buffer has room for `length` bytes and is borrowed until the transfer
            // has ended; so is the place of the result.
            unsafe { ReadFile(handle, start, length, std::ptr::null_mut(), overlapped) }
        };
        end_of_stream(self.transfer(read, stop, limit))
    }

    /// Writes, unless another handle is signaled or the time is over before anything was taken.
    ///
    /// # Errors
    ///
    /// The system's; `BrokenPipe` if the other end is gone.
    pub fn write_unless(
        &mut self,
        bytes: &[u8],
        stop: Option<BorrowedHandle<'_>>,
        limit: Option<Duration>,
    ) -> io::Result<Transfer> {
        let length = bytes.len().min(MAX_TRANSFER) as u32;
        let (handle, start) = (self.handle.as_raw_handle(), bytes.as_ptr());
        let write = |overlapped| {
            // SAFETY: `length` bytes are readable and borrowed until the transfer has ended; so is
            // the place of the result.
            unsafe { WriteFile(handle, start, length, std::ptr::null_mut(), overlapped) }
        };
        broken_pipe(self.transfer(write, stop, limit))
    }

    /// Begins a transfer and does not return before it has ended, one way or the other: the system
    /// writes to the caller's memory until then.
    fn transfer(
        &self,
        begin: impl FnOnce(*mut OVERLAPPED) -> BOOL,
        stop: Option<BorrowedHandle<'_>>,
        limit: Option<Duration>,
    ) -> io::Result<Transfer> {
        let mut overlapped = OVERLAPPED { hEvent: self.event.raw(), ..OVERLAPPED::default() };
        begun(begin(&raw mut overlapped))?;
        let own = self.event.as_handle();
        let handles = [Some(own), stop];
        let handles: Vec<BorrowedHandle<'_>> = handles.into_iter().flatten().collect();
        let waited = wait::wait_any(&handles, limit);
        if !matches!(waited, Ok(Some(0))) {
            // SAFETY: the handle is open, and the transfer is this one; it may have ended.
            unsafe { CancelIoEx(self.handle.as_raw_handle(), &raw const overlapped) };
        }
        // SAFETY: the transfer was begun with both.
        let result = unsafe { finished(self.handle.as_raw_handle(), &overlapped) };
        match (result, waited) {
            (Err(error), Ok(Some(1))) if is(&error, ERROR_OPERATION_ABORTED) => Ok(Transfer::Stopped),
            (Err(error), Ok(None)) if is(&error, ERROR_OPERATION_ABORTED) => Ok(Transfer::TimedOut),
            (Err(error), Err(wait)) if is(&error, ERROR_OPERATION_ABORTED) => Err(wait),
            (result, _) => result.map(Transfer::Bytes),
        }
    }

    fn raw(&self) -> RawHandle {
        self.handle.as_raw_handle()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_unless(buffer, None, None).map(Transfer::bytes)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_unless(bytes, None, None).map(Transfer::bytes)
    }

    /// Does nothing: what was written is in the pipe.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsHandle for Stream {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

impl From<Stream> for OwnedHandle {
    fn from(stream: Stream) -> Self {
        stream.handle
    }
}

impl Transfer {
    fn bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Stopped | Self::TimedOut => 0,
        }
    }
}

/// Whether a transfer goes on or has ended, its result will be told.
fn begun(success: BOOL) -> io::Result<()> {
    if success != 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // More of a message is there than asked for: the rest is read next.
        error if is(&error, ERROR_IO_PENDING) || is(&error, ERROR_MORE_DATA) => Ok(()),
        error => Err(error),
    }
}

/// Waits for the end of a transfer and returns the number of its bytes.
///
/// # Safety
///
/// A transfer was begun on the handle with this place for its result and an event of its own.
unsafe fn finished(handle: RawHandle, overlapped: &OVERLAPPED) -> io::Result<usize> {
    const WAIT: BOOL = 1;
    let mut bytes = 0;
    // SAFETY: as the caller promises; `bytes` takes the number.
    let success = unsafe { GetOverlappedResult(handle, overlapped, &raw mut bytes, WAIT) };
    match io::Error::last_os_error() {
        error if success == 0 && !is(&error, ERROR_MORE_DATA) => Err(error),
        _ => Ok(bytes as usize),
    }
}

fn is(error: &io::Error, number: u32) -> bool {
    error.raw_os_error() == Some(number.cast_signed())
}

/// A reader's end of the stream.
fn end_of_stream(result: io::Result<Transfer>) -> io::Result<Transfer> {
    match result {
        Err(error) if is_end(&error) => Ok(Transfer::Bytes(0)),
        result => result,
    }
}

fn is_end(error: &io::Error) -> bool {
    [ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_PIPE_NOT_CONNECTED].iter().any(|number| is(error, *number))
}

/// The several ways to say that nobody reads any more.
fn broken_pipe<T>(result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| {
        let gone = is(&error, ERROR_NO_DATA) || is(&error, ERROR_PIPE_NOT_CONNECTED);
        if gone { io::Error::from(io::ErrorKind::BrokenPipe) } else { error }
    })
}
