//! Finding the program that the library has prepared.

use crate::call;
use crate::program::Program;
use crate::sys;
use crate::wire::{HEADER_WORDS, MAGIC};

/// Maps the file whose descriptor `argv[1]` names, and closes it.
pub fn from_arguments(argc: usize, argv: *const usize) -> Option<Program> {
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
    map(fd as i32)
}

fn map(fd: i32) -> Option<Program> {
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
    // SAFETY: the library writes the length of the file into its header; the mapping is private.
    unsafe { Program::over(base as *mut u8, bytes) }
}
