//! Compressing a layer while its plain and its compressed bytes are digested, each on a thread.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use containerv_spec::image::Digest;
use containerv_spec::image::digest::{Algorithm, Hasher};

use super::decode::{Chunk, Compression, DEPTH, Pool, hash};
use crate::{Error, ErrorKind, Result};

/// What was written of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// Digest of the plain bytes.
    pub(crate) diff_id: Digest,
    /// How many those are.
    pub(crate) plain_size: u64,
    /// Digest of what was written.
    pub(crate) digest: Digest,
    /// How many bytes that are.
    pub(crate) size: u64,
}

/// Compresses what `produce` writes, on the calling thread, into `sink`. The same bytes become the same
/// compressed bytes.
///
/// # Errors
///
/// What `produce` returned, unless writing to `sink` failed.
pub(crate) fn encode<T>(
    sink: impl Write + Send,
    compression: Compression,
    produce: impl FnOnce(&mut Feed) -> Result<T>,
) -> Result<(T, Encoded)> {
    thread::scope(|scope| {
        let spawn = |error| Error::io(error, "cannot start a thread that compresses");
        let (plain, to_compress) = sync_channel(DEPTH);
        let (copies, to_hash) = sync_channel(DEPTH);
        let named = |name: &str| thread::Builder::new().name(name.into());
        let hashing = named("layer-digest").spawn_scoped(scope, move || hash(&to_hash)).map_err(spawn)?;
        let compressing = named("layer-compress")
            .spawn_scoped(scope, move || compress(sink, compression, &to_compress))
            .map_err(spawn)?;
        let mut feed = Feed::new(plain, copies);
        let produced = produce(&mut feed).and_then(|value| {
            feed.flush().map_err(|error| Error::io(error, "compress the layer"))?;
            Ok(value)
        });
        drop(feed);
        let ended = |_| Error::new(ErrorKind::Other, "compress the layer");
        // When the sink fails, so does producing, which can only say that nobody takes the bytes.
        let written = compressing.join().map_err(ended)?;
        let (digest, size) = written.map_err(|error| Error::io(error, "write the layer"))?;
        let value = produced?;
        let (diff_id, plain_size) = hashing.join().map_err(ended)?;
        Ok((value, Encoded { diff_id, plain_size, digest, size }))
    })
}

fn compress(
    sink: impl Write,
    compression: Compression,
    chunks: &Receiver<Chunk>,
) -> io::Result<(Digest, u64)> {
    let to = Digesting { sink, hasher: Hasher::new(Algorithm::Sha256), size: 0 };
    let to = match compression {
        Compression::None => write_all(to, chunks)?,
        Compression::Gzip => {
            // As gzip(1) and registries' clients do; without a name and a time.
            let encoder = flate2::write::GzEncoder::new(to, flate2::Compression::default());
            write_all(encoder, chunks)?.finish()?
        }
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            encoder.include_checksum(true)?;
            write_all(encoder, chunks)?.finish()?
        }
    };
    let Digesting { mut sink, hasher, size } = to;
    sink.flush()?;
    Ok((hasher.finish(), size))
}

fn write_all<W: Write>(mut to: W, chunks: &Receiver<Chunk>) -> io::Result<W> {
    while let Ok(chunk) = chunks.recv() {
        to.write_all(&chunk)?;
    }
    Ok(to)
}

/// Digests what is written.
struct Digesting<W> {
    sink: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.sink.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Takes the plain bytes of a layer.
pub(crate) struct Feed {
    pool: Pool,
    buffer: Vec<u8>,
    filled: usize,
    plain: SyncSender<Chunk>,
    copies: SyncSender<Chunk>,
}

impl Feed {
    fn new(plain: SyncSender<Chunk>, copies: SyncSender<Chunk>) -> Self {
        let pool = Pool::default();
        Self { buffer: pool.take(), pool, filled: 0, plain, copies }
    }
}

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filled == self.buffer.len() {
            self.flush()?;
        }
        let count = bytes.len().min(self.buffer.len() - self.filled);
        self.buffer[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filled == 0 {
            return Ok(());
        }
        let buffer = std::mem::replace(&mut self.buffer, self.pool.take());
        let chunk = self.pool.share(buffer, std::mem::take(&mut self.filled));
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.copies.send(chunk.clone()).map_err(gone)?;
        self.plain.send(chunk).map_err(gone)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::images::layers::decode::decode;

    #[test]
    fn what_is_written_is_read_back_with_both_digests() {
        let bytes: Vec<u8> = (0..700_000u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let mut packed = Vec::new();
            let write = |feed: &mut Feed| {
                bytes.chunks(777).try_for_each(|piece| feed.write_all(piece)).unwrap();
                Ok(7)
            };
            let (value, encoded) = encode(&mut packed, compression, write).unwrap();
            assert_eq!((value, &encoded.digest), (7, &Digest::of(&packed)));
            assert_eq!((encoded.size, encoded.plain_size), (packed.len() as u64, bytes.len() as u64));
            let mut plain = Vec::new();
            let read = |stream: &mut crate::images::layers::decode::Plain| {
                stream.read_to_end(&mut plain).map(drop).map_err(|error| Error::io(error, "read"))
            };
            let ((), decoded) = decode(&packed[..], Some(compression), u64::MAX, read).unwrap();
            assert!(plain == bytes, "{compression}");
            assert_eq!(decoded.diff_id, encoded.diff_id);
            let mut again = Vec::new();
            encode(&mut again, compression, write).unwrap();
            assert!(again == packed, "{compression}: the same bytes are compressed to others");
        }
    }

    #[test]
    fn a_sink_that_fails_is_what_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = encode(Full, Compression::None, |feed| {
            let written = (0..100).try_for_each(|_| feed.write_all(&[0; 1 << 20]));
            written.map_err(|error| Error::io(error, "produce"))
        });
        assert!(error.unwrap_err().to_string().starts_with("write the layer"));
        let mut sink = Vec::new();
        let error = encode(&mut sink, Compression::Gzip, |_| {
            Err::<(), _>(Error::new(ErrorKind::Other, "of the producer"))
        });
        assert_eq!(error.unwrap_err().to_string(), "of the producer");
    }
}
