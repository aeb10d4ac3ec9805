//! Stand-in of `virtdisk.dll`. A virtual disk is the marker file that the service keeps as scratch
//! disk; its handle is that of the file.
#![cfg(windows)]

use std::fs::{self, File};
use std::os::windows::io::IntoRawHandle;

use sim_library::connection::{Event, Link};
use sim_library::text::{read, set};
use sim_library::{codes, json};
use windows_sys::Win32::Foundation::{
    ERROR_FILE_EXISTS, ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_PATH_NOT_FOUND, ERROR_SUCCESS,
    HANDLE,
};
use windows_sys::Win32::Storage::FileSystem::GetFinalPathNameByHandleW;

type Text = *const u16;

static LINK: Link = Link::new("virtdisk", |_: Option<Event>| ());

/// Notes the call, which may be refused on demand; returns a Win32 code.
fn note(function: &str, path: &str) -> u32 {
    win32(LINK.call("local", json!({"function": function, "path": path})).hresult)
}

fn win32(code: u32) -> u32 {
    match code {
        codes::S_OK => ERROR_SUCCESS,
        code if code & 0xFFFF_0000 == 0x8007_0000 => code & 0xFFFF,
        code => code,
    }
}

fn opened(path: &str, out: *mut HANDLE) -> u32 {
    match File::options().read(true).write(true).open(path) {
        Ok(file) => {
            // SAFETY: the caller's word, as for the exported functions.
            unsafe { set(out, file.into_raw_handle().cast()) };
            ERROR_SUCCESS
        }
        Err(error) => error.raw_os_error().map_or(ERROR_FILE_NOT_FOUND, |code| code as u32),
    }
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CreateVirtualDisk(
    kind: *const u8,
    path: Text,
    _access: u32,
    _security: *const u8,
    _flags: u32,
    _provider_flags: u32,
    parameters: *const u8,
    _overlapped: *mut u8,
    out: *mut HANDLE,
) -> u32 {
    // SAFETY: the caller's word.
    let Some(path) = (unsafe { read(path) }) else { return ERROR_INVALID_PARAMETER };
    if kind.is_null() || parameters.is_null() || out.is_null() {
        return ERROR_INVALID_PARAMETER;
    }
    let refused = note("CreateVirtualDisk", &path);
    if refused != ERROR_SUCCESS {
        return refused;
    }
    match File::create_new(&path) {
        Ok(_) => fs::write(&path, b"vhdxfile").map_or(ERROR_PATH_NOT_FOUND, |()| opened(&path, out)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => ERROR_FILE_EXISTS,
        Err(error) => error.raw_os_error().map_or(ERROR_PATH_NOT_FOUND, |code| code as u32),
    }
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn OpenVirtualDisk(
    kind: *const u8,
    path: Text,
    _access: u32,
    _flags: u32,
    _parameters: *const u8,
    out: *mut HANDLE,
) -> u32 {
    // SAFETY: the caller's word.
    let Some(path) = (unsafe { read(path) }) else { return ERROR_INVALID_PARAMETER };
    if kind.is_null() || out.is_null() {
        return ERROR_INVALID_PARAMETER;
    }
    match note("OpenVirtualDisk", &path) {
        ERROR_SUCCESS => opened(&path, out),
        refused => refused,
    }
}

/// The folder of the disk's file, which is how the service knows it.
fn folder(disk: HANDLE) -> Option<String> {
    let mut buffer = [0; 1024];
    // SAFETY: a buffer of this size; a handle that is none fails.
    let length =
        unsafe { GetFinalPathNameByHandleW(disk, buffer.as_mut_ptr(), buffer.len() as u32, 0) } as usize;
    let path = (length > 0 && length < buffer.len()).then(|| String::from_utf16_lossy(&buffer[..length]))?;
    path.rsplit_once('\\').map(|(folder, _)| folder.to_owned())
}

fn on_disk(function: &str, disk: HANDLE) -> u32 {
    match folder(disk) {
        Some(folder) => win32(LINK.call(function, json!({"layer": folder})).hresult),
        None => codes::E_HANDLE & 0xFFFF,
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn AttachVirtualDisk(
    disk: HANDLE,
    _security: *const u8,
    _flags: u32,
    _provider_flags: u32,
    _parameters: *const u8,
    _overlapped: *mut u8,
) -> u32 {
    on_disk("AttachVirtualDisk", disk)
}

#[unsafe(no_mangle)]
pub extern "system" fn DetachVirtualDisk(disk: HANDLE, _flags: u32, _provider_flags: u32) -> u32 {
    on_disk("DetachVirtualDisk", disk)
}
