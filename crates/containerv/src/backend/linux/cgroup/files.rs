//! Bounded reads and single writes of control group files.

use std::os::fd::OwnedFd;

use containerv_spec::OsText;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Most bytes read of a file of numbers; the longest, `io.stat`, has a line for each disk.
const MOST: usize = 1 << 20;

/// Reads a file of a control group, at most 1 MiB of it.
pub(super) fn read(path: &OsText) -> Result<Vec<u8>, Errno> {
    read_at_most(path.as_bytes(), MOST)
}

/// Reads a file up to a bound; a longer one is cut off.
pub(super) fn read_at_most(path: &[u8], most: usize) -> Result<Vec<u8>, Errno> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    read_open(&file, most)
}

/// Reads a file that the kernel hands out in one piece, and spares the read that sees its end.
///
/// So are files of one record: `/proc/self/cgroup`, `cgroup.controllers`. What is longer than the
/// buffer of 4 KiB is read on, up to a bound.
pub(super) fn read_whole(path: &[u8], most: usize) -> Result<Vec<u8>, Errno> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut chunk = [0u8; 4096];
    let count = rustix::io::read(&file, &mut chunk)?;
    let mut content = chunk[..count].to_vec();
    if count == chunk.len() {
        content.extend(read_open(&file, most.saturating_sub(count))?);
    }
    Ok(content)
}

/// Reads an open file from where it stands; a longer one is cut off.
pub(super) fn read_open(file: &OwnedFd, most: usize) -> Result<Vec<u8>, Errno> {
    let mut content = Vec::new();
    let mut chunk = [0u8; 4096];
    while content.len() < most {
        let room = chunk.len().min(most - content.len());
        match rustix::io::read(file, &mut chunk[..room]) {
            Ok(0) => break,
            Ok(count) => content.extend_from_slice(&chunk[..count]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(content)
}

/// Writes a value with one write(2), which is what the kernel parses as one value.
pub(super) fn write(path: &OsText, value: &str) -> Result<(), Errno> {
    let file = rustix::fs::open(path.as_bytes(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    loop {
        match rustix::io::write(&file, value.as_bytes()) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Reads the number in a file of one number; `max` and what is no number is `None`.
pub(super) fn read_number(path: &OsText) -> Option<u64> {
    number(&read(path).ok()?)
}

/// Reads a number with white space around it.
pub(in super::super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Returns the value of a key in lines of `key value`.
pub(in super::super) fn value_of(content: &[u8], key: &str) -> Option<u64> {
    let mut lines = content.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b" ").and_then(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_whole_key() {
        let content = b"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(value_of(content, "oom_kill"), Some(3));
        assert_eq!(value_of(content, "oom"), None);
        assert_eq!(value_of(b"", "oom_kill"), None);
        assert_eq!(value_of(b"oom_kill x\n", "oom_kill"), None);
        assert_eq!(value_of(b"oom_kill 99999999999999999999999\n", "oom_kill"), None);
    }

    #[test]
    fn max_is_no_number() {
        assert_eq!(number(b"12\n"), Some(12));
        assert_eq!(number(b"max\n"), None);
        assert_eq!(number(b"\xff\n"), None);
    }

    #[test]
    fn a_long_file_is_cut_off() {
        assert_eq!(read_at_most(b"/proc/self/status", 10).map(|content| content.len()), Ok(10));
        assert_eq!(read_at_most(b"/proc/self/no-such-file", 10), Err(Errno::NOENT));
    }
}
