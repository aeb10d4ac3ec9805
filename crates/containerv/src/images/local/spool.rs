//! A file for bytes on their way, which nobody has to clean up.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Content;
use crate::images::store::temporary;
use crate::{Error, Result};

/// A file that ends with this process. On Linux it has no name.
#[derive(Debug)]
pub(in crate::images) struct Spool {
    file: Arc<File>,
    path: PathBuf,
}

impl Spool {
    /// Makes one in a directory.
    pub(in crate::images) fn new(directory: &Path) -> Result<Self> {
        let path = temporary(directory);
        let failed = |error| Error::io(error, format!("cannot make a file in `{}`", directory.display()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        let spool = Self { file: Arc::new(file), path };
        if cfg!(unix) {
            spool.unlink();
        }
        Ok(spool)
    }

    /// The bytes that were written.
    pub(in crate::images) fn content(&self) -> Result<Content> {
        let size = self.file.metadata().map_err(|error| Error::io(error, "look at what was written"))?.len();
        Ok(Content::Part { file: self.file.clone(), offset: 0, size })
    }

    pub(in crate::images) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    fn unlink(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if !cfg!(unix) {
            self.unlink();
        }
    }
}

impl Write for &Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.file).flush()
    }
}
