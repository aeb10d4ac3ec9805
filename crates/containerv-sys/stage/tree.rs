//! Paths below the container's root.
//!
//! Every path is resolved by the kernel relative to the root's descriptor, so that symbolic
//! links, `..` and races inside the container cannot lead outside (openat2(2)).

use crate::call;
use crate::sys::{self, Sys, resolve};

/// Longest path that is handled, as the kernel's PATH_MAX.
const PATH_MAX: usize = 4096;

/// A path with room to end it at any component.
pub struct PathBuffer {
    bytes: [u8; PATH_MAX],
    length: usize,
}

impl PathBuffer {
    /// Copies a path. `ENAMETOOLONG` as the kernel would say.
    pub fn new(path: &[u8]) -> Sys<Self> {
        const ENAMETOOLONG: i32 = 36;
        let mut buffer = Self { bytes: [0; PATH_MAX], length: path.len() };
        match buffer.bytes.get_mut(..path.len()) {
            Some(place) if path.len() < PATH_MAX => place.copy_from_slice(path),
            _ => return Err(ENAMETOOLONG),
        }
        Ok(buffer)
    }

    fn pointer(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    /// Runs `action` on the text of the first `end` bytes.
    fn with_end<T>(&mut self, end: usize, action: impl FnOnce(*const u8) -> T) -> T {
        let kept = self.bytes[end];
        self.bytes[end] = 0;
        let result = action(self.bytes.as_ptr());
        self.bytes[end] = kept;
        result
    }
}

/// How a path is resolved.
#[derive(Clone, Copy)]
pub struct Rules {
    flags: u64,
}

impl Rules {
    /// Absolute links and `..` stay inside the root.
    pub const CONFINED: Self = Self { flags: resolve::IN_ROOT | resolve::NO_MAGICLINKS };
    /// What would leave the root is refused (`EXDEV`).
    pub const STRICT: Self = Self { flags: resolve::BENEATH | resolve::NO_MAGICLINKS };
    /// No symbolic link at all.
    pub const NO_LINKS: Self = Self { flags: resolve::IN_ROOT | resolve::NO_SYMLINKS };
}

/// Opens a path below `root`.
pub fn open(root: i32, path: &[u8], flags: i32, rules: Rules) -> Sys<i32> {
    let relative = strip_slashes(path);
    let buffer = PathBuffer::new(if relative.is_empty() { b"." } else { relative })?;
    sys::openat2(root, buffer.pointer(), flags | sys::O_CLOEXEC, 0, rules.flags)
}

fn strip_slashes(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/") {
        path = rest;
    }
    path
}

/// Opens a directory below `root`, making what is missing of it.
pub fn make_directories(root: i32, path: &[u8], rules: Rules) -> Sys<i32> {
    let mut buffer = PathBuffer::new(strip_slashes(path))?;
    let mut end = 0;
    let mut current = open(root, b"", sys::O_PATH | sys::O_DIRECTORY, rules)?;
    while end < buffer.length {
        let start = end;
        while end < buffer.length && buffer.bytes[end] != b'/' {
            end += 1;
        }
        let parent = current;
        let opened = match buffer.with_end(end, |prefix| open_directory(root, prefix, rules)) {
            Err(sys::ENOENT) => {
                // SAFETY: `start` is inside the buffer.
                let made = buffer.with_end(end, |prefix| make_one(parent, unsafe { prefix.add(start) }));
                made.and_then(|()| buffer.with_end(end, |prefix| open_directory(root, prefix, rules)))
            }
            other => other,
        };
        sys::close(parent);
        current = opened?;
        while end < buffer.length && buffer.bytes[end] == b'/' {
            end += 1;
        }
    }
    Ok(current)
}

fn open_directory(root: i32, prefix: *const u8, rules: Rules) -> Sys<i32> {
    sys::openat2(root, prefix, sys::O_PATH | sys::O_DIRECTORY | sys::O_CLOEXEC, 0, rules.flags)
}

fn make_one(parent: i32, name: *const u8) -> Sys<()> {
    match call!(MKDIRAT, parent, name, 0o755) {
        Ok(_) | Err(sys::EEXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes an empty file below `root`, with its directories, unless it is there.
pub fn make_file(root: i32, path: &[u8], rules: Rules) -> Sys<()> {
    let path = strip_slashes(path);
    let split = path.iter().rposition(|byte| *byte == b'/');
    let (directory, name) = match split {
        Some(index) => (&path[..index], &path[index + 1..]),
        None => (&b""[..], path),
    };
    let parent = make_directories(root, directory, rules)?;
    let name = PathBuffer::new(name)?;
    let flags = sys::O_CREAT | sys::O_EXCL | sys::O_NOFOLLOW | sys::O_CLOEXEC | sys::O_WRONLY;
    let made = call!(OPENAT, parent, name.pointer(), flags, 0o644);
    sys::close(parent);
    match made {
        Ok(fd) => sys::close(fd as i32),
        Err(sys::EEXIST) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
