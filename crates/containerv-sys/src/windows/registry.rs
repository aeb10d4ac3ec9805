//! Values of the registry.

// UNSAFETY: the registry, which the standard library does not have.
#![allow(unsafe_code, reason = "the registry has no safe wrapper")]

use std::ffi::c_void;
use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_MORE_DATA};
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, REG_ROUTINE_FLAGS, RRF_RT_REG_DWORD, RRF_RT_REG_SZ, RegGetValueW,
};

use super::wide::{self, Wide};

/// The longest text that is read, in units of two bytes.
const MAX_UNITS: usize = 1 << 20;

/// Returns a number below `HKEY_LOCAL_MACHINE`; none if there is no such value.
///
/// # Errors
///
/// The system's, also if the value is no number of 32 bits.
pub fn number(key: &str, name: &str) -> io::Result<Option<u32>> {
    let mut number = 0_u32;
    let mut bytes = size_of::<u32>() as u32;
    // SAFETY: the number has room for as many bytes as said.
    let code = unsafe { get(key, name, RRF_RT_REG_DWORD, (&raw mut number).cast(), &mut bytes)? };
    found(code).map(|found| found.then_some(number))
}

/// Returns a text below `HKEY_LOCAL_MACHINE`; none if there is no such value.
///
/// # Errors
///
/// The system's, also if the value is no text; `InvalidData` if it is longer than 2 MiB.
pub fn text(key: &str, name: &str) -> io::Result<Option<String>> {
    let mut units = vec![0_u16; 256];
    loop {
        let mut bytes = (units.len() * 2) as u32;
        // SAFETY: the buffer has room for as many bytes as said.
        let code = unsafe { get(key, name, RRF_RT_REG_SZ, units.as_mut_ptr().cast(), &mut bytes)? };
        if code != ERROR_MORE_DATA {
            return found(code).map(|found| found.then(|| wide::from_buffer(&units)));
        }
        // What is needed now; somebody may write more before it is read.
        let needed = (bytes as usize).div_ceil(2).max(units.len()) + 1;
        if needed > MAX_UNITS {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("`{name}` is too long")));
        }
        units.resize(needed, 0);
    }
}

/// # Safety
///
/// `room` has room for as many bytes as said.
unsafe fn get(
    key: &str,
    name: &str,
    kind: REG_ROUTINE_FLAGS,
    room: *mut c_void,
    bytes: &mut u32,
) -> io::Result<u32> {
    let (key, name) = (Wide::path(key.as_ref())?, Wide::path(name.as_ref())?);
    // SAFETY: the texts outlive the call; the rest is as the caller promises; the kind is not wanted.
    Ok(unsafe {
        let (key, name) = (key.as_ptr(), name.as_ptr());
        RegGetValueW(HKEY_LOCAL_MACHINE, key, name, kind, ptr::null_mut(), room, bytes)
    })
}

fn found(code: u32) -> io::Result<bool> {
    match code {
        0 => Ok(true),
        ERROR_FILE_NOT_FOUND => Ok(false),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";

    #[test]
    fn values_are_read_by_their_kind() {
        assert_eq!(text(KEY, "CurrentVersion").unwrap().as_deref().map(str::is_empty), Some(false));
        assert_eq!(number(KEY, "ContainervNone").unwrap(), None);
        assert_eq!(text(r"SOFTWARE\containerv none", "x").unwrap(), None);
        number(KEY, "CurrentVersion").unwrap_err();
    }

    #[test]
    fn a_long_text_is_read_whole() {
        let key = format!(r"SOFTWARE\containerv-test-{}", crate::windows::random::hex::<8>().unwrap());
        let path = format!(r"HKLM\{key}");
        let reg = |arguments: &[&str]| {
            let mut reg = std::process::Command::new("reg.exe");
            reg.args(arguments).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
            assert!(reg.status().unwrap().success());
        };
        let long = "x".repeat(3000);
        reg(&["add", &path, "/v", "long", "/d", &long, "/f"]);
        let read = text(&key, "long");
        reg(&["delete", &path, "/f"]);
        assert_eq!(read.unwrap().unwrap(), long);
    }
}
