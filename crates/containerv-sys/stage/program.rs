//! Reading a program.

use crate::call;
use crate::sys;
use crate::wire::{HEADER_WORDS, MAGIC};

/// A mapped program. Every offset is checked against its length.
pub struct Program {
    base: *mut u8,
    bytes: usize,
}

/// One operation.
pub struct Operation {
    /// What to do.
    pub code: u16,
    /// The plan's step that it belongs to.
    pub step: u32,
    /// Where the next one begins, in words.
    pub next: usize,
    words: *const u64,
    count: usize,
}

impl Operation {
    /// Returns an argument; one that is missing is 0.
    pub fn arg(&self, index: usize) -> u64 {
        // SAFETY: `Program::operation` has checked that `count` words lie inside the program.
        if index < self.count { unsafe { *self.words.add(index) } } else { 0 }
    }

    /// Returns an argument as the signed number that a descriptor or flag word is.
    pub fn int(&self, index: usize) -> i32 {
        self.arg(index) as i32
    }
}

impl Program {
    /// Maps the file whose descriptor `argv[1]` names, and closes it.
    pub fn from_arguments(argc: usize, argv: *const usize) -> Option<Self> {
        if argc < 2 {
            return None;
        }
        // SAFETY: `argv` has `argc` entries, each a text ended by NUL.
        let text = unsafe { *argv.add(1) as *const u8 };
        // SAFETY: as above.
        let length = unsafe { sys::strlen(text) };
        let mut fd = 0usize;
        for index in 0..length {
            // SAFETY: `index < length`.
            let digit = unsafe { *text.add(index) }.wrapping_sub(b'0');
            if digit > 9 || fd > 1 << 24 {
                return None;
            }
            fd = fd * 10 + usize::from(digit);
        }
        Self::map(fd as i32)
    }

    fn map(fd: i32) -> Option<Self> {
        const PROT_READ_WRITE: usize = 3;
        const MAP_PRIVATE: usize = 2;
        let mut header = [0u64; HEADER_WORDS];
        let size = core::mem::size_of_val(&header);
        if call!(READ, fd, header.as_mut_ptr(), size) != Ok(size) || header[0] != MAGIC {
            return None;
        }
        let bytes = header[1] as usize;
        let base = call!(@ MMAP, 0, bytes, PROT_READ_WRITE, MAP_PRIVATE, fd, 0).ok()?;
        sys::close(fd);
        Some(Self { base: base as *mut u8, bytes })
    }

    /// Returns the descriptor of the report channel.
    pub fn channel(&self) -> i32 {
        self.word(HEADER_WORDS - 1).unwrap_or(0) as i32
    }

    fn word(&self, index: usize) -> Option<u64> {
        // SAFETY: the mapping is aligned to a page, and the word lies inside it.
        (index < self.bytes / 8).then(|| unsafe { *(self.base.cast::<u64>().add(index)) })
    }

    /// Returns the operation at a position in words.
    pub fn operation(&self, position: usize) -> Option<Operation> {
        let head = self.word(position)?;
        let count = (head >> 16 & 0xffff) as usize;
        let next = position + 1 + count;
        if next > self.bytes / 8 {
            return None;
        }
        // SAFETY: `position + 1` is at most `next`, which is inside the mapping or at its end.
        let words = unsafe { self.base.cast::<u64>().add(position + 1) };
        Some(Operation { code: head as u16, step: (head >> 32) as u32, next, words, count })
    }

    /// Returns the text at an offset; null for none. The library ends each text with NUL, and the
    /// program's last byte is NUL.
    pub fn text(&self, offset: u64) -> *const u8 {
        if offset == 0 || offset as usize >= self.bytes {
            return core::ptr::null();
        }
        // SAFETY: inside the mapping.
        unsafe { self.base.add(offset as usize) }
    }

    /// Returns the bytes of the text at an offset, without its NUL.
    pub fn bytes(&self, offset: u64) -> &[u8] {
        let text = self.text(offset);
        if text.is_null() {
            return &[];
        }
        // SAFETY: the text ends with NUL inside the mapping, which lives as long as `self`.
        unsafe { core::slice::from_raw_parts(text, sys::strlen(text)) }
    }

    /// Returns a blob.
    pub fn blob(&self, offset: u64, length: u64) -> &[u8] {
        match (offset as usize).checked_add(length as usize) {
            // SAFETY: inside the mapping, which lives as long as `self`.
            Some(end) if end <= self.bytes => unsafe {
                core::slice::from_raw_parts(self.base.add(offset as usize), length as usize)
            },
            _ => &[],
        }
    }

    /// Returns the offsets of a list's entries, one after the other.
    pub fn list(&self, offset: u64) -> impl Iterator<Item = u64> + '_ {
        let first = if offset == 0 { usize::MAX } else { offset as usize / 8 };
        (0..).map_while(move |index| self.word(first.checked_add(index)?).filter(|entry| *entry != 0))
    }

    /// Turns a list's offsets into pointers, in place, as execve(2) takes them.
    pub fn pointers(&self, offset: u64) -> *const *const u8 {
        let first = offset as usize / 8;
        let mut index = first;
        while let Some(entry) = self.word(index).filter(|entry| *entry != 0 && (*entry as usize) < self.bytes) {
            // SAFETY: `word` has checked the index; the mapping is private and writable.
            unsafe { *(self.base.cast::<u64>().add(index)) = self.base.add(entry as usize) as u64 };
            index += 1;
        }
        // SAFETY: inside the mapping.
        unsafe { self.base.cast::<u64>().add(first) as *const *const u8 }
    }

    /// Replaces one entry of a list by the pointer to a text outside the program.
    pub fn set_entry(&self, list: u64, index: u64, pointer: *const u8) {
        let place = list as usize / 8 + index as usize;
        if place < self.bytes / 8 {
            // SAFETY: inside the private, writable mapping.
            unsafe { *(self.base.cast::<u64>().add(place)) = pointer as u64 };
        }
    }
}
