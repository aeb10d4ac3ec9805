//! Short paths under construction.

use crate::logline::Sink;

/// Longest path, with a NUL.
pub const ROOM: usize = 40;

/// A path; what it does not hold stays NUL.
pub struct PathText {
    bytes: [u8; ROOM],
    length: usize,
}

impl PathText {
    pub const fn new() -> Self {
        Self { bytes: [0; ROOM], length: 0 }
    }

    pub fn as_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    pub fn into_bytes(self) -> [u8; ROOM] {
        self.bytes
    }
}

impl Sink for PathText {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if end < self.bytes.len() {
            self.bytes[self.length..end].copy_from_slice(bytes);
            self.length = end;
        }
    }
}
