//! Owner, group and access list of a file.

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION, GetKernelObjectSecurity,
    IsValidSecurityDescriptor, OWNER_SECURITY_INFORMATION, SetKernelObjectSecurity,
};

const PARTS: u32 = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
/// The largest access list, 64 KiB, with owner and group.
const LARGEST: usize = 72 << 10;
/// Revision, control and four offsets.
const HEAD: usize = 20;

/// Returns the security descriptor of a file, self-relative: owner, group, access list.
///
/// # Errors
///
/// The system's.
pub fn security_descriptor(file: BorrowedHandle<'_>) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0_u64; 64];
    loop {
        let mut needed = 0;
        let bytes = buffer.len() * 8;
        // SAFETY: the file is open; the buffer is as large as said.
        let success = unsafe {
            let start = buffer.as_mut_ptr().cast();
            GetKernelObjectSecurity(file.as_raw_handle(), PARTS, start, bytes as u32, &raw mut needed)
        };
        let needed = needed as usize;
        if success != 0 {
            let descriptor = buffer.iter().flat_map(|part| part.to_le_bytes());
            return Ok(descriptor.take(if needed == 0 { bytes } else { needed }).collect());
        }
        let error = io::Error::last_os_error();
        let short = error.raw_os_error() == Some(ERROR_INSUFFICIENT_BUFFER.cast_signed());
        if !short || needed <= bytes || needed > LARGEST {
            return Err(error);
        }
        buffer.resize(needed.div_ceil(8), 0);
    }
}

/// Gives a file, opened for that, a self-relative security descriptor. To give a file to others takes
/// `SeRestorePrivilege`.
///
/// # Errors
///
/// The system's; `InvalidData` for what is no self-relative security descriptor.
pub fn set_security_descriptor(file: BorrowedHandle<'_>, descriptor: &[u8]) -> io::Result<()> {
    if !is_contained(descriptor) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut aligned = vec![0_u64; descriptor.len().div_ceil(8)];
    let start = aligned.as_mut_ptr();
    // SAFETY: the vector has room for the bytes.
    unsafe { std::ptr::copy_nonoverlapping(descriptor.as_ptr(), start.cast::<u8>(), descriptor.len()) };
    // SAFETY: each part begins and ends within the buffer, as was checked before.
    if unsafe { IsValidSecurityDescriptor(start.cast()) } == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: as above; the file is open.
    let success = unsafe { SetKernelObjectSecurity(file.as_raw_handle(), PARTS, start.cast()) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Says whether all parts of a self-relative descriptor are in its bytes: the system's check follows
/// the offsets without knowing where they end.
fn is_contained(descriptor: &[u8]) -> bool {
    const SELF_RELATIVE: u16 = 0x8000;
    if descriptor.len() < HEAD || descriptor.len() > LARGEST {
        return false;
    }
    let short = |at: usize| descriptor.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let offset = |at: usize| {
        let bytes = descriptor.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(usize::MAX, |bytes| u32::from_le_bytes(bytes) as usize)
    };
    let part = |at: usize, length: &dyn Fn(usize) -> Option<usize>| match offset(at) {
        0 => true,
        start if start < HEAD || !start.is_multiple_of(4) => false,
        start => length(start)
            .and_then(|length| start.checked_add(length))
            .is_some_and(|end| end <= descriptor.len()),
    };
    // A SID has a count of parts of four bytes behind eight others; a list has its size.
    let identifier = |start: usize| descriptor.get(start + 1).map(|count| 8 + 4 * usize::from(*count));
    let list = |start: usize| short(start + 2).map(usize::from);
    short(2).is_some_and(|control| control & SELF_RELATIVE != 0)
        && part(4, &identifier)
        && part(8, &identifier)
        && part(12, &list)
        && part(16, &list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_that_leave_the_bytes_are_refused() {
        let mut descriptor = vec![0; 20 + 12];
        descriptor[0] = 1;
        descriptor[3] = 0x80;
        descriptor[4] = 20;
        descriptor[20] = 1;
        descriptor[21] = 1;
        assert!(is_contained(&descriptor));
        for (at, value) in [(3, 0), (4, 28), (4, 21), (4, 8), (21, 2), (5, 1), (8, 32), (16, 30)] {
            let mut changed = descriptor.clone();
            changed[at] = value;
            assert!(!is_contained(&changed), "{at} {value}");
        }
        assert!(!is_contained(&descriptor[..19]) && !is_contained(&[]));
    }
}
