//! `errno`.

use std::ffi::c_int;

use containerv::Error;

/// What `errno` was.
pub(crate) struct Saved(c_int);

/// Remembers `errno`.
pub(crate) fn save() -> Saved {
    Saved(get())
}

/// Puts `errno` back.
pub(crate) fn restore(saved: &Saved) {
    set(saved.0, None);
}

/// Sets `errno`.
pub(crate) fn set(number: c_int, _error: Option<&Error>) {
    // SAFETY: the C library gives each thread a valid place of its own.
    unsafe { *libc::__errno_location() = number };
}

/// Returns `errno`.
pub(crate) fn get() -> c_int {
    // SAFETY: as in `set`.
    unsafe { *libc::__errno_location() }
}

/// Returns the system's own number for an error.
pub(crate) fn own(error: &Error) -> Option<i32> {
    error.raw_os_error()
}

/// Returns the number that C has for one of the system's: the same.
pub(crate) fn of_system(number: i32) -> Option<c_int> {
    Some(number).filter(|number| *number > 0)
}
