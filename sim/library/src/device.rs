//! Handles of devices that Wine does not have. Each is the end of a pipe: whoever has the other end
//! learns when the last copy of the handle is closed.

use std::fs::File;
use std::io::{self, Read};
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{process, ptr, thread};

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_NAME_INFO, FileNameInfo, GetFileInformationByHandleEx,
    OPEN_EXISTING, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::Pipes::CreateNamedPipeW;

use crate::text::wide;

static NEXT: AtomicU64 = AtomicU64::new(1);
/// What the names of all devices begin with.
const MARK: &str = "sim-device-";

/// A device that no handle leads to yet.
pub struct Device {
    /// By which all stand-ins know it.
    pub name: String,
    server: OwnedHandle,
    client: OwnedHandle,
}

impl Device {
    pub fn new() -> io::Result<Device> {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        // The DLLs of a process count each for itself.
        let name = format!("{MARK}{}-{turn}-{}", process::id(), (&raw const NEXT).addr());
        let path = wide(&format!(r"\\.\pipe\{name}"));
        let flags = PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE;
        // SAFETY: the path ends with a zero.
        let server =
            owned(unsafe { CreateNamedPipeW(path.as_ptr(), flags, 0, 1, 4096, 4096, 0, ptr::null()) })?;
        let access = GENERIC_READ | GENERIC_WRITE;
        // SAFETY: the path ends with a zero.
        let client = owned(unsafe {
            CreateFileW(path.as_ptr(), access, 0, ptr::null(), OPEN_EXISTING, 0, ptr::null_mut())
        })?;
        Ok(Device { name, server, client })
    }

    /// The handle; `closed` runs when its last copy is closed.
    pub fn hand_out(self, closed: impl FnOnce() + Send + 'static) -> OwnedHandle {
        let mut server = File::from(self.server);
        thread::spawn(move || {
            // What is written to it goes nowhere; the end is an error.
            while server.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
            closed();
        });
        self.client
    }
}

fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: new, and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle.cast()) })
}

/// The name of the device behind a handle, if it is one.
pub fn name(handle: usize) -> Option<String> {
    let mut buffer = [0_u32; 256];
    // SAFETY: the buffer is as large as said; a handle that is none fails.
    let known = unsafe {
        let (start, size) = (buffer.as_mut_ptr(), size_of_val(&buffer) as u32);
        GetFileInformationByHandleEx(handle as HANDLE, FileNameInfo, start.cast(), size) != 0
    };
    if !known {
        return None;
    }
    // SAFETY: the function has filled the structure in, with as many bytes of a name as it says.
    let name = unsafe {
        let info = buffer.as_ptr().cast::<FILE_NAME_INFO>();
        let units = std::slice::from_raw_parts(
            (&raw const (*info).FileName).cast(),
            (*info).FileNameLength as usize / 2,
        );
        String::from_utf16_lossy(units)
    };
    let name = name.trim_start_matches('\\');
    name.starts_with(MARK).then(|| name.to_owned())
}
