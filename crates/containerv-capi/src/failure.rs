//! Why a call fails: the library's error, and the number that C gets for it.

use std::ffi::c_int;

use containerv::{Error, ErrorKind};
use libc::{EACCES, EAGAIN, EBUSY, EEXIST, EINVAL, EIO, ENODATA, ENOENT, ENOTSUP, EPERM, ETIMEDOUT};

use crate::system;

/// What the functions of this crate return.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// A failure, on its way to `errno`.
#[derive(Debug)]
pub(crate) struct Failure {
    number: c_int,
    error: Error,
}

/// A wrong argument.
pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(EINVAL, message)
}

impl Failure {
    /// A failure that has its number from the interface.
    pub(crate) fn new(number: c_int, message: impl Into<String>) -> Self {
        Self { number, error: Error::new(ErrorKind::Other, message) }
    }

    /// Several things wrong with one request; the number is that of the first.
    pub(crate) fn all(message: impl Into<String>, problems: Vec<Self>) -> Self {
        let number = problems.first().map_or(EINVAL, |first| first.number);
        let problems = problems.into_iter().map(|problem| problem.error).collect();
        Self { number, error: Error::problems(message, problems) }
    }

    /// A failed operation of the standard library.
    pub(crate) fn io(error: std::io::Error, message: impl Into<String>) -> Self {
        Error::io(error, message).into()
    }

    /// Adds what the reader can do now.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { error: self.error.with_hint(hint), ..self }
    }

    /// Says what failed because of it.
    pub(crate) fn context(self, message: impl Into<String>) -> Self {
        Self { error: self.error.context(message), ..self }
    }

    /// Says in place of the library what is wrong, with its error as the cause.
    pub(crate) fn caused(self, cause: Error) -> Self {
        Self { error: self.error.with_source(cause), ..self }
    }

    /// The number for `errno`.
    pub(crate) fn number(&self) -> c_int {
        self.number
    }

    /// The library's error.
    pub(crate) fn error(&self) -> &Error {
        &self.error
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { number: number(&error), error }
    }
}

/// Returns the number for an error of the library: the system's own if there is one.
fn number(error: &Error) -> c_int {
    let own = system::numbers::own(error).and_then(system::numbers::of_system);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_that_of_the_first_problem_or_of_the_kind() {
        let problems = vec![
            Error::problems("inner", vec![Error::new(ErrorKind::AlreadyExists, "a")]),
            Error::new(ErrorKind::Unsupported, "b"),
        ];
        assert_eq!(Failure::from(Error::problems("cannot create", problems)).number(), EEXIST);
        let problems = vec![Error::new(ErrorKind::Unavailable, "b")];
        assert_eq!(Failure::from(Error::problems("cannot create", problems)).number(), ENOTSUP);
        let all = Failure::all("cannot create", vec![Failure::new(ENOENT, "a"), invalid("b")]);
        assert_eq!((all.number(), all.error().all_problems().len()), (ENOENT, 2));
        assert_eq!(invalid("x").context("mount 3").with_hint("do").number(), EINVAL);
    }

    #[test]
    #[cfg(not(windows))]
    fn the_number_is_the_systems_own() {
        let inner = Error::os(libc::EXDEV, "mount").context("cannot create");
        assert_eq!(Failure::from(inner).number(), libc::EXDEV);
        let problems = vec![Error::os(libc::ELOOP, "a"), Error::new(ErrorKind::Unsupported, "b")];
        assert_eq!(Failure::from(Error::problems("cannot create", problems)).number(), libc::ELOOP);
    }

    #[test]
    #[cfg(windows)]
    fn numbers_of_win32_become_those_of_c() {
        for (system, number) in [
            (2, ENOENT),
            (3, ENOENT),
            (5, EACCES),
            (17, libc::EXDEV),
            (32, EBUSY),
            (112, libc::ENOSPC),
            (193, libc::ENOEXEC),
            (267, libc::ENOTDIR),
            (1314, EPERM),
        ] {
            assert_eq!(Failure::from(Error::os(system, "x")).number(), number, "{system}");
        }
    }
}
