//! What makes sure that data is on the disk before its name is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Writes a file under another name, then renames it: whoever looks sees the old file or the new one, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let (temporary, mut file) = loop {
        let path = temporary(parent);
        match File::create_new(&path) {
            // Of a process that had this number and was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => break (path, made?),
        }
    };
    let write = || {
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, path)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_directory(parent))
}

/// A name that no other call of a living process uses. It begins with a dot, by which [`is_temporary`] knows it.
pub(crate) fn temporary(parent: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    parent.join(format!(".{}-{number}", std::process::id()))
}

/// Says whether a file was on its way to another name when its writer ended.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with('.')
}

/// Makes sure that the names in a directory are on the disk. Windows' journal sees to that itself.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(path)?.sync_all() }
}

/// Makes sure that everything below a directory is on the disk: one call for the file system that it is in,
/// which costs less than one for each of many files.
#[cfg(target_os = "linux")]
pub(crate) fn sync_tree(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(path)?)?)
}

/// Makes sure that everything below a directory is on the disk. Files of layers that only the system itself may
/// open are left to it.
#[cfg(windows)]
pub(crate) fn sync_tree(path: &Path) -> io::Result<()> {
    let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let entries = match fs::read_dir(path) {
        Err(error) if denied(&error) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_tree(&entry.path())?;
        } else if kind.is_file() {
            match fs::OpenOptions::new().write(true).open(entry.path()).and_then(|file| file.sync_all()) {
                Err(error) if !denied(&error) => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
