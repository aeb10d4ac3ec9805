//! Buffers that go from thread to thread and come back.

use std::io::{self, BufRead};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of one buffer.
pub(crate) const CHUNK: usize = 128 << 10;

/// Buffers that are free.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// Returns a buffer of [`CHUNK`] bytes with whatever was in it.
    pub(crate) fn take(&self) -> Vec<u8> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| vec![0; CHUNK])
    }

    /// Makes the first `length` bytes of a buffer something that several threads read.
    pub(crate) fn share(&self, bytes: Vec<u8>, length: usize) -> Chunk {
        Arc::new(Filled { bytes, length, pool: self.clone() })
    }

    fn give_back(&self, bytes: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

/// Bytes whose buffer is free again when nobody reads them any more.
pub(crate) type Chunk = Arc<Filled>;

#[derive(Debug)]
pub(crate) struct Filled {
    bytes: Vec<u8>,
    length: usize,
    pool: Pool,
}

impl Deref for Filled {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.bytes));
    }
}

/// The chunk that a reader is at, and how far.
#[derive(Debug, Default)]
pub(super) struct Current {
    chunk: Option<Chunk>,
    position: usize,
}

impl Current {
    /// Returns what is left of the chunk, of the `next` one if nothing is; nothing where there is no next one.
    pub(super) fn fill(&mut self, mut next: impl FnMut() -> io::Result<Option<Chunk>>) -> io::Result<&[u8]> {
        while self.chunk.as_ref().is_none_or(|chunk| self.position == chunk.len()) {
            self.position = 0;
            // The empty chunk is let go of first, so that it can be filled again.
            self.chunk = None;
            match next()? {
                None => break,
                found => self.chunk = found,
            }
        }
        Ok(self.chunk.as_ref().map_or(&[], |chunk| &chunk[self.position..]))
    }

    /// Takes the chunk, of which nothing was consumed, as it is.
    pub(super) fn take_whole(&mut self) -> Option<Chunk> {
        self.chunk.take()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

/// Reads by way of what is buffered.
pub(super) fn read_buffered(from: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let bytes = from.fill_buf()?;
    let count = bytes.len().min(buffer.len());
    buffer[..count].copy_from_slice(&bytes[..count]);
    from.consume(count);
    Ok(count)
}
