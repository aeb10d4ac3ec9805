//! Trying again what others make fail for a moment, such as a virus scanner with a new file.

use std::io;
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_DEVICE_NOT_CONNECTED, ERROR_LOCK_VIOLATION, ERROR_NOT_READY, ERROR_SHARING_VIOLATION,
};

use super::error::Error;

/// How often something is tried, with waits in between that double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// How often at most, the first time included.
    pub attempts: u32,
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Backoff {
    /// For a file or disk that somebody else is about to let go: three seconds in all.
    pub const BUSY: Self =
        Self { attempts: 12, first: Duration::from_millis(5), longest: Duration::from_millis(500) };

    /// Runs something until it succeeds, fails otherwise than for a moment, or was tried often
    /// enough; the last failure is returned. How often it was tried is told to `run`, from 0.
    ///
    /// # Errors
    ///
    /// The last one of `run`.
    pub fn retry<T, E: Momentary>(self, run: impl FnMut(u32) -> Result<T, E>) -> Result<T, E> {
        self.retry_if(E::is_momentary, run)
    }

    /// The same, with another opinion on which failures pass.
    ///
    /// # Errors
    ///
    /// The last one of `run`.
    pub fn retry_if<T, E>(
        self,
        is_momentary: impl Fn(&E) -> bool,
        mut run: impl FnMut(u32) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut wait = self.first;
        let mut attempt = 0;
        loop {
            match run(attempt) {
                Err(error) if is_momentary(&error) && attempt + 1 < self.attempts => {
                    thread::sleep(wait.min(self.longest));
                    wait = wait.saturating_mul(2);
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

/// Failures of which some pass by themselves.
pub trait Momentary {
    /// Says whether this one may: a file that somebody else has open, or a disk that is not there
    /// yet or any more.
    fn is_momentary(&self) -> bool;
}

fn is_momentary(number: u32) -> bool {
    matches!(
        number,
        ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION | ERROR_NOT_READY | ERROR_DEVICE_NOT_CONNECTED
    )
}

impl Momentary for Error {
    fn is_momentary(&self) -> bool {
        self.code().and_then(super::error::Hresult::win32).is_some_and(is_momentary)
    }
}

impl Momentary for io::Error {
    fn is_momentary(&self) -> bool {
        self.raw_os_error().is_some_and(|number| is_momentary(number.cast_unsigned()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::windows::fs::OpenOptionsExt;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::windows::error::Hresult;
    use crate::windows::random;

    const QUICK: Backoff =
        Backoff { attempts: 4, first: Duration::from_micros(1), longest: Duration::from_micros(2) };

    fn busy() -> Error {
        Error::failed("ActivateLayer", Hresult::from_win32(ERROR_SHARING_VIOLATION), None)
    }

    #[test]
    fn what_passes_is_tried_again_and_what_stays_is_not() {
        let third = QUICK.retry(|attempt| if attempt < 2 { Err(busy()) } else { Ok(attempt) });
        assert_eq!(third.unwrap(), 2);
        let mut count = 0;
        let denied = QUICK.retry(|_| -> Result<(), Error> {
            count += 1;
            Err(Error::failed("ActivateLayer", Hresult::from_win32(5), None))
        });
        assert!(denied.unwrap_err().is(Hresult::from_win32(5)));
        assert_eq!(count, 1);
    }

    #[test]
    fn the_end_comes_and_says_the_last_failure() {
        let mut count = 0;
        let outcome = QUICK.retry(|_| -> Result<(), Error> {
            count += 1;
            Err(busy())
        });
        assert!(outcome.unwrap_err().is(Hresult::from_win32(ERROR_SHARING_VIOLATION)));
        assert_eq!(count, 4);
    }

    #[test]
    fn a_file_that_another_lets_go_can_be_opened() {
        let path = std::env::temp_dir().join(format!("containerv-busy-{}", random::hex::<8>().unwrap()));
        let alone = OpenOptions::new().write(true).create_new(true).share_mode(0).open(&path).unwrap();
        let tried = AtomicBool::new(false);
        let patient = Backoff { attempts: 100_000, ..QUICK };
        thread::scope(|scope| {
            scope.spawn(|| {
                while !tried.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                drop(alone);
            });
            let opened = patient.retry(|attempt| {
                tried.store(attempt > 0, Ordering::SeqCst);
                OpenOptions::new().read(true).open(&path)
            });
            opened.unwrap();
        });
        assert!(tried.load(Ordering::SeqCst));
        std::fs::remove_file(&path).unwrap();
    }
}
