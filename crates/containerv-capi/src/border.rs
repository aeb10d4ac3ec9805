//! Results to return values and `errno`; the place where panics stop.

use std::ffi::c_int;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use containerv::Result;
use containerv::{Error, ErrorKind};
use libc::{EACCES, EAGAIN, EBUSY, EEXIST, EINVAL, EIO, ENODATA, ENOENT, ENOTSUP, EPERM, ETIMEDOUT};

/// A wrong argument.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::os(EINVAL, message)
}

/// Runs a function that returns 0 or -1.
pub(crate) fn status(name: &str, body: impl FnOnce() -> Result<()>) -> c_int {
    let guarded = || {
        #[cfg(target_os = "linux")]
        crate::linux::occupy_streams();
        body()
    };
    match run(name, guarded) {
        Some(()) => 0,
        None => -1,
    }
}

/// Runs a function that returns an object, or `failed` with `errno` set.
pub(crate) fn object<T>(name: &str, failed: T, body: impl FnOnce() -> Result<T>) -> T {
    run(name, body).unwrap_or(failed)
}

/// Runs a function that returns nothing and never fails for the caller.
pub(crate) fn nothing(name: &str, body: impl FnOnce() -> Result<()>) {
    let before = errno();
    run(name, body);
    set_errno(before);
}

/// Runs the body of an exported function: `errno` is as before, or says why there is no result.
fn run<T>(name: &str, body: impl FnOnce() -> Result<T>) -> Option<T> {
    let before = errno();
    // The body shares with other calls only what is behind locks, which survive a panic.
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let (number, result) = match outcome {
        Ok(Ok(value)) => (before, Some(value)),
        Ok(Err(error)) => {
            explain(name, &error);
            (number(&error), None)
        }
        Err(_) => (EIO, None),
    };
    set_errno(number);
    result
}

/// Tells a person why, if that person asked: a C caller gets a number only.
fn explain(name: &str, error: &Error) {
    if std::env::var_os("CONTAINERV_DEBUG").is_none_or(|value| value.is_empty()) {
        return;
    }
    let hint = error.hint().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
    // One write for the line, and no `eprintln`, which panics where nothing can be written.
    let _ = std::io::stderr().write_all(format!("{name}: {error}{hint}\n").as_bytes());
}

/// Returns the number for `errno`: the system's own if there is one.
pub(crate) fn number(error: &Error) -> c_int {
    let own = error.raw_os_error().filter(|number| *number > 0);
    let first = || error.all_problems().first().map(number);
    own.or_else(first).unwrap_or_else(|| of_kind(error.kind()))
}

fn of_kind(kind: ErrorKind) -> c_int {
    match kind {
        ErrorKind::NotFound | ErrorKind::CommandNotFound => ENOENT,
        ErrorKind::AlreadyExists => EEXIST,
        ErrorKind::InvalidArgument => EINVAL,
        ErrorKind::InvalidState => EBUSY,
        ErrorKind::PermissionDenied => EPERM,
        ErrorKind::Unsupported | ErrorKind::Unavailable => ENOTSUP,
        ErrorKind::ResourceExhausted => EAGAIN,
        ErrorKind::TimedOut => ETIMEDOUT,
        ErrorKind::Corrupt => ENODATA,
        ErrorKind::CommandNotExecutable => EACCES,
        _ => EIO,
    }
}

fn errno() -> c_int {
    // SAFETY: the C library gives each thread a valid place for its error number.
    unsafe { *errno_place() }
}

fn set_errno(number: c_int) {
    // SAFETY: as in `errno`; the place is this thread's own.
    unsafe { *errno_place() = number };
}

#[cfg(target_os = "linux")]
fn errno_place() -> *mut c_int {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::__errno_location() }
}

#[cfg(windows)]
fn errno_place() -> *mut c_int {
    unsafe extern "C" {
        fn _errno() -> *mut c_int;
    }
    // SAFETY: takes nothing and cannot fail.
    unsafe { _errno() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errno_is_set_on_failure_and_kept_on_success() {
        set_errno(7);
        assert_eq!(
            status("ok", || {
                set_errno(99);
                Ok(())
            }),
            0
        );
        assert_eq!(errno(), 7);
        assert_eq!(status("bad", || Err(invalid("x"))), -1);
        assert_eq!(errno(), EINVAL);
        set_errno(7);
        nothing("void", || Err(invalid("x")));
        assert_eq!(errno(), 7);
        assert_eq!(object("object", 1, || Err(Error::new(ErrorKind::NotFound, "x"))), 1);
        assert_eq!(errno(), ENOENT);
    }

    #[test]
    fn a_panic_is_a_failure() {
        assert_eq!(status("panics", || panic!("stops at the border")), -1);
        assert_eq!(errno(), EIO);
    }

    #[test]
    fn the_number_is_the_systems_own_or_that_of_the_first_problem() {
        let inner = Error::os(libc::EXDEV, "mount").context("cannot create");
        assert_eq!(number(&inner), libc::EXDEV);
        let problems = vec![Error::os(libc::ELOOP, "a"), Error::new(ErrorKind::Unsupported, "b")];
        assert_eq!(number(&Error::problems("cannot create", problems)), libc::ELOOP);
        let problems = vec![Error::new(ErrorKind::Unavailable, "b")];
        assert_eq!(number(&Error::problems("cannot create", problems)), ENOTSUP);
    }
}
