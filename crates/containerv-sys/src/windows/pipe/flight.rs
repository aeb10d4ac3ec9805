//! Transfers that go on while the program does something else.

// UNSAFETY: the system writes to memory of ours until a transfer has ended.
#![allow(unsafe_code, reason = "overlapped transfers have no safe wrapper")]

use std::cell::UnsafeCell;
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};

use windows_sys::Win32::Foundation::{ERROR_NO_DATA, ERROR_PIPE_CONNECTED};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED};
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;

use super::{Stream, begun, broken_pipe, finished, is, is_end};

/// A transfer, the memory that it uses, and whether it goes on. The memory is on the heap, so that
/// it stays where it is, and is given back only after the transfer has ended.
#[derive(Debug)]
struct Flight {
    stream: Stream,
    buffer: Box<[UnsafeCell<u8>]>,
    overlapped: Box<UnsafeCell<OVERLAPPED>>,
    under_way: bool,
}

// SAFETY: the memory that the pointers of the transfer lead to is owned here, and may be freed on
// any thread after the transfer has ended.
unsafe impl Send for Flight {}

impl Flight {
    fn new(stream: Stream, size: usize) -> Self {
        let buffer = (0..size).map(|_| UnsafeCell::new(0)).collect();
        Self { stream, buffer, overlapped: Box::default(), under_way: false }
    }

    /// Prepares the place for the result of the next transfer.
    fn place(&mut self) -> *mut OVERLAPPED {
        debug_assert!(!self.under_way, "one transfer at a time");
        let event = self.stream.event.raw();
        let place = self.overlapped.get();
        // SAFETY: no transfer is under way, so that the place is ours alone.
        unsafe { *place = OVERLAPPED { hEvent: event, ..OVERLAPPED::default() } };
        place
    }

    fn begin_read(&mut self) -> io::Result<()> {
        let place = self.place();
        let (start, length) = (self.buffer.as_ptr().cast::<u8>().cast_mut(), self.buffer.len() as u32);
        // SAFETY: buffer and place are on the heap, belong to this transfer, and stay until `end`
        // or `drop` has seen it ended.
        let success = unsafe { ReadFile(self.stream.raw(), start, length, std::ptr::null_mut(), place) };
        begun(success)?;
        self.under_way = true;
        Ok(())
    }

    fn begin_write(&mut self, from: usize, to: usize) -> io::Result<()> {
        let place = self.place();
        let bytes = &self.buffer[from..to];
        // SAFETY: as for `begin_read`.
        let success = unsafe {
            WriteFile(
                self.stream.raw(),
                bytes.as_ptr().cast(),
                bytes.len() as u32,
                std::ptr::null_mut(),
                place,
            )
        };
        begun(success)?;
        self.under_way = true;
        Ok(())
    }

