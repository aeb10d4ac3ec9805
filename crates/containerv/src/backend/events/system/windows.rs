//! Windows.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::FileExt;
use std::path::Path;

use containerv_sys::windows::file;
use containerv_sys::windows::lock::{Lock, Sharing};

/// The newest file, open for appends.
pub(in super::super) struct Appended {
    file: File,
    /// Of the same open file.
    lock: Option<Lock>,
}

impl Appended {
    /// Opens it; makes it if it is missing.
    pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        Ok(Self { file, lock: None })
    }

    /// Locks it unless somebody else has; says whether it did.
    pub(in super::super) fn try_lock(&mut self) -> io::Result<bool> {
        self.lock = Lock::try_now(self.file.try_clone()?, Sharing::Exclusive)?;
        Ok(self.lock.is_some())
    }

    /// Its size, and whether it is still the file of this name.
    pub(in super::super) fn look(&self, path: &Path) -> io::Result<(u64, bool)> {
        let own = file::identity(&self.file)?;
        let named = File::open(path).and_then(|named| file::identity(&named));
        Ok((self.file.metadata()?.len(), named.is_ok_and(|named| named == own)))
    }

    pub(in super::super) fn file(&self) -> &File {
        &self.file
    }

    /// Takes back what was written behind this size. Who appends has no right to that.
    pub(in super::super) fn truncate(&self, path: &Path, size: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(size)
    }
}

/// Opens an older file; its size comes along.
pub(in super::super) fn open_older(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

pub(in super::super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buffer, offset)
}
