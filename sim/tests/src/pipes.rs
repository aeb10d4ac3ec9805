//! The overlapped ends of streams, read and written to their end.

use std::fs::File;
use std::io::{Read, Write};

/// Everything until the other end is closed. Wine and Windows let the file functions of the standard
/// library wait on an overlapped handle that nobody else uses at the same time.
pub fn read_all(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A broken pipe is the end.
    let _ = file.read_to_end(&mut bytes);
    bytes
}

/// Writes everything; dropping the file is no end of the file for the process.
pub fn write_all(mut file: File, bytes: &[u8]) {
    file.write_all(bytes).unwrap();
}
