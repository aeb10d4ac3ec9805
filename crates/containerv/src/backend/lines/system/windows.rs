//! Windows.

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
use std::os::windows::io::BorrowedHandle;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containerv_sys::windows::file;
use containerv_sys::windows::wait;

use super::Identity;

/// How often is looked. The system tells of what is appended to an open file only when that is closed.
const POLL: Duration = Duration::from_millis(50);

/// The directory of a series.
pub(crate) type Directory = PathBuf;

/// Finds the directory of a series; none if there is none.
pub(crate) fn open_directory(path: &Path) -> io::Result<Option<Directory>> {
    Ok(path.is_dir().then(|| path.to_owned()))
}

/// An open file of a series, which others can rename and remove meanwhile.
#[derive(Debug)]
pub(in super::super) struct OpenFile(File);

impl OpenFile {
    /// Opens a file, with what tells it from others and its size; none if there is none.
    pub(in super::super) fn open(
        directory: &Directory,
        name: &str,
    ) -> io::Result<Option<(Self, Identity, u64)>> {
        let file = match File::open(directory.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let (identity, size) = (file::identity(&file)?, file.metadata()?.len());
        Ok(Some((Self(file), identity, size)))
    }

    pub(in super::super) fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    pub(in super::super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.seek_read(buffer, offset)
    }
}

/// Returns what tells the file of a name from others; none if there is none.
pub(in super::super) fn identity(directory: &Directory, name: &str) -> io::Result<Option<Identity>> {
    Ok(OpenFile::open(directory, name)?.map(|(_, identity, _)| identity))
}

/// A look-out for changes of the files in a directory.
#[derive(Debug)]
pub(crate) struct Watch;

impl Watch {
    /// Watches a directory from now on.
    pub(crate) fn new(_: &Directory) -> Self {
        Self
    }

    /// Waits until something may have changed, one of the handles is signaled, or some time passed.
    pub(crate) fn wait(&self, others: &[BorrowedHandle<'_>], most: Duration) {
        let most = most.min(POLL);
        // However it ends, the caller looks itself.
        if others.is_empty() || wait::wait_any(others, Some(most)).is_err() {
            std::thread::sleep(most);
        }
    }
}
