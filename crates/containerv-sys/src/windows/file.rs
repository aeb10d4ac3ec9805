//! Files that are replaced as a whole, and what tells one file from another.

// UNSAFETY: what the system knows of an open file, which the standard library does not tell yet.
#![allow(unsafe_code, reason = "numbers of files have no safe wrapper")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::windows::io::AsRawHandle;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{BY_HANDLE_FILE_INFORMATION, GetFileInformationByHandle};

use super::random;
use super::retry::{Backoff, Momentary};

/// Writes a file so that whoever reads it sees the old content or the new, also after a loss of
/// power. What somebody has open in a way that forbids it is tried again for a while.
///
/// # Errors
///
/// The system's; then the old content is still there.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.new", random::hex::<8>()?));
    let temporary = path.with_file_name(temporary);
    let written = write_new(&temporary, content).and_then(|()| replace(&temporary, path));
    if written.is_err() {
        // It may never have come to be.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Moves a file in the place of another one or of none, on the same volume. Returns after the move
/// is on the disk.
///
/// # Errors
///
/// The system's; then both are as before.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    // A file that is open is not replaced by every file system, and then access is denied.
    let passes = |error: &io::Error| {
        error.is_momentary() || error.kind() == io::ErrorKind::PermissionDenied && to.is_file()
    };
    Backoff::BUSY.retry_if(passes, |_| fs::rename(from, to))?;
    // There is no way to flush a directory; to flush the file flushes the record of its move.
    Backoff::BUSY.retry(|_| OpenOptions::new().write(true).open(to))?.sync_all()
}

/// Returns the volume and the number of an open file, which no other file has at the same time.
///
/// # Errors
///
/// The system's.
pub fn identity(file: &File) -> io::Result<(u64, u64)> {
    let mut answer = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the file is open, and the rest is room for the answer.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut answer) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let number = u64::from(answer.nFileIndexHigh) << 32 | u64::from(answer.nFileIndexLow);
    Ok((u64::from(answer.dwVolumeSerialNumber), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("containerv-file-{}", random::hex::<8>().unwrap()));
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn readers_see_the_old_or_the_new_content() {
        let directory = directory();
        let path = directory.join("state.json");
        let contents: Vec<Vec<u8>> = (0..20_u8).map(|number| vec![number; 5000]).collect();
        write(&path, &contents[0]).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| contents.iter().for_each(|content| write(&path, content).unwrap()));
            for _ in 0..50 {
                let read = Backoff::BUSY.retry(|_| fs::read(&path)).unwrap();
                assert!(contents.contains(&read), "{} bytes", read.len());
            }
        });
        assert_eq!(fs::read(&path).unwrap(), contents[19]);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_file_keeps_its_number_under_another_name() {
        let directory = directory();
        let (one, two) = (directory.join("one"), directory.join("two"));
        let file = File::create(&one).unwrap();
        fs::rename(&one, &two).unwrap();
        let other = File::create(&one).unwrap();
        let number = identity(&file).unwrap();
        assert_eq!(identity(&File::open(&two).unwrap()).unwrap(), number);
        assert_ne!(identity(&other).unwrap(), number);
        drop((file, other));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let directory = directory();
        let path = directory.join("taken");
        fs::create_dir(&path).unwrap();
        write(&path, b"x").unwrap_err();
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        write(&directory.join("none").join("file"), b"x").unwrap_err();
        fs::remove_dir_all(&directory).unwrap();
    }
}
