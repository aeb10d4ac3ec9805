//! Events, and waiting for several things at once.

// UNSAFETY: event objects and waits, which the standard library does not have.
#![allow(unsafe_code, reason = "events and waits have no safe wrapper")]

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{WAIT_FAILED, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, ResetEvent, SetEvent, WaitForMultipleObjects,
};

/// The most handles that one wait takes.
pub const MAX_HANDLES: usize = 64;

/// An event that stays set until it is reset.
#[derive(Debug)]
pub struct Event(OwnedHandle);

impl Event {
    /// Makes one that is not set.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new() -> io::Result<Self> {
        const MANUAL_RESET: i32 = 1;
        // SAFETY: null pointers ask for the default security and for no name.
        let handle = unsafe { CreateEventW(ptr::null(), MANUAL_RESET, 0, ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was made just now and nobody else has it.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// Releases all who wait, and who will wait.
    pub fn set(&self) {
        // SAFETY: the event is open as long as `self`. It can be set by whoever made it.
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }

    /// Makes those who come wait again.
    pub fn reset(&self) {
        // SAFETY: as for `set`.
        unsafe { ResetEvent(self.0.as_raw_handle()) };
    }

    #[cfg(test)]
    pub(crate) fn into_handle(self) -> OwnedHandle {
        self.0
    }

    pub(crate) fn raw(&self) -> RawHandle {
        self.0.as_raw_handle()
    }
}

impl AsHandle for Event {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

/// The time that is left of a limit; `None` is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Starts now. A limit beyond what the clock can say is none.
    pub fn after(limit: Option<Duration>) -> Self {
        Self(limit.and_then(|limit| Instant::now().checked_add(limit)))
    }

    /// Returns what is left.
    pub fn left(self) -> Option<Duration> {
        self.0.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Says whether nothing is left.
    pub fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

/// A limit in whole milliseconds, rounded up so that no wait ends early; longer ones than the
/// system can count are cut off and have to be repeated.
pub(crate) fn milliseconds(limit: Option<Duration>) -> u32 {
    match limit {
        None => INFINITE,
        Some(limit) => {
            let whole = limit.as_nanos().div_ceil(1_000_000);
            u32::try_from(whole).unwrap_or(u32::MAX).min(INFINITE - 1)
        }
    }
}

/// Waits until one of the handles is signaled and returns its place, the first if there are
/// several; `None` when the time is over.
///
/// # Errors
///
/// `InvalidInput` for no handle or more than [`MAX_HANDLES`]; the system's.
pub fn wait_any(handles: &[BorrowedHandle<'_>], limit: Option<Duration>) -> io::Result<Option<usize>> {
    if handles.is_empty() || handles.len() > MAX_HANDLES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "1 to 64 handles can be waited for"));
    }
    let raw: Vec<RawHandle> = handles.iter().map(AsRawHandle::as_raw_handle).collect();
    let deadline = Deadline::after(limit);
    loop {
        let rest = milliseconds(deadline.left());
        // SAFETY: `raw` has as many handles as said, all borrowed and therefore open.
        let answer = unsafe { WaitForMultipleObjects(raw.len() as u32, raw.as_ptr(), 0, rest) };
        match answer {
            WAIT_FAILED => return Err(io::Error::last_os_error()),
            WAIT_TIMEOUT if deadline.left().is_some_and(|left| !left.is_zero()) => {}
            WAIT_TIMEOUT => return Ok(None),
            // An abandoned mutex is nobody's use here; its place follows after those of the others.
            place => return Ok(Some((place - WAIT_OBJECT_0) as usize % MAX_HANDLES)),
        }
    }
}

/// Waits for one handle; `false` when the time is over.
///
/// # Errors
///
/// The system's.
pub fn wait(handle: &impl AsHandle, limit: Option<Duration>) -> io::Result<bool> {
    wait_any(&[handle.as_handle()], limit).map(|place| place.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signaled_handle_is_named() {
        let events = [Event::new().unwrap(), Event::new().unwrap(), Event::new().unwrap()];
        let handles: Vec<BorrowedHandle<'_>> = events.iter().map(AsHandle::as_handle).collect();
        assert_eq!(wait_any(&handles, Some(Duration::ZERO)).unwrap(), None);
        events[2].set();
        assert_eq!(wait_any(&handles, None).unwrap(), Some(2));
        events[1].set();
        assert_eq!(wait_any(&handles, None).unwrap(), Some(1));
        events[1].reset();
        events[2].reset();
        assert_eq!(wait_any(&handles, Some(Duration::from_millis(5))).unwrap(), None);
    }

    #[test]
    fn a_wait_does_not_end_early() {
        let event = Event::new().unwrap();
        let begin = Instant::now();
        assert!(!wait(&event, Some(Duration::from_micros(20_500))).unwrap());
        assert!(begin.elapsed() >= Duration::from_micros(20_500));
        assert_eq!(milliseconds(Some(Duration::from_micros(1))), 1);
        assert_eq!(milliseconds(Some(Duration::MAX)), INFINITE - 1);
        assert_eq!(milliseconds(None), INFINITE);
    }

    #[test]
    fn another_thread_ends_a_wait_without_a_limit() {
        let event = Event::new().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| event.set());
            assert!(wait(&event, None).unwrap());
        });
    }

    #[test]
    fn a_wait_for_nothing_is_refused() {
        assert_eq!(wait_any(&[], None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
