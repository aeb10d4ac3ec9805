//! Data of reparse points, as it is stored.

use std::io;
use std::os::windows::io::BorrowedHandle;

use windows_sys::Win32::Storage::FileSystem::MAXIMUM_REPARSE_DATA_BUFFER_SIZE;
use windows_sys::Win32::System::Ioctl::{FSCTL_GET_REPARSE_POINT, FSCTL_SET_REPARSE_POINT};

use super::content::control;

/// Reads the data of an open reparse point, its tag and length in front (`REPARSE_DATA_BUFFER`).
///
/// # Errors
///
/// The system's; `ERROR_NOT_A_REPARSE_POINT` (4390) for other files.
pub fn reparse_data(file: BorrowedHandle<'_>) -> io::Result<Vec<u8>> {
    let mut data = vec![0; MAXIMUM_REPARSE_DATA_BUFFER_SIZE as usize];
    let used = control(file, FSCTL_GET_REPARSE_POINT, &[], &mut data)?;
    data.truncate(used);
    Ok(data)
}

/// Makes a reparse point of an open, empty file or directory.
///
/// # Errors
///
/// The system's; symbolic links need `SeCreateSymbolicLinkPrivilege`.
pub fn set_reparse_data(file: BorrowedHandle<'_>, data: &[u8]) -> io::Result<()> {
    control(file, FSCTL_SET_REPARSE_POINT, data, &mut []).map(drop)
}
