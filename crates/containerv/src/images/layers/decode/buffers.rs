//! Buffers that go from thread to thread and come back.

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
