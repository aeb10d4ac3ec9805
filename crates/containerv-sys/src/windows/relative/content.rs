//! Where a file has content and where holes.

use std::io;
use std::ops::Range;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{FSCTL_QUERY_ALLOCATED_RANGES, FSCTL_SET_SPARSE};

/// How many ranges one call returns.
const RANGES: usize = 1024;

/// Lets a file that is open for writing have holes.
///
/// # Errors
///
/// The system's: not every file system has them.
pub fn set_sparse(file: BorrowedHandle<'_>) -> io::Result<()> {
    control(file, FSCTL_SET_SPARSE, &[1], &mut []).map(drop)
}

/// Lists the first ranges of bytes at or behind `from`, and before `size`, that may hold something
/// other than zeros; empty if there are no more.
///
/// # Errors
///
/// The system's.
pub fn allocated_ranges(file: BorrowedHandle<'_>, from: u64, size: u64) -> io::Result<Vec<Range<u64>>> {
    if from >= size {
        return Ok(Vec::new());
    }
    let mut input = [0; 16];
    input[..8].copy_from_slice(&from.to_le_bytes());
    input[8..].copy_from_slice(&(size - from).to_le_bytes());
    let mut output = vec![0; RANGES * 16];
    let used = control(file, FSCTL_QUERY_ALLOCATED_RANGES, &input, &mut output)?;
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    let ranges = output[..used].chunks_exact(16).map(|range| {
        let (start, length) = (number(&range[..8]), number(&range[8..]));
        start.max(from)..start.saturating_add(length).min(size)
    });
    Ok(ranges.filter(|range| !range.is_empty()).collect())
}

/// Asks the file system; returns how many bytes of the answer were filled. An answer that is cut off
/// is one too.
pub(super) fn control(
    file: BorrowedHandle<'_>,
    code: u32,
    input: &[u8],
    output: &mut [u8],
) -> io::Result<usize> {
    let mut used = 0;
    let (input_bytes, output_bytes) = (input.len() as u32, output.len() as u32);
    // SAFETY: the file is open for synchronous use, so that the call waits for its end; both buffers
    // are as large as said.
    let success = unsafe {
        let (input, output) = (input.as_ptr().cast(), output.as_mut_ptr().cast());
        let used = &raw mut used;
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            input,
            input_bytes,
            output,
            output_bytes,
            used,
            ptr::null_mut(),
        )
    };
    if success == 0 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(ERROR_MORE_DATA.cast_signed()) || used == 0 {
            return Err(error);
        }
    }
    Ok(output.len().min(used as usize))
}
