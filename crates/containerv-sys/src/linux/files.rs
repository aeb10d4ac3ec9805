//! Files on their way to the disk.

// UNSAFETY: sync_file_range(2), which rustix does not have.
#![allow(unsafe_code, reason = "sync_file_range(2) has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Begins to write the changed bytes of a part of a file to the disk, and does not wait for it. Says nothing about
/// what is on the disk: that takes fsync(2) or syncfs(2), which then have less to wait for.
///
/// # Errors
///
/// The system's; `InvalidInput` for a part that no file can have.
pub fn begin_writing(file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<()> {
    let part = i64::try_from(offset).ok().zip(i64::try_from(length).ok());
    let (offset, length) = part.ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open as long as it is borrowed; the other arguments are numbers.
    let result =
        unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn writing_is_begun_in_files_alone() {
        let path = std::env::temp_dir().join(format!("containerv-begin-writing-{}", std::process::id()));
        let mut file = File::create(&path).unwrap();
        file.write_all(&[1; 10_000]).unwrap();
        begin_writing(file.as_fd(), 0, 8192).unwrap();
        begin_writing(file.as_fd(), 8192, 1808).unwrap();
        assert_eq!(begin_writing(file.as_fd(), u64::MAX, 1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(fs::read(&path).unwrap(), [1; 10_000]);
        fs::remove_file(&path).unwrap();
        let (pipe, _other) = io::pipe().unwrap();
        assert!(begin_writing(pipe.as_fd(), 0, 1).is_err());
    }
}
