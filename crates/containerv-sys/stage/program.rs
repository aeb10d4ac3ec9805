//! Reading a program. Also compiled into the library, for its tests.

use super::wire::HEADER_WORDS;

/// A program in memory. Every offset is checked against its length.
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
    /// Takes a program that lies in memory. Its last byte must be NUL, so that every text in it ends
    /// in it.
    ///
    /// # Safety
    ///
    /// `base` must be aligned to a word, and its `bytes` must be readable and writable, and by nobody
    /// else, for as long as the program is used.
    pub unsafe fn over(base: *mut u8, bytes: usize) -> Option<Self> {
        // SAFETY: the last of the bytes, as the caller promises.
        let ends = bytes > HEADER_WORDS * 8 && unsafe { *base.add(bytes - 1) } == 0;
        ends.then_some(Self { base, bytes })
    }

    /// Returns the descriptor of the report channel.
    pub fn channel(&self) -> i32 {
        self.word(HEADER_WORDS - 1).unwrap_or(0) as i32
    }

    fn word(&self, index: usize) -> Option<u64> {
        // SAFETY: the program is aligned to a word, and the word lies inside it.
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
        // SAFETY: `position + 1` is at most `next`, which is inside the program or at its end.
        let words = unsafe { self.base.cast::<u64>().add(position + 1) };
        Some(Operation { code: head as u16, step: (head >> 32) as u32, next, words, count })
    }

    /// Returns the text at an offset; null for none. It ends with NUL inside the program.
    pub fn text(&self, offset: u64) -> *const u8 {
        if offset == 0 || offset as usize >= self.bytes {
            return core::ptr::null();
        }
        // SAFETY: inside the program.
        unsafe { self.base.add(offset as usize) }
    }

    /// Returns the bytes of the text at an offset, without its NUL.
    pub fn bytes(&self, offset: u64) -> &[u8] {
        let rest = match (self.bytes as u64).checked_sub(offset) {
            Some(length) if offset != 0 => self.blob(offset, length),
            _ => &[],
        };
        rest.split(|byte| *byte == 0).next().unwrap_or(&[])
    }

    /// Returns a blob.
    pub fn blob(&self, offset: u64, length: u64) -> &[u8] {
        match (offset as usize).checked_add(length as usize) {
            // SAFETY: inside the program, which lives as long as `self`.
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

    /// Turns a list's offsets into pointers, in place, as execve(2) takes them. An entry that was
    /// replaced is one already.
    pub fn pointers(&self, offset: u64) -> *const *const u8 {
        let first = offset as usize / 8;
        if first >= self.bytes / 8 {
            return core::ptr::null();
        }
        let mut index = first;
        while let Some(entry) = self.word(index).filter(|entry| *entry != 0) {
            if (entry as usize) < self.bytes {
                // SAFETY: `word` has checked the index, and the entry is inside; the program is writable.
                unsafe { *(self.base.cast::<u64>().add(index)) = self.base.add(entry as usize) as u64 };
            }
            index += 1;
        }
        // SAFETY: inside the program.
        unsafe { self.base.cast::<u64>().add(first) as *const *const u8 }
    }

    /// Replaces one entry of a list by the pointer to a text outside the program.
    pub fn set_entry(&self, list: u64, index: u64, pointer: *const u8) {
        let place = (list as usize / 8).checked_add(index as usize);
        if let Some(place) = place.filter(|place| *place < self.bytes / 8) {
            // SAFETY: inside the program, which is writable.
            unsafe { *(self.base.cast::<u64>().add(place)) = pointer as u64 };
        }
    }
}
