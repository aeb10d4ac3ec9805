//! The log file, with rotation by size.

use crate::call;
use crate::logline::{self, Sink};
use crate::sys;
use crate::frame::MAX_PAYLOAD;

const NAME: &core::ffi::CStr = c"container.log";
/// `container.log.` and up to three digits.
const NAME_SPACE: usize = 24;

/// The log of one container.
pub struct Log {
    directory: i32,
    file: i32,
    written: u64,
    max_bytes: u64,
    max_files: u64,
    /// Lines that have not ended yet.
    partial: [Partial; 2],
    buffer: Buffer,
}

/// Output of one stream since its last newline; as long as a line can be, as with Docker.
struct Partial {
    bytes: [u8; MAX_PAYLOAD],
    length: usize,
}

struct Buffer {
    bytes: [u8; 8192],
    length: usize,
    file: i32,
    total: u64,
}

impl Sink for Buffer {
    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.length == self.bytes.len() {
                self.flush();
            }
            let count = bytes.len().min(self.bytes.len() - self.length);
            self.bytes[self.length..self.length + count].copy_from_slice(&bytes[..count]);
            self.length += count;
            bytes = &bytes[count..];
        }
    }
}

impl Buffer {
    fn flush(&mut self) {
        let _ = sys::write_all(self.file, self.bytes.get(..self.length).unwrap_or(&[]));
        self.total += self.length as u64;
        self.length = 0;
    }
}

impl Log {
    /// No log.
    pub fn clear(&mut self) {
        (self.directory, self.file) = (-1, -1);
        (self.partial[0].length, self.partial[1].length, self.buffer.length) = (0, 0, 0);
    }

    /// Opens the file; a log of an earlier run is continued.
    pub fn open(&mut self, directory: i32, max_bytes: u64, max_files: u64) {
        const SEEK_END: usize = 2;
        (self.directory, self.max_bytes, self.max_files) = (directory, max_bytes, max_files.clamp(1, 999));
        self.file = open_file(directory, 0);
        self.written = seek(self.file, SEEK_END);
    }

    /// Takes output of a stream.
    pub fn append(&mut self, stream: usize, bytes: &[u8]) {
        if self.file < 0 {
            return;
        }
        for &byte in bytes {
            let partial = &mut self.partial[stream];
            partial.bytes[partial.length] = byte;
            partial.length += 1;
            if byte == b'\n' || partial.length == MAX_PAYLOAD {
                self.write_entry(stream);
            }
        }
    }

    /// Writes what has no newline yet.
    pub fn finish(&mut self) {
        for stream in 0..2 {
            if self.file >= 0 && self.partial[stream].length > 0 {
                self.write_entry(stream);
            }
        }
    }

    fn write_entry(&mut self, stream: usize) {
        self.rotate_if_full();
        let (seconds, nanoseconds) = now();
        let name = if stream == 0 { "stdout" } else { "stderr" };
        let partial = &mut self.partial[stream];
        self.buffer.file = self.file;
        self.buffer.total = 0;
        let text = partial.bytes.get(..partial.length).unwrap_or(&[]);
        logline::write_entry(&mut self.buffer, text, name, seconds, nanoseconds);
        self.buffer.flush();
        self.written += self.buffer.total;
        partial.length = 0;
    }

    fn rotate_if_full(&mut self) {
        if self.max_bytes == 0 || self.written < self.max_bytes {
            return;
        }
        if self.max_files == 1 {
            // A reader that has the file open can still read it to its end.
            let _ = call!(UNLINKAT, self.directory, NAME.as_ptr(), 0);
        }
        for number in (0..self.max_files - 1).rev() {
            let (mut from, mut to) = ([0u8; NAME_SPACE], [0u8; NAME_SPACE]);
            file_name(&mut from, number);
            file_name(&mut to, number + 1);
            let _ = call!(RENAMEAT, self.directory, from.as_ptr(), self.directory, to.as_ptr());
        }
        sys::close(self.file);
        self.file = open_file(self.directory, 0);
        self.written = 0;
    }
}

fn open_file(directory: i32, number: u64) -> i32 {
    let mut name = [0u8; NAME_SPACE];
    file_name(&mut name, number);
    let flags = sys::O_CREAT | sys::O_APPEND | sys::O_WRONLY | sys::O_CLOEXEC | sys::O_NOFOLLOW;
    call!(OPENAT, directory, name.as_ptr(), flags, 0o600).map_or(-1, |fd| fd as i32)
}

fn file_name(place: &mut [u8; NAME_SPACE], number: u64) {
    struct Name<'a>(&'a mut [u8; NAME_SPACE], usize);
    impl Sink for Name<'_> {
        fn put(&mut self, bytes: &[u8]) {
            if let Some(place) = self.0.get_mut(self.1..self.1 + bytes.len()) {
                place.copy_from_slice(bytes);
                self.1 += bytes.len();
            }
        }
    }
    let mut name = Name(place, 0);
    name.put(NAME.to_bytes());
    if number > 0 {
        name.put(b".");
        logline::number(&mut name, number, 1);
    }
}

fn seek(fd: i32, whence: usize) -> u64 {
    call!(LSEEK, fd, 0, whence).unwrap_or(0) as u64
}

/// Returns the wall clock in seconds and nanoseconds.
pub fn now() -> (i64, u32) {
    let mut time = [0i64; 2];
    let _ = call!(CLOCK_GETTIME, 0, time.as_mut_ptr());
    (time[0], time[1] as u32)
}
