//! Stand-in of `wslapi.dll` on a Windows without WSL: there is no distribution, and none comes.
#![cfg(windows)]

use sim_library::codes;
use sim_library::text::set;
use windows_sys::Win32::Foundation::HANDLE;

type Text = *const u16;

/// The optional component is not installed: WSL_E_DISTRO_NOT_FOUND's family has no code for it, and
/// this is what its functions pass on.
const NOT_INSTALLED: u32 = codes::SERVICE_NOT_AVAILABLE;

#[unsafe(no_mangle)]
pub extern "system" fn WslIsDistributionRegistered(_name: Text) -> i32 {
    0
}

#[unsafe(no_mangle)]
pub extern "system" fn WslRegisterDistribution(_name: Text, _archive: Text) -> u32 {
    NOT_INSTALLED
}

#[unsafe(no_mangle)]
pub extern "system" fn WslUnregisterDistribution(_name: Text) -> u32 {
    NOT_INSTALLED
}

#[unsafe(no_mangle)]
pub extern "system" fn WslConfigureDistribution(_name: Text, _user: u32, _flags: u32) -> u32 {
    NOT_INSTALLED
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn WslGetDistributionConfiguration(
    _name: Text,
    _version: *mut u32,
    _user: *mut u32,
    _flags: *mut u32,
    environment: *mut *mut *mut u8,
    count: *mut u32,
) -> u32 {
    // SAFETY: the caller's word.
    unsafe {
        set(environment, std::ptr::null_mut());
        set(count, 0);
    }
    NOT_INSTALLED
}

#[unsafe(no_mangle)]
pub extern "system" fn WslLaunchInteractive(
    _name: Text,
    _command: Text,
    _use_directory: i32,
    _exit_code: *mut u32,
) -> u32 {
    NOT_INSTALLED
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn WslLaunch(
    _name: Text,
    _command: Text,
    _use_directory: i32,
    _input: HANDLE,
    _output: HANDLE,
    _errors: HANDLE,
    process: *mut HANDLE,
) -> u32 {
    // SAFETY: the caller's word.
    unsafe { set(process, std::ptr::null_mut()) };
    NOT_INSTALLED
}
