//! Linux.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// The newest file, open for appends.
pub(in super::super) struct Appended(File);

impl Appended {
    /// Opens it; makes it if it is missing.
    pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(Self(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?.into()))
    }

    /// Locks it unless somebody else has; says whether it did.
    pub(in super::super) fn try_lock(&mut self) -> io::Result<bool> {
        loop {
            match rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Ok(false),
                locked => return Ok(locked.map(|()| true)?),
            }
        }
    }

    /// Its size, and whether it is still the file of this name.
    pub(in super::super) fn look(&self, path: &Path) -> io::Result<(u64, bool)> {
        let stat = rustix::fs::fstat(&self.0)?;
        let named = rustix::fs::stat(path);
        let is_newest = named.is_ok_and(|named| (named.st_dev, named.st_ino) == (stat.st_dev, stat.st_ino));
        Ok((u64::try_from(stat.st_size).unwrap_or(0), is_newest))
    }

    pub(in super::super) fn file(&self) -> &File {
        &self.0
    }

    /// Takes back what was written behind this size.
    pub(in super::super) fn truncate(&self, _: &Path, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }
}

/// Opens an older file; its size comes along.
pub(in super::super) fn open_older(path: &Path) -> io::Result<(File, u64)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// Reads at a place; retries what a signal has interrupted.
pub(in super::super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
