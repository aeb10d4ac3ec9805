//! Stand-in of `virtdisk.dll`. A virtual disk is a marker file with a directory beside it; its handle
//! is that of a device, for which the service knows the file.
#![cfg(windows)]

use std::os::windows::io::IntoRawHandle;

use sim_library::connection::{Event, Link};
use sim_library::device::{self, Device};
use sim_library::text::{read, set, wide};
use sim_library::{Outcome, Value, codes, json};
use windows_sys::Win32::Foundation::{
    ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY, ERROR_SUCCESS, HANDLE,
};
use windows_sys::Win32::Storage::Vhd::ATTACH_VIRTUAL_DISK_FLAG_PERMANENT_LIFETIME;

type Text = *const u16;

static LINK: Link = Link::new("virtdisk", |_: Option<Event>| ());

fn win32(code: u32) -> u32 {
    match code {
        codes::S_OK => ERROR_SUCCESS,
        code if code & 0xFFFF_0000 == 0x8007_0000 => code & 0xFFFF,
        code => code,
    }
}

/// Hands a disk out.
fn opened(path: &str, out: *mut HANDLE) -> u32 {
    let device = match Device::new() {
        Ok(device) => device,
        Err(error) => return error.raw_os_error().map_or(ERROR_NOT_ENOUGH_MEMORY, |code| code as u32),
    };
    let name = device.name.clone();
    let code = win32(LINK.call("device.open", json!({"name": name, "layer": path})).hresult);
    if code != ERROR_SUCCESS {
        return code;
    }
    let closed = move || drop(LINK.call("device.close", json!({"name": name})));
    let handle = device.hand_out(closed);
    // SAFETY: the caller's word, as for the exported functions.
    unsafe { set(out, handle.into_raw_handle().cast()) };
    ERROR_SUCCESS
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
    // SAFETY: not null, and the caller's word.
    let Some((size, parent)) = (unsafe { wanted(parameters) }) else { return ERROR_INVALID_PARAMETER };
    let arguments = json!({"layer": &path, "size": size, "parent": parent});
    match win32(LINK.call("CreateVirtualDisk", arguments).hresult) {
        ERROR_SUCCESS => opened(&path, out),
        refused => refused,
    }
}

/// Size and parent of `CREATE_VIRTUAL_DISK_PARAMETERS`, whose versions begin alike.
///
/// # Safety
///
/// Such a structure, of the version that it names.
unsafe fn wanted(parameters: *const u8) -> Option<(u64, Option<String>)> {
    // SAFETY: the caller's word.
    let (version, size) =
        unsafe { (parameters.cast::<u32>().read(), parameters.add(24).cast::<u64>().read()) };
    // Since the second version the size of physical sectors comes before the parent.
    let at = match version {
        1 => 40,
        2..=4 => 48,
        _ => return None,
    };
    // SAFETY: as above.
    Some((size, unsafe { read(parameters.add(at).cast::<Text>().read()) }))
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
    match win32(LINK.call("OpenVirtualDisk", json!({"layer": &path})).hresult) {
        ERROR_SUCCESS => opened(&path, out),
        refused => refused,
    }
}

fn on_disk(function: &str, disk: HANDLE, mut arguments: Value) -> Outcome {
    match device::name(disk as usize) {
        Some(name) => {
            arguments["layer"] = json!(name);
            LINK.call(function, arguments)
        }
        None => Outcome { hresult: codes::E_HANDLE, ..Outcome::default() },
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn AttachVirtualDisk(
    disk: HANDLE,
    _security: *const u8,
    flags: i32,
    _provider_flags: u32,
    _parameters: *const u8,
    _overlapped: *mut u8,
) -> u32 {
    let permanent = flags & ATTACH_VIRTUAL_DISK_FLAG_PERMANENT_LIFETIME != 0;
    win32(on_disk("AttachVirtualDisk", disk, json!({"permanent": permanent})).hresult)
}

#[unsafe(no_mangle)]
pub extern "system" fn DetachVirtualDisk(disk: HANDLE, _flags: u32, _provider_flags: u32) -> u32 {
    win32(on_disk("DetachVirtualDisk", disk, json!({})).hresult)
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn ExpandVirtualDisk(
    disk: HANDLE,
    _flags: u32,
    parameters: *const u8,
    _overlapped: *mut u8,
) -> u32 {
    if parameters.is_null() {
        return ERROR_INVALID_PARAMETER;
    }
    // SAFETY: `EXPAND_VIRTUAL_DISK_PARAMETERS`, of which there is one version.
    let (version, size) =
        unsafe { (parameters.cast::<u32>().read(), parameters.add(8).cast::<u64>().read()) };
    match version {
        1 => win32(on_disk("ExpandVirtualDisk", disk, json!({"size": size})).hresult),
        _ => ERROR_INVALID_PARAMETER,
    }
}

/// The size counts bytes, and is that of the whole path, with its zero, when this returns.
///
/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn GetVirtualDiskPhysicalPath(
    disk: HANDLE,
    size: *mut u32,
    path: *mut u16,
) -> u32 {
    if size.is_null() {
        return ERROR_INVALID_PARAMETER;
    }
    let outcome = on_disk("GetVirtualDiskPhysicalPath", disk, json!({}));
    if !outcome.success() {
        return win32(outcome.hresult);
    }
    let text = wide(outcome.values.as_str().unwrap_or_default());
    // SAFETY: not null, and the caller's word.
    let room = unsafe { std::mem::replace(&mut *size, size_of_val(&text[..]) as u32) };
    if path.is_null() || (room as usize) < size_of_val(&text[..]) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    // SAFETY: the caller's buffer has the room that the caller said.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), path, text.len()) };
    ERROR_SUCCESS
}
