//! Removing a tree.

use crate::call;
use crate::sys::{self, AT_FDCWD, Sys};

const AT_REMOVEDIR: usize = 0x200;
const ENOTEMPTY: i32 = 39;
const EISDIR: i32 = 21;

/// Removes a directory with everything below it, holding one descriptor at a time: it goes down
/// into the first directory that is not empty and up again through `..`. Symbolic links are
/// removed, not followed; a mount point ends the removal (`EBUSY`).
pub fn tree(path: *const u8) -> Sys<()> {
    const FLAGS: i32 = sys::O_RDONLY | sys::O_DIRECTORY | sys::O_CLOEXEC | sys::O_NOFOLLOW;
    let top = match call!(OPENAT, AT_FDCWD, path, FLAGS, 0) {
        Err(sys::ENOENT) => return Ok(()),
        other => other?,
    };
    let (mut current, mut depth) = (top as i32, 0usize);
    loop {
        let next = match clear_directory(current) {
            Cleared::Empty if depth == 0 => break,
            Cleared::Empty => {
                depth -= 1;
                call!(OPENAT, current, c"..".as_ptr(), FLAGS, 0)
            }
            Cleared::Down(child) => {
                depth += 1;
                Ok(child as usize)
            }
            Cleared::Stuck(error) => Err(error),
        };
        sys::close(current);
        current = next? as i32;
    }
    sys::close(current);
    call!(UNLINKAT, AT_FDCWD, path, AT_REMOVEDIR).map(drop)
}

enum Cleared {
    Empty,
    Down(i32),
    Stuck(i32),
}

/// Removes files and empty directories; stops at the first directory that is not empty.
fn clear_directory(directory: i32) -> Cleared {
    let mut entries = [0u64; 512];
    loop {
        let _ = call!(LSEEK, directory, 0, 0);
        let mut removed = false;
        while let Ok(count) = call!(GETDENTS64, directory, entries.as_mut_ptr(), 4096) {
            if count == 0 {
                break;
            }
            let mut offset = 0;
            while offset < count {
                // SAFETY: the kernel filled `count` bytes with `struct linux_dirent64`: record
                // length at 16 (two bytes), name at 19, ended by NUL.
                let (name, length) = unsafe {
                    let record = entries.as_ptr().cast::<u8>().add(offset);
                    (record.add(19), record.add(16).cast::<u16>().read_unaligned())
                };
                offset += usize::from(length).max(1);
                match remove_entry(directory, name) {
                    Removed::Gone => removed = true,
                    Removed::Skipped => {}
                    Removed::Full => return descend(directory, name),
                    Removed::Stuck(error) => return Cleared::Stuck(error),
                }
            }
        }
        if !removed {
            return Cleared::Empty;
        }
    }
}

enum Removed {
    Gone,
    Skipped,
    Full,
    Stuck(i32),
}

fn remove_entry(directory: i32, name: *const u8) -> Removed {
    // SAFETY: `name` ends with NUL.
    let bytes = unsafe { core::slice::from_raw_parts(name, sys::strlen(name)) };
    if bytes == b"." || bytes == b".." {
        return Removed::Skipped;
    }
    match call!(UNLINKAT, directory, name, 0) {
        Ok(_) => return Removed::Gone,
        Err(EISDIR | sys::EPERM) => {}
        Err(error) => return Removed::Stuck(error),
    }
    match call!(UNLINKAT, directory, name, AT_REMOVEDIR) {
        Ok(_) => Removed::Gone,
        Err(ENOTEMPTY | sys::EEXIST) => Removed::Full,
        Err(error) => Removed::Stuck(error),
    }
}

fn descend(directory: i32, name: *const u8) -> Cleared {
    const FLAGS: i32 = sys::O_RDONLY | sys::O_DIRECTORY | sys::O_CLOEXEC | sys::O_NOFOLLOW;
    match call!(OPENAT, directory, name, FLAGS, 0) {
        Ok(fd) => Cleared::Down(fd as i32),
        Err(error) => Cleared::Stuck(error),
    }
}
