//! Extended attributes.

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Wdk::Storage::FileSystem::NtSetEaFile;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::checked;

/// Gives a file, opened for that, extended attributes: a list of `FILE_FULL_EA_INFORMATION` ([MS-FSCC] 2.4.16).
///
/// # Errors
///
/// The system's; it refuses a list that is none.
pub fn set_extended(file: BorrowedHandle<'_>, list: &[u8]) -> io::Result<()> {
    let length = u32::try_from(list.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    // The system wants it aligned.
    let mut aligned = vec![0_u64; list.len().div_ceil(8)];
    // SAFETY: the vector has room for the bytes.
    unsafe { std::ptr::copy_nonoverlapping(list.as_ptr(), aligned.as_mut_ptr().cast::<u8>(), list.len()) };
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: the file is open for synchronous use; the buffer has as many bytes as said, and the system looks at
    // each offset in it before it follows one.
    let code = unsafe { NtSetEaFile(file.as_raw_handle(), &raw mut status, aligned.as_ptr().cast(), length) };
    checked(code)
}
