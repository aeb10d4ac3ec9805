//! Locks on files that leave the file readable.

// UNSAFETY: locks of ranges, which the standard library does not have.
#![allow(unsafe_code, reason = "locks of ranges have no safe wrapper")]

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, RawHandle};

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

/// The byte that is locked, far behind every content. A lock is binding on Windows: were it on the
/// content, as [`File::lock`] has it, nobody else could read what stands there.
const PLACE: u64 = 0x7FFF_FFFF_0000_0000;

/// Who may hold a lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody else.
    Exclusive,
    /// Others with [`Sharing::Shared`].
    Shared,
}

/// A locked file. The lock ends with it, and with the process, however that ends.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Waits for the lock of a file, which was opened for reading or writing.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn wait(file: File, sharing: Sharing) -> io::Result<Self> {
        lock(file.as_raw_handle(), flags(sharing))?;
        Ok(Self(file))
    }

    /// Locks a file unless somebody else has it.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn try_now(file: File, sharing: Sharing) -> io::Result<Option<Self>> {
        match lock(file.as_raw_handle(), flags(sharing) | LOCKFILE_FAIL_IMMEDIATELY) {
            Err(error) if is_taken(&error) => Ok(None),
            locked => locked.map(|()| Some(Self(file))),
        }
    }

    /// Returns the file.
    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut place = place();
        // The system would unlock at some time after the file is closed; others wait for it now.
        // SAFETY: the file is open, and the call waits for its end.
        unsafe { UnlockFileEx(self.0.as_raw_handle(), 0, 1, 0, &raw mut place) };
    }
}

fn flags(sharing: Sharing) -> u32 {
    if sharing == Sharing::Exclusive { LOCKFILE_EXCLUSIVE_LOCK } else { 0 }
}

fn place() -> OVERLAPPED {
    let mut overlapped = OVERLAPPED::default();
    overlapped.Anonymous.Anonymous.Offset = PLACE as u32;
    overlapped.Anonymous.Anonymous.OffsetHigh = (PLACE >> 32) as u32;
    overlapped
}

fn lock(file: RawHandle, flags: u32) -> io::Result<()> {
    let mut place = place();
    // SAFETY: the file is open, and was not opened for overlapped transfers, so that the call
    // waits for its end; the place outlives it.
    let success = unsafe { LockFileEx(file, flags, 0, 1, 0, &raw mut place) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn is_taken(error: &io::Error) -> bool {
    [ERROR_LOCK_VIOLATION, ERROR_IO_PENDING]
        .iter()
        .any(|number| error.raw_os_error() == Some(number.cast_signed()))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::windows::random;

    fn open(path: &std::path::Path) -> File {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
    }

    fn path() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("containerv-lock-{}", random::hex::<8>().unwrap()))
    }

    #[test]
    fn one_holds_it_and_all_can_read() {
        let path = path();
        std::fs::write(&path, "content").unwrap();
        let held = Lock::wait(open(&path), Sharing::Exclusive).unwrap();
        for sharing in [Sharing::Exclusive, Sharing::Shared] {
            assert!(Lock::try_now(open(&path), sharing).unwrap().is_none());
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "content");
        drop(held);
        let first = Lock::try_now(open(&path), Sharing::Shared).unwrap().unwrap();
        let second = Lock::try_now(open(&path), Sharing::Shared).unwrap().unwrap();
        assert!(Lock::try_now(open(&path), Sharing::Exclusive).unwrap().is_none());
        drop((first, second));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn whoever_waits_gets_it_next() {
        let path = path();
        let held = Lock::wait(open(&path), Sharing::Exclusive).unwrap();
        let released = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _held = Lock::wait(open(&path), Sharing::Exclusive).unwrap();
                assert!(released.load(Ordering::SeqCst));
            });
            // Gives the other time to wait in vain.
            std::thread::sleep(Duration::from_millis(20));
            released.store(true, Ordering::SeqCst);
            drop(held);
        });
        std::fs::remove_file(&path).unwrap();
    }
}
