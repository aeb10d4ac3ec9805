//! What is in a directory.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle};
use std::ptr;

use windows_sys::Wdk::Storage::FileSystem::{FileFullDirectoryInformation, NtQueryDirectoryFile};
use windows_sys::Win32::Foundation::{STATUS_NO_MORE_FILES, STATUS_NO_SUCH_FILE, UNICODE_STRING};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::{Access, How, check, checked, reopen, unicode};

/// Bytes of one listing: some hundred entries.
const BUFFER: usize = 64 * 1024;
/// `FILE_FULL_DIR_INFORMATION`: where its fields are.
const ATTRIBUTES: usize = 56;
const NAME_BYTES: usize = 60;
const TAG: usize = 64;
const NAME: usize = 68;

/// One entry of a directory, as it was when it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in UTF-16.
    pub name: Vec<u16>,
    /// `FILE_ATTRIBUTE_...`.
    pub attributes: u32,
    /// Kind of reparse point, if the attributes say that it is one.
    pub tag: u32,
}

/// Entries of directories, some hundred at a time.
pub struct Listing {
    /// Aligned as the structures in it.
    buffer: Vec<u64>,
}

impl Default for Listing {
    fn default() -> Self {
        Self { buffer: vec![0; BUFFER / 8] }
    }
}

impl Listing {
    /// Reads on in a directory, where the last call for this handle ended; empty at its end. `.` and
    /// `..` are left out.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn read(&mut self, directory: BorrowedHandle<'_>) -> io::Result<Vec<Entry>> {
        loop {
            let Some(used) = self.fill(directory, None)? else { return Ok(Vec::new()) };
            let entries = entries(&self.bytes()[..used]);
            // A listing may have had those two only.
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
    }

    /// How many bytes of the buffer are filled; none at the end.
    fn fill(
        &mut self,
        directory: BorrowedHandle<'_>,
        pattern: Option<&UNICODE_STRING>,
    ) -> io::Result<Option<usize>> {
        let mut status = IO_STATUS_BLOCK::default();
        let length = (self.buffer.len() * 8) as u32;
        // SAFETY: the directory is open for synchronous use; the buffer is as large as said; the
        // pattern outlives the call.
        let code = unsafe {
            NtQueryDirectoryFile(
                directory.as_raw_handle(),
                ptr::null_mut(),
                None,
                ptr::null(),
                &raw mut status,
                self.buffer.as_mut_ptr().cast(),
                length,
                FileFullDirectoryInformation,
                false,
                pattern.map_or(ptr::null(), ptr::from_ref),
                pattern.is_some(),
            )
        };
        if matches!(code, STATUS_NO_MORE_FILES | STATUS_NO_SUCH_FILE) {
            return Ok(None);
        }
        checked(code)?;
        Ok(Some(status.Information.min(length as usize)))
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the vector's own memory, and bytes have no alignment.
        unsafe { std::slice::from_raw_parts(self.buffer.as_ptr().cast(), self.buffer.len() * 8) }
    }
}

/// Returns the name that a directory really has for `name`: in its own upper and lower case, and long
/// if `name` is a short one; none if there is nothing.
///
/// # Errors
///
/// The system's; `InvalidFilename` as [`super::open`], and for a name with wildcards.
pub fn actual_name(directory: BorrowedHandle<'_>, name: &[u16]) -> io::Result<Option<Vec<u16>>> {
    const WILD: [u16; 5] = [b'*' as u16, b'?' as u16, b'<' as u16, b'>' as u16, b'"' as u16];
    check(name)?;
    if name.iter().any(|unit| WILD.contains(unit)) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    let pattern = unicode(name)?;
    // A handle keeps the pattern of its first listing.
    let directory = reopen(directory, How::directory(Access::LIST, true))?;
    let mut listing = Listing { buffer: vec![0; 4096 / 8] };
    let Some(used) = listing.fill(directory.as_handle(), Some(&pattern))? else { return Ok(None) };
    let found = entries(&listing.bytes()[..used]);
    let exact = found.iter().position(|entry| entry.name == name).unwrap_or(0);
    Ok(found.into_iter().nth(exact).map(|entry| entry.name))
}

/// Takes the entries out of a filled buffer; what does not fit is left out, as the system never does it.
fn entries(bytes: &[u8]) -> Vec<Entry> {
    const DOT: u16 = b'.' as u16;
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        let Some((next, entry)) = entry(rest) else { break };
        if !matches!(entry.name[..], [] | [DOT] | [DOT, DOT]) {
            found.push(entry);
        }
        if next == 0 {
            break;
        }
        at += next;
    }
    found
}

/// The first entry, and how far it is to the next one.
fn entry(bytes: &[u8]) -> Option<(usize, Entry)> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let length = usize::try_from(number(NAME_BYTES)?).ok()?;
    let name = bytes.get(NAME..NAME.checked_add(length)?)?;
    let name = name.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    let next = usize::try_from(number(0)?).ok()?;
    Some((next, Entry { name, attributes: number(ATTRIBUTES)?, tag: number(TAG)? }))
}
