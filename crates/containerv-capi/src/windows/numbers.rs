//! `errno` and the last error.

use std::ffi::{CStr, c_int};
use std::io;

use containerv::Error;
use libc::{
    EACCES, EAGAIN, EBUSY, EEXIST, EINVAL, EISDIR, EMFILE, ENAMETOOLONG, ENOENT, ENOEXEC, ENOMEM, ENOSPC,
    ENOSYS, ENOTDIR, ENOTEMPTY, ENOTSUP, EPERM, EROFS, ESRCH, ETIMEDOUT, EXDEV,
};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_BAD_EXE_FORMAT, ERROR_BUSY, ERROR_CALL_NOT_IMPLEMENTED,
    ERROR_DIRECTORY, ERROR_DIRECTORY_NOT_SUPPORTED, ERROR_EXE_MACHINE_TYPE_MISMATCH, ERROR_FILE_NOT_FOUND,
    ERROR_FILENAME_EXCED_RANGE, ERROR_GEN_FAILURE, ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY,
    ERROR_NOT_FOUND, ERROR_NOT_SUPPORTED, ERROR_PRIVILEGE_NOT_HELD, ERROR_SHARING_VIOLATION, ERROR_TIMEOUT,
    ERROR_TOO_MANY_OPEN_FILES, SetLastError,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};

/// C libraries, each with an `errno` of its own: that of the client has to be set, and nobody knows
/// which it is. One that was linked into the client is out of reach.
const RUNTIMES: [&CStr; 6] =
    [c"msvcrt.dll", c"ucrtbase.dll", c"ucrtbased.dll", c"msvcr120.dll", c"msvcr110.dll", c"msvcr100.dll"];

/// The facility of Win32 numbers in an HRESULT, with the failure bit.
const WIN32: u32 = 0x8007_0000;

/// What `errno` was, in each C library of this process.
pub(crate) struct Saved(Vec<(*mut c_int, c_int)>);

/// Remembers `errno`.
pub(crate) fn save() -> Saved {
    // SAFETY: each place is this thread's own.
    Saved(places().map(|place| (place, unsafe { *place })).collect())
}

/// Puts `errno` back.
pub(crate) fn restore(saved: &Saved) {
    for (place, number) in &saved.0 {
        // SAFETY: as in `save`, on the same thread; a C library is not unloaded while its user calls us.
        unsafe { **place = *number };
    }
}

/// Sets `errno`, and the last error: to the system's own number if there is one.
pub(crate) fn set(number: c_int, error: Option<&Error>) {
    for place in places() {
        // SAFETY: each place is this thread's own.
        unsafe { *place = number };
    }
    let own = error.and_then(own).unwrap_or_else(|| to_system(number));
    // SAFETY: takes a number.
    unsafe { SetLastError(own) };
}

/// Returns `errno`.
#[cfg(test)]
pub(crate) fn get() -> c_int {
    // SAFETY: as in `save`. A Rust program has at least one of the libraries.
    places().next().map_or(0, |place| unsafe { *place })
}

/// Where the C libraries of this process keep this thread's `errno`.
fn places() -> impl Iterator<Item = *mut c_int> {
    RUNTIMES.iter().filter_map(|name| {
        // SAFETY: the names end in NUL; a handle that was found is good for the look-up.
        let function = unsafe {
            let module = GetModuleHandleA(name.as_ptr().cast());
            if module.is_null() { None } else { GetProcAddress(module, c"_errno".as_ptr().cast()) }
        };
        // SAFETY: this is the type of `_errno` in every C library.
        let function = unsafe {
            std::mem::transmute::<unsafe extern "system" fn() -> isize, unsafe extern "C" fn() -> *mut c_int>(
                function?,
            )
        };
        // SAFETY: takes nothing, and returns a place or NULL.
        Some(unsafe { function() }).filter(|place| !place.is_null())
    })
}

/// Returns the system's own number for an error: that of Win32, or an HRESULT that is none.
pub(crate) fn own(error: &Error) -> Option<u32> {
    let plain = |code: u32| if code & 0xFFFF_0000 == WIN32 { code & 0xFFFF } else { code };
    error.result_code().map(plain).or(error.raw_os_error().map(i32::cast_unsigned))
}

/// Returns the number that C has for one of the system's.
pub(crate) fn of_system(number: u32) -> Option<c_int> {
    use io::ErrorKind as Kind;
    Some(match number {
        ERROR_TOO_MANY_OPEN_FILES => EMFILE,
        ERROR_SHARING_VIOLATION | ERROR_BUSY => EBUSY,
        ERROR_BAD_EXE_FORMAT | ERROR_EXE_MACHINE_TYPE_MISMATCH => ENOEXEC,
        ERROR_PRIVILEGE_NOT_HELD => EPERM,
        ERROR_DIRECTORY_NOT_SUPPORTED => EISDIR,
        ERROR_FILENAME_EXCED_RANGE => ENAMETOOLONG,
        _ => match io::Error::from_raw_os_error(number.cast_signed()).kind() {
            Kind::NotFound => ENOENT,
            Kind::PermissionDenied => EACCES,
            Kind::AlreadyExists => EEXIST,
            Kind::NotADirectory => ENOTDIR,
            Kind::DirectoryNotEmpty => ENOTEMPTY,
            Kind::ReadOnlyFilesystem => EROFS,
            Kind::StorageFull | Kind::QuotaExceeded => ENOSPC,
            Kind::CrossesDevices => EXDEV,
            Kind::InvalidInput | Kind::InvalidFilename => EINVAL,
            Kind::OutOfMemory => ENOMEM,
            Kind::TimedOut => ETIMEDOUT,
            Kind::ResourceBusy => EBUSY,
            Kind::WouldBlock => EAGAIN,
            Kind::Unsupported => ENOTSUP,
            _ => return None,
        },
    })
}

/// Returns the system's number that says most nearly what one of C's does.
fn to_system(number: c_int) -> u32 {
    match number {
        EINVAL => ERROR_INVALID_PARAMETER,
        ENOENT => ERROR_FILE_NOT_FOUND,
        EACCES | EPERM => ERROR_ACCESS_DENIED,
        EEXIST => ERROR_ALREADY_EXISTS,
        ENOTDIR => ERROR_DIRECTORY,
        ENOMEM => ERROR_NOT_ENOUGH_MEMORY,
        ESRCH => ERROR_NOT_FOUND,
        ENOSYS => ERROR_CALL_NOT_IMPLEMENTED,
        ENOTSUP => ERROR_NOT_SUPPORTED,
        EBUSY => ERROR_BUSY,
        ETIMEDOUT => ERROR_TIMEOUT,
        _ => ERROR_GEN_FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use libc::EIO;
    use windows_sys::Win32::Foundation::GetLastError;

    use super::*;

    fn last_error() -> u32 {
        // SAFETY: takes nothing.
        unsafe { GetLastError() }
    }

    #[test]
    fn every_c_library_that_is_loaded_hears_of_it() {
        assert!(places().count() >= 1);
        set(4711, None);
        assert!(save().0.iter().all(|(_, number)| *number == 4711));
        let saved = save();
        set(EIO, None);
        restore(&saved);
        assert_eq!(get(), 4711);
    }

    #[test]
    fn the_last_error_is_the_systems_own() {
        set(ENOENT, Some(&Error::os(3, "x")));
        assert_eq!(last_error(), 3);
        set(EINVAL, None);
        assert_eq!(last_error(), ERROR_INVALID_PARAMETER);
    }
}
