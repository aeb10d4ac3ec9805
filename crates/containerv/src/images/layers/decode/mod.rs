//! The plain bytes of a compressed layer, and their digest.
//!
//! Reading, decompressing, digesting and using the bytes each have a thread, with a few buffers between
//! them. A stage that fails or ends lets the others end: its channels close.

mod buffers;
mod compression;
mod stages;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Read};
use std::sync::mpsc::Receiver;
use std::thread;

use containerv_spec::image::Digest;

pub(crate) use self::buffers::{Chunk, Pool};
use self::buffers::{Current, read_buffered};
pub(crate) use self::compression::Compression;
pub(crate) use self::stages::{DEPTH, hash};

use self::stages::{Inflation, read};
use crate::{Error, ErrorKind, Result};

/// Bytes that may follow the end of a layer's archive.
const MOST_TRAILING: u64 = 64 << 20;

/// What was found out about a layer while it was decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Digest of the plain bytes.
    pub(crate) diff_id: Digest,
    /// How many those are.
    pub(crate) size: u64,
    pub(crate) compression: Compression,
}

/// Decompresses `source` and hands the plain bytes to `consume`, on the calling thread.
///
/// How it is compressed shows in its first bytes. `expected` is what the descriptor says; nothing is
/// expected of a file that a user names. `most` is how many plain bytes are taken.
///
/// # Errors
///
/// What `consume` returned, unless reading or decompressing failed before; a stream that is compressed
/// otherwise than expected, that is damaged or ends early, or has more bytes than `most`.
pub(crate) fn decode<T>(
    source: impl Read + Send,
    expected: Option<Compression>,
    most: u64,
    consume: impl FnOnce(&mut Plain) -> Result<T>,
) -> Result<(T, Decoded)> {
    let pool = Pool::default();
    thread::scope(|scope| {
        let spawn = |error| Error::io(error, "cannot start a thread that decompresses");
        let (compressed, to_inflate) = std::sync::mpsc::sync_channel(DEPTH);
        let (plain, to_consume) = std::sync::mpsc::sync_channel(DEPTH);
        let (copies, to_hash) = std::sync::mpsc::sync_channel(DEPTH);
        let named = |name: &str| thread::Builder::new().name(name.into());
        let buffers = pool.clone();
        named("layer-read")
            .spawn_scoped(scope, move || read(source, &buffers, &compressed))
            .map_err(spawn)?;
        let hashing = named("layer-digest").spawn_scoped(scope, move || hash(&to_hash)).map_err(spawn)?;
        let inflation = Inflation { pool: pool.clone(), plain, copies, most };
        let inflating = named("layer-decompress")
            .spawn_scoped(scope, move || inflation.run(to_inflate, expected))
            .map_err(spawn)?;
        let mut stream = Plain::new(to_consume);
        let consumed = consume(&mut stream).and_then(|value| stream.finish().map(|()| value));
        // What is wrong behind the bytes that were refused does not matter.
        let ended = stream.ended;
        drop(stream);
        // Who panics says so itself; the scope passes it on.
        let inflated = inflating.join().unwrap_or_else(|_| Err(interrupted()));
        let compression = match inflated {
            Ok(compression) => compression,
            Err(Stop::Failed(error)) if ended => return Err(error),
            Err(_) => Compression::None,
        };
        let value = consumed?;
        let (diff_id, size) = hashing.join().map_err(|_| Error::new(ErrorKind::Other, "digest the layer"))?;
        Ok((value, Decoded { diff_id, size, compression }))
    })
}

/// Why decompressing ended before the end.
enum Stop {
    Failed(Error),
    /// Nobody takes the bytes any more.
    Unwanted,
}

fn interrupted() -> Stop {
    Stop::Failed(Error::new(ErrorKind::Other, "decompress the layer"))
}

/// The plain bytes of a layer.
pub(crate) struct Plain {
    chunks: Receiver<Chunk>,
    current: Current,
    /// All that comes has come.
    ended: bool,
}

impl Plain {
    fn new(chunks: Receiver<Chunk>) -> Self {
        Self { chunks, current: Current::default(), ended: false }
    }

    /// Takes what follows the end of the archive: it counts for the digest.
    fn finish(&mut self) -> Result<()> {
        let mut rest = 0;
        while let Ok(bytes) = self.fill_buf() {
            let count = bytes.len();
            if count == 0 {
                break;
            }
            self.consume(count);
            rest += count as u64;
            if rest > MOST_TRAILING {
                let message =
                    format!("more than {MOST_TRAILING} bytes follow the end of the layer's archive");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
        }
        Ok(())
    }
}

impl BufRead for Plain {
    /// Returns nothing at the end, also if that came by a failure, which [`decode`] returns.
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let (chunks, ended) = (&self.chunks, &mut self.ended);
        self.current.fill(|| {
            let next = chunks.recv().ok();
            *ended |= next.is_none();
            Ok(next)
        })
    }

    fn consume(&mut self, count: usize) {
        self.current.consume(count);
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}
