//! Directory entries, one getdents64(2) at a time.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

/// Bytes of one listing: about a thousand short names.
const BUFFER: usize = 32 * 1024;

/// Names, stored one after the other.
#[derive(Default)]
pub(crate) struct Names(Vec<u8>);

impl Names {
    pub(crate) fn push(&mut self, name: &CStr) {
        self.0.extend_from_slice(name.to_bytes_with_nul());
    }

    /// Takes the name that was added last.
    pub(crate) fn pop(&mut self) -> Option<CString> {
        let content = self.0.len().checked_sub(1)?;
        let start = self.0[..content].iter().rposition(|&byte| byte == 0).map_or(0, |index| index + 1);
        let name = CStr::from_bytes_with_nul(&self.0[start..]).ok()?.to_owned();
        self.0.truncate(start);
        Some(name)
    }

    /// Returns how many bytes are stored.
    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }
}

/// The entries of one listing, without `.` and `..`.
pub(crate) struct Listing {
    buffer: Vec<MaybeUninit<u8>>,
    names: Vec<u8>,
    entries: Vec<(usize, FileType)>,
    /// Where the next listing of the same directory starts, for lseek(2).
    pub(crate) position: u64,
}

impl Listing {
    pub(crate) fn new() -> Self {
        let buffer = vec![MaybeUninit::uninit(); BUFFER];
        Self { buffer, names: Vec::new(), entries: Vec::new(), position: 0 }
    }

    /// Holds no buffer: stands in for a listing that is in use.
    pub(crate) fn empty() -> Self {
        Self { buffer: Vec::new(), names: Vec::new(), entries: Vec::new(), position: 0 }
    }

    /// Reads on in `directory`; false at its end.
    pub(crate) fn read(&mut self, directory: BorrowedFd<'_>) -> Result<bool, Errno> {
        self.names.clear();
        self.entries.clear();
        let mut raw = RawDir::new(directory, &mut self.buffer);
        let mut any = false;
        while let Some(entry) = raw.next() {
            let entry = entry?;
            any = true;
            self.position = entry.next_entry_cookie();
            let name = entry.file_name();
            if name != c"." && name != c".." {
                self.entries.push((self.names.len(), entry.file_type()));
                self.names.extend_from_slice(name.to_bytes_with_nul());
            }
            if raw.is_buffer_empty() {
                break;
            }
        }
        Ok(any)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns an entry of the last listing. The type is a hint: the entry may be another by now.
    pub(crate) fn entry(&self, index: usize) -> Option<(&CStr, FileType)> {
        let (start, kind) = *self.entries.get(index)?;
        CStr::from_bytes_until_nul(&self.names[start..]).ok().map(|name| (name, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_last_first() {
        let mut names = Names::default();
        assert_eq!(names.pop(), None);
        names.push(c"first");
        names.push(c"\xff");
        assert_eq!(names.size(), 8);
        assert_eq!(names.pop().as_deref(), Some(c"\xff"));
        assert_eq!(names.pop().as_deref(), Some(c"first"));
        assert_eq!(names.pop(), None);
    }
}
