//! Holds on what several processes use: locks of files, which may have content that others read meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(windows)]
use containerv_sys::windows::lock::{Lock as Held, Sharing};

#[cfg(not(windows))]
use self::advisory::{Held, Sharing};
use crate::{Error, Result};

/// A hold, let go when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(Held);

impl Lock {
    /// Waits until nobody else has it.
    pub(crate) fn exclusive(path: &Path) -> Result<Self> {
        Self::wait(path, Sharing::Exclusive)
    }

    /// Waits until nobody has it exclusively.
    pub(crate) fn shared(path: &Path) -> Result<Self> {
        Self::wait(path, Sharing::Shared)
    }

    /// Takes it if nobody else has it.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        let taken = open(path).and_then(|file| Held::try_now(file, Sharing::Exclusive));
        taken.map(|held| held.map(Self)).map_err(|error| failed(error, path))
    }

    fn wait(path: &Path, sharing: Sharing) -> Result<Self> {
        let held = open(path).and_then(|file| Held::wait(file, sharing));
        held.map(Self).map_err(|error| failed(error, path))
    }

    /// The file, for what its owner keeps in it.
    pub(crate) fn file(&self) -> &File {
        self.0.file()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            open()
        }
        other => other,
    }
}

fn failed(error: io::Error, path: &Path) -> Error {
    Error::io(error, format!("cannot lock `{}`", path.display()))
}

/// flock(2), in the words of the wrapper that Windows needs.
#[cfg(not(windows))]
mod advisory {
    use std::fs::{File, TryLockError};
    use std::io;

    /// Who may hold a lock at the same time.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum Sharing {
        Exclusive,
        Shared,
    }

    /// A locked file.
    #[derive(Debug)]
    pub(super) struct Held(File);

    impl Held {
        pub(super) fn wait(file: File, sharing: Sharing) -> io::Result<Self> {
            let lock = match sharing {
                Sharing::Exclusive => File::lock,
                Sharing::Shared => File::lock_shared,
            };
            loop {
                match lock(&file) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    locked => return locked.map(|()| Self(file)),
                }
            }
        }

        pub(super) fn try_now(file: File, sharing: Sharing) -> io::Result<Option<Self>> {
            let locked = match sharing {
                Sharing::Exclusive => file.try_lock(),
                Sharing::Shared => file.try_lock_shared(),
            };
            match locked {
                Ok(()) => Ok(Some(Self(file))),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        }

        pub(super) fn file(&self) -> &File {
            &self.0
        }
    }

    impl Drop for Held {
        /// Closing is not enough: a process that the embedding program forked meanwhile has a copy of
        /// the descriptor, with which the hold would go on.
        fn drop(&mut self) {
            let _ = self.0.unlock();
        }
    }
}
