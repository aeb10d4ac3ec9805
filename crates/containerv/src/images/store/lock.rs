//! Holds on what several processes use: locks of files that have no content.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use crate::{Error, Result};

/// A hold, let go when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Waits until nobody else has it.
    pub(crate) fn exclusive(path: &Path) -> Result<Self> {
        Self::wait(path, File::lock)
    }

    /// Waits until nobody has it exclusively.
    pub(crate) fn shared(path: &Path) -> Result<Self> {
        Self::wait(path, File::lock_shared)
    }

    /// Takes it if nobody else has it.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        let file = open(path).map_err(|error| failed(error, path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error, path)),
        }
    }

    fn wait(path: &Path, lock: impl Fn(&File) -> io::Result<()>) -> Result<Self> {
        let file = open(path).map_err(|error| failed(error, path))?;
        loop {
            match lock(&file) {
                Ok(()) => return Ok(Self(file)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error, path)),
            }
        }
    }

    /// The file, for what its owner keeps in it.
    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Lock {
    /// Closing is not enough: a process that the embedding program forked meanwhile has a copy of
    /// the descriptor, with which the hold would go on.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let options = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options
    };
    match options().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            options().open(path)
        }
        other => other,
    }
}

fn failed(error: io::Error, path: &Path) -> Error {
    Error::io(error, format!("cannot lock `{}`", path.display()))
}
