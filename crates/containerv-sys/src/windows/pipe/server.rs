//! Named pipes: listening and connecting.

// UNSAFETY: named pipes, which the standard library does not have.
#![allow(unsafe_code, reason = "named pipes have no safe wrapper")]

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_PIPE_BUSY, GENERIC_READ, GENERIC_WRITE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, OPEN_EXISTING, PIPE_ACCESS_DUPLEX,
    SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, GetNamedPipeClientProcessId, GetNamedPipeServerProcessId, PIPE_READMODE_BYTE,
    PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES, PIPE_WAIT,
};

use super::flight::Reception;
use super::{Stream, is};
use crate::windows::random;
use crate::windows::security::SecurityDescriptor;
use crate::windows::wait::{self, Deadline};
use crate::windows::wide::Wide;

/// Bytes that the system keeps in each direction for a reader that is busy.
const BUFFER: u32 = 64 * 1024;
/// Between two looks at a pipe whose places are all taken.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// A named pipe that waits for clients of this machine.
#[derive(Debug)]
pub struct PipeListener {
    name: Wide,
    security: SecurityDescriptor,
    /// The place of the next client. There is always one, so that nobody else can take the name.
    next: Reception,
}

impl PipeListener {
    /// Makes the pipe `\\.\pipe\NAME`, which must not exist, with this access for others.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the name is taken, by whomever; the system's.
    pub fn bind(name: &str, security: SecurityDescriptor) -> io::Result<Self> {
        let name = full_name(name)?;
        // The first place proves that nobody else has the name: who did could answer our clients.
        let next = Reception::new(place(&name, &security, FILE_FLAG_FIRST_PIPE_INSTANCE)?)?;
        Ok(Self { name, security, next })
    }

    /// Waits for a client, unless another handle is signaled or the time is over. Does not wait if this
    /// one's own handle is signaled.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn accept(
        &mut self,
        stop: Option<BorrowedHandle<'_>>,
        limit: Option<Duration>,
    ) -> io::Result<Option<Stream>> {
        let handles: Vec<BorrowedHandle<'_>> =
            [Some(self.next.as_handle()), stop].into_iter().flatten().collect();
        if wait::wait_any(&handles, limit)? != Some(0) {
            return Ok(None);
        }
        let next = Reception::new(place(&self.name, &self.security, 0)?)?;
        std::mem::replace(&mut self.next, next).receive().map(Some)
    }
}

/// Signaled while a client waits.
impl AsHandle for PipeListener {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.next.as_handle()
    }
}

/// Makes a pipe that only this process knows: both of its ends.
///
/// # Errors
///
/// The system's.
pub fn pair() -> io::Result<(Stream, Stream)> {
    let name = format!("containerv-{}", random::hex::<16>()?);
    let mut listener = PipeListener::bind(&name, SecurityDescriptor::private()?)?;
    let other = connect(&name, Duration::ZERO)?;
    let own = listener.accept(None, None)?;
    own.map(|own| (own, other)).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))
}

fn full_name(name: &str) -> io::Result<Wide> {
    if name.is_empty() || name.contains(['\\', '/']) {
        let text = format!("not the name of a pipe: `{name}`");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Wide::path(format!(r"\\.\pipe\{name}").as_ref())
}

/// Makes a place for one client.
fn place(name: &Wide, security: &SecurityDescriptor, flags: u32) -> io::Result<Stream> {
    let attributes = security.attributes();
    let open = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | flags;
    let mode = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS;
    // SAFETY: name and attributes outlive the call.
    let raw = unsafe {
        let (name, attributes) = (name.as_ptr(), &raw const attributes);
        CreateNamedPipeW(name, open, mode, PIPE_UNLIMITED_INSTANCES, BUFFER, BUFFER, 0, attributes)
    };
    owned(raw).and_then(Stream::new)
}

fn owned(raw: *mut std::ffi::c_void) -> io::Result<OwnedHandle> {
    if raw == INVALID_HANDLE_VALUE || raw.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was made just now and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(raw) })
}

/// Connects to the pipe `\\.\pipe\NAME`. While its place for the next client is taken, it is tried
/// again until the time is over. The listener may learn who we are, but cannot act in our name.
///
/// # Errors
///
/// `NotFound` if there is no such pipe, `TimedOut`, the system's.
pub fn connect(name: &str, limit: Duration) -> io::Result<Stream> {
    let name = full_name(name)?;
    let deadline = Deadline::after(Some(limit));
    let flags = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    loop {
        // SAFETY: the name outlives the call; neither attributes nor a template are given.
        let raw = unsafe {
            let access = GENERIC_READ | GENERIC_WRITE;
            CreateFileW(name.as_ptr(), access, 0, ptr::null(), OPEN_EXISTING, flags, ptr::null_mut())
        };
        match owned(raw) {
            Err(error) if is(&error, ERROR_PIPE_BUSY) && !deadline.is_over() => thread::sleep(BUSY_PAUSE),
            Err(error) if is(&error, ERROR_PIPE_BUSY) => return Err(io::ErrorKind::TimedOut.into()),
            handle => return Stream::new(handle?),
        }
    }
}

impl Stream {
    /// Returns the process at the client's end of a named pipe.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn client_process(&self) -> io::Result<u32> {
        let mut id = 0;
        // SAFETY: the handle is open, and `id` takes the number.
        let success = unsafe { GetNamedPipeClientProcessId(self.handle.as_raw_handle(), &raw mut id) };
        if success == 0 { Err(io::Error::last_os_error()) } else { Ok(id) }
    }

    /// Returns the process at the listener's end of a named pipe.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn server_process(&self) -> io::Result<u32> {
        let mut id = 0;
        // SAFETY: the handle is open, and `id` takes the number.
        let success = unsafe { GetNamedPipeServerProcessId(self.handle.as_raw_handle(), &raw mut id) };
        if success == 0 { Err(io::Error::last_os_error()) } else { Ok(id) }
    }
}
