//! Results to return values and `errno`; the place where panics stop.

use std::ffi::c_int;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libc::EIO;

pub(crate) use crate::failure::{Failure, Result, invalid};
use crate::system::{self, numbers};

/// Runs a function that returns 0 or -1.
pub(crate) fn status(name: &str, body: impl FnOnce() -> Result<()>) -> c_int {
    let guarded = || {
        system::prepare();
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
    let before = numbers::save();
    run(name, body);
    numbers::restore(&before);
}

/// Runs the body of an exported function: `errno` is as before, or says why there is no result.
fn run<T>(name: &str, body: impl FnOnce() -> Result<T>) -> Option<T> {
    let before = numbers::save();
    // The body shares with other calls only what is behind locks, which survive a panic.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => {
            numbers::restore(&before);
            Some(value)
        }
        Ok(Err(failure)) => {
            explain(name, &failure);
            numbers::set(failure.number(), Some(failure.error()));
            None
        }
        Err(_) => {
            numbers::set(EIO, None);
            None
        }
    }
}

/// Tells a person why, if that person asked: a C caller gets a number only.
fn explain(name: &str, failure: &Failure) {
    if std::env::var_os("CONTAINERV_DEBUG").is_none_or(|value| value.is_empty()) {
        return;
    }
    let error = failure.error();
    let hint = error.hint().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
    // One write for the line, and no `eprintln`, which panics where nothing can be written.
    let _ = std::io::stderr().write_all(format!("{name}: {error}{hint}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use containerv::{Error, ErrorKind};
    use libc::{EINVAL, ENOENT};

    use super::numbers::{get, set};
    use super::*;

    #[test]
    fn errno_is_set_on_failure_and_kept_on_success() {
        set(7, None);
        assert_eq!(
            status("ok", || {
                set(99, None);
                Ok(())
            }),
            0
        );
        assert_eq!(get(), 7);
        assert_eq!(status("bad", || Err(invalid("x"))), -1);
        assert_eq!(get(), EINVAL);
        set(7, None);
        nothing("void", || Err(invalid("x")));
        assert_eq!(get(), 7);
        assert_eq!(object("object", 1, || Err(Error::new(ErrorKind::NotFound, "x").into())), 1);
        assert_eq!(get(), ENOENT);
    }

    #[test]
    fn a_panic_is_a_failure() {
        assert_eq!(status("panics", || panic!("stops at the border")), -1);
        assert_eq!(get(), EIO);
    }
}
