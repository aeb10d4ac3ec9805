//! Standard streams: overlapped named pipes for the caller, pumped to and from the service.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::windows::io::{AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use windows_sys::Win32::Foundation::{
    ERROR_IO_PENDING, GENERIC_READ, GENERIC_WRITE, GetLastError, HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, OPEN_EXISTING, PIPE_ACCESS_INBOUND,
    PIPE_ACCESS_OUTBOUND, ReadFile, WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{CreateNamedPipeW, PeekNamedPipe};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects, WaitForSingleObject,
};

use crate::connection::Connection;
use crate::text::wide;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The caller's ends, `None` for a stream that was not asked for.
#[derive(Default)]
pub struct Ends {
    pub handles: [Option<OwnedHandle>; 3],
    pub input: Option<Arc<Input>>,
}

/// Ends standard input behind the bytes that the caller has written.
pub struct Input {
    closing: OwnedHandle,
}

impl Input {
    pub fn close(&self) {
        // SAFETY: an event of ours.
        unsafe { SetEvent(raw(&self.closing)) };
    }
}

impl Ends {
    /// Hands an end out; the caller closes it.
    pub fn take(&mut self, at: usize) -> HANDLE {
        self.handles[at].take().map_or(INVALID_HANDLE_VALUE, |handle| handle.into_raw_handle().cast())
    }
}

fn raw(handle: &OwnedHandle) -> HANDLE {
    handle.as_raw_handle().cast()
}

fn event() -> io::Result<OwnedHandle> {
    // SAFETY: no pointers.
    owned(unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) })
}

fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: new, and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle.cast()) })
}

/// A pipe: our end, and the caller's.
fn pipe(inbound: bool) -> io::Result<(OwnedHandle, OwnedHandle)> {
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = wide(&format!(r"\\.\pipe\sim-{}-{turn}-{}", std::process::id(), &raw_address()));
    let access = if inbound { PIPE_ACCESS_INBOUND } else { PIPE_ACCESS_OUTBOUND };
    let flags = access | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE;
    // SAFETY: the name ends with a zero.
    let server =
        owned(unsafe { CreateNamedPipeW(name.as_ptr(), flags, 0, 1, 65536, 65536, 0, ptr::null()) })?;
    let access = if inbound { GENERIC_WRITE } else { GENERIC_READ };
    // SAFETY: the name ends with a zero.
    let client = owned(unsafe {
        CreateFileW(
            name.as_ptr(),
            access,
            0,
            ptr::null(),
            OPEN_EXISTING,
            FILE_FLAG_OVERLAPPED,
            ptr::null_mut(),
        )
    })?;
    Ok((server, client))
}

/// Tells the DLLs of a process apart, each of which counts for itself.
fn raw_address() -> usize {
    (&raw const NEXT).addr()
}

/// Makes the pipes of the streams that have a ticket, and starts to pump.
pub fn connect(connection: &Connection, tickets: [u64; 3]) -> io::Result<Ends> {
    let mut ends = Ends::default();
    for (at, ticket) in tickets.into_iter().enumerate().filter(|(_, ticket)| *ticket != 0) {
        let stream = connection.stream(ticket)?;
        let (server, client) = pipe(at == 0)?;
        ends.handles[at] = Some(client);
        if at == 0 {
            let input = Arc::new(Input { closing: event()? });
            ends.input = Some(Arc::clone(&input));
            thread::spawn(move || feed(&server, stream, &input));
        } else {
            thread::spawn(move || drain(&server, stream));
        }
    }
    Ok(ends)
}

/// From the caller's pipe to the process. The caller's closing is no end of the file for the process.
fn feed(pipe: &OwnedHandle, mut stream: TcpStream, input: &Input) {
    let mut buffer = vec![0; 65536];
    while let Ok(Some(count)) = read_or_closing(pipe, &mut buffer, input) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
    // SAFETY: an event of ours.
    unsafe { WaitForSingleObject(raw(&input.closing), INFINITE) };
    let _ = stream.shutdown(Shutdown::Write);
}

/// Reads from the pipe. `None`: the caller said that it was all, and it was.
fn read_or_closing(pipe: &OwnedHandle, buffer: &mut [u8], input: &Input) -> io::Result<Option<usize>> {
    let done = event()?;
    let mut overlapped = OVERLAPPED { hEvent: raw(&done), ..OVERLAPPED::default() };
    // SAFETY: buffer and structure live until the operation has ended: below, in each case.
    let begun = unsafe {
        ReadFile(raw(pipe), buffer.as_mut_ptr().cast(), buffer.len() as u32, ptr::null_mut(), &mut overlapped)
    };
    // SAFETY: no argument.
    if begun == 0 && unsafe { GetLastError() } != ERROR_IO_PENDING {
        return Err(io::Error::last_os_error());
    }
    let both = [raw(&done), raw(&input.closing)];
    // SAFETY: two live handles.
    if unsafe { WaitForMultipleObjects(2, both.as_ptr(), 0, INFINITE) } != WAIT_OBJECT_0 && !has_bytes(pipe) {
        // SAFETY: our own operation; its end is awaited below.
        unsafe { CancelIoEx(raw(pipe), &overlapped) };
    }
    let mut count = 0;
    // SAFETY: waits for the end of the operation.
    if unsafe { GetOverlappedResult(raw(pipe), &overlapped, &mut count, 1) } == 0 {
        // SAFETY: a live handle.
        let closing = unsafe { WaitForSingleObject(raw(&input.closing), 0) } == WAIT_OBJECT_0;
        return if closing { Ok(None) } else { Err(io::Error::last_os_error()) };
    }
    Ok(Some(count as usize))
}

fn has_bytes(pipe: &OwnedHandle) -> bool {
    let mut count = 0;
    // SAFETY: only the count is asked for.
    let peeked =
        unsafe { PeekNamedPipe(raw(pipe), ptr::null_mut(), 0, ptr::null_mut(), &mut count, ptr::null_mut()) };
    peeked != 0 && count > 0
}

/// From the process to the caller's pipe. A caller that has closed it does not stop the process.
fn drain(pipe: &OwnedHandle, mut stream: TcpStream) {
    let mut buffer = vec![0; 65536];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 || write_all(pipe, &buffer[..count]).is_err() {
            break;
        }
    }
}

fn write_all(pipe: &OwnedHandle, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let done = event()?;
        let mut overlapped = OVERLAPPED { hEvent: raw(&done), ..OVERLAPPED::default() };
        // SAFETY: bytes and structure live until the operation has ended, which is awaited.
        let begun = unsafe {
            WriteFile(raw(pipe), bytes.as_ptr().cast(), bytes.len() as u32, ptr::null_mut(), &mut overlapped)
        };
        // SAFETY: no argument.
        if begun == 0 && unsafe { GetLastError() } != ERROR_IO_PENDING {
            return Err(io::Error::last_os_error());
        }
        let mut count = 0;
        // SAFETY: waits for the end of the operation.
        if unsafe { GetOverlappedResult(raw(pipe), &overlapped, &mut count, 1) } == 0 {
            return Err(io::Error::last_os_error());
        }
        bytes = &bytes[count as usize..];
    }
    Ok(())
}
