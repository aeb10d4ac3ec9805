//! Volumes as devices. `\\?\Volume{GUID}\` is a directory by Wine's own means; `\\?\Volume{GUID}`, without
//! the backslash, is a device that Wine cannot be given. So two functions of `kernelbase` are led over
//! code of ours in the processes that ask for a volume's path. They know this one device and its two
//! codes; all else goes on as it was.

use std::ffi::c_void;
use std::os::windows::io::IntoRawHandle;
use std::sync::OnceLock;

use serde_json::json;
use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, HANDLE, INVALID_HANDLE_VALUE, SetLastError,
};
use windows_sys::Win32::System::Ioctl::{FSCTL_EXTEND_VOLUME, IOCTL_DISK_GET_LENGTH_INFO};

use crate::connection::Link;
use crate::detour::Detour;
use crate::device::{self, Device};
use crate::text::{read, set};

const SECTOR: u64 = 512;

type CreateFile = unsafe extern "system" fn(*const u16, u32, u32, *const c_void, u32, u32, HANDLE) -> HANDLE;
type Control = unsafe extern "system" fn(
    HANDLE,
    u32,
    *const c_void,
    u32,
    *mut c_void,
    u32,
    *mut u32,
    *mut c_void,
) -> i32;

static LINK: OnceLock<&'static Link> = OnceLock::new();
static CREATE_FILE: Detour = Detour::new();
static CONTROL: Detour = Detour::new();

/// Makes volumes devices in this process.
pub fn install(link: &'static Link) {
    if LINK.set(link).is_ok() {
        CREATE_FILE.install("kernelbase.dll", c"CreateFileW", create_file as CreateFile as usize);
        CONTROL.install("kernelbase.dll", c"DeviceIoControl", control as Control as usize);
    }
}

/// The GUID of `\\?\Volume{GUID}`.
fn volume(path: &str) -> Option<&str> {
    path.strip_prefix(r"\\?\Volume{")?.strip_suffix('}')
}

unsafe extern "system" fn create_file(
    name: *const u16,
    access: u32,
    share: u32,
    security: *const c_void,
    how: u32,
    flags: u32,
    template: HANDLE,
) -> HANDLE {
    // SAFETY: the caller's word.
    if let Some(path) = unsafe { read(name) }
        && let Some(volume) = volume(&path)
        && let Some(link) = LINK.get()
    {
        return open(link, volume).unwrap_or_else(|code| {
            // SAFETY: no pointers.
            unsafe { SetLastError(code) };
            INVALID_HANDLE_VALUE
        });
    }
    // SAFETY: where the function goes on, with its own arguments.
    unsafe {
        let original: CreateFile = std::mem::transmute(CREATE_FILE.next());
        original(name, access, share, security, how, flags, template)
    }
}

fn open(link: &'static Link, volume: &str) -> Result<HANDLE, u32> {
    let device = Device::new().map_err(|_| ERROR_FILE_NOT_FOUND)?;
    let name = device.name.clone();
    if !link.call("device.open", json!({"name": name, "volume": volume})).success() {
        return Err(ERROR_FILE_NOT_FOUND);
    }
    let closed = move || drop(link.call("device.close", json!({"name": name})));
    Ok(device.hand_out(closed).into_raw_handle().cast())
}

unsafe extern "system" fn control(
    device: HANDLE,
    code: u32,
    input: *const c_void,
    input_size: u32,
    output: *mut c_void,
    output_size: u32,
    used: *mut u32,
    overlapped: *mut c_void,
) -> i32 {
    let ours = matches!(code, IOCTL_DISK_GET_LENGTH_INFO | FSCTL_EXTEND_VOLUME);
    if ours
        && let Some(name) = device::name(device as usize)
        && let Some(link) = LINK.get()
    {
        let outcome = match code {
            IOCTL_DISK_GET_LENGTH_INFO if output_size >= 8 => {
                link.call("volume.length", json!({"name": name}))
            }
            FSCTL_EXTEND_VOLUME if input_size >= 8 => {
                // SAFETY: the caller's buffer has eight bytes.
                let sectors = unsafe { input.cast::<u64>().read_unaligned() };
                link.call("volume.extend", json!({"name": name, "size": sectors.saturating_mul(SECTOR)}))
            }
            _ => return fail(ERROR_INVALID_PARAMETER),
        };
        if !outcome.success() {
            return fail(outcome.hresult & 0xFFFF);
        }
        let length = outcome.values.as_u64();
        // SAFETY: the caller's buffer has eight bytes where a length is the answer.
        unsafe {
            if let Some(length) = length {
                output.cast::<u64>().write_unaligned(length);
            }
            set(used, if length.is_some() { 8 } else { 0 });
        }
        return 1;
    }
    // SAFETY: where the function goes on, with its own arguments.
    unsafe {
        let original: Control = std::mem::transmute(CONTROL.next());
        original(device, code, input, input_size, output, output_size, used, overlapped)
    }
}

fn fail(code: u32) -> i32 {
    // SAFETY: no pointers.
    unsafe { SetLastError(code) };
    0
}
