//! A directory of each thread's own, removed with the thread.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that is removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes a new, empty directory that others cannot enter: archives make set-uid files in it.
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("containerv-fuzz-{name}-{}-{number}", std::process::id());
        let path = place().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).expect("a scratch directory is made");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Memory, where there is some: a disk flushes what is written over, each time.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let writable = fs::metadata(memory).is_ok_and(|found| found.is_dir() && found.mode() & 0o1777 == 0o1777);
    if writable { memory.to_owned() } else { std::env::temp_dir() }
}