    fn begin_connect(&mut self) -> io::Result<()> {
        let place = self.place();
        // SAFETY: the place is on the heap, belongs to this transfer, and stays until `end` or `drop`
        // has seen it ended.
        match begun(unsafe { ConnectNamedPipe(self.stream.raw(), place) }) {
            Ok(()) => self.under_way = true,
            // It came before we asked, or came and went.
            Err(error) if is(&error, ERROR_PIPE_CONNECTED) || is(&error, ERROR_NO_DATA) => {
                self.stream.event.set();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Waits for the end.
    fn end(&mut self) -> io::Result<usize> {
        // SAFETY: the transfer was begun with both.
        let result = unsafe { finished(self.stream.raw(), &*self.overlapped.get()) };
        self.under_way = false;
        result
    }

    /// The first bytes of the buffer, while no transfer is under way.
    fn bytes(&self, count: usize) -> Vec<u8> {
        debug_assert!(!self.under_way, "one transfer at a time");
        // SAFETY: no transfer is under way, so that nobody writes to the cells.
        self.buffer[..count].iter().map(|cell| unsafe { *cell.get() }).collect()
    }

    fn fill(&mut self, bytes: &[u8]) {
        debug_assert!(!self.under_way, "one transfer at a time");
        for (cell, byte) in self.buffer.iter_mut().zip(bytes) {
            *cell.get_mut() = *byte;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.under_way {
            // SAFETY: the handle is open, and the transfer is this one; it may have ended.
            unsafe { CancelIoEx(self.stream.raw(), self.overlapped.get()) };
            // Only then may the memory go.
            let _ = self.end();
        }
    }
}

/// A place for a client of a named pipe: its handle is signaled when one has come.
#[derive(Debug)]
pub(super) struct Reception(Flight);

impl Reception {
    pub(super) fn new(place: Stream) -> io::Result<Self> {
        let mut flight = Flight::new(place, 0);
        flight.begin_connect()?;
        Ok(Self(flight))
    }

    /// Waits for the client and returns it.
    pub(super) fn receive(mut self) -> io::Result<Stream> {
        if self.0.under_way {
            self.0.end()?;
        }
        self.0.stream.try_clone()
    }
}

impl AsHandle for Reception {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.stream.event.as_handle()
    }
}

/// A reader that has always asked already: its handle is signaled when something has come, so that
/// many streams can be waited for at once.
#[derive(Debug)]
pub struct ReadAhead {
    flight: Flight,
    /// The end, or a failure to read on, that is told next.
    over: Option<io::Result<()>>,
}

impl ReadAhead {
    /// Starts to read, up to `size` bytes at a time.
    pub fn new(stream: Stream, size: usize) -> Self {
        let mut reader = Self { flight: Flight::new(stream, size.clamp(1, super::MAX_TRANSFER)), over: None };
        reader.read_on();
        reader
    }

    fn read_on(&mut self) {
        if let Err(error) = self.flight.begin_read() {
            self.over = Some(if is_end(&error) { Ok(()) } else { Err(error) });
            self.flight.stream.event.set();
        }
    }

    /// Waits for bytes and returns them; none at the end. Does not wait if the handle is signaled.
    ///
    /// # Errors
    ///
    /// The system's. After it, and after the end, the answer is the end.
    pub fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(over) = self.over.replace(Ok(())) {
            return over.map(|()| None);
        }
        self.over = None;
        match self.flight.end() {
            // A message of no bytes is none, and no end.
            Ok(count) => {
                let bytes = self.flight.bytes(count);
                self.read_on();
                Ok(Some(bytes))
            }
            Err(error) => {
                self.over = Some(Ok(()));
                self.flight.stream.event.set();
                if is_end(&error) { Ok(None) } else { Err(error) }
            }
        }
    }
}

/// Signaled while there is something to receive, be it the end.
impl AsHandle for ReadAhead {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.flight.stream.event.as_handle()
    }
}

/// A writer that does not wait: its handle is signaled when it can take more.
#[derive(Debug)]
pub struct WriteBehind {
    flight: Flight,
    /// What of the buffer is still to be written.
    rest: std::ops::Range<usize>,
}

impl WriteBehind {
    /// Makes a writer that holds up to `size` bytes.
    pub fn new(stream: Stream, size: usize) -> Self {
        let writer = Self { flight: Flight::new(stream, size.clamp(1, super::MAX_TRANSFER)), rest: 0..0 };
        writer.flight.stream.event.set();
        writer
    }

    /// Waits until everything is written, then takes as many of the bytes as fit and begins to
    /// write them. Returns how many. Does not wait long if the handle is signaled: a pipe takes a
    /// part only if it is nearly full.
    ///
    /// # Errors
    ///
    /// The system's, also of bytes that were taken before; `BrokenPipe` if nobody reads any more.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.finish()?;
        let count = bytes.len().min(self.flight.buffer.len());
        if count > 0 {
            self.flight.fill(&bytes[..count]);
            self.rest = 0..count;
            self.write_on()?;
        }
        Ok(count)
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    ///
    /// As for [`WriteBehind::send`].
    pub fn finish(&mut self) -> io::Result<()> {
        while self.flight.under_way {
            self.rest.start += broken_pipe(self.flight.end())?;
            if !self.rest.is_empty() {
                self.write_on()?;
            }
        }
        Ok(())
    }

    fn write_on(&mut self) -> io::Result<()> {
        let begun = self.flight.begin_write(self.rest.start, self.rest.end);
        broken_pipe(begun.inspect_err(|_| self.flight.stream.event.set()))
    }
}

/// Signaled while more can be taken.
impl AsHandle for WriteBehind {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.flight.stream.event.as_handle()
    }
}
