//! What the threads do.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender};

use containerv_spec::image::Digest;
use containerv_spec::image::digest::{Algorithm, Hasher};

use super::Stop;
use super::buffers::{Chunk, Current, Pool, read_buffered};
use super::compression::{Compression, MAGIC};
use crate::{Error, ErrorKind};

/// Buffers between two threads.
pub(crate) const DEPTH: usize = 8;

/// What the reading thread sends.
pub(super) type Piece = io::Result<Chunk>;

/// Reads `source` to its end, or until nobody wants more.
pub(super) fn read(mut source: impl Read, pool: &Pool, to: &SyncSender<Piece>) {
    // The first piece has to show how the stream is compressed.
    let mut least = MAGIC;
    loop {
        let mut buffer = pool.take();
        let piece = read_some(&mut source, &mut buffer, least);
        least = 1;
        let last = !matches!(piece, Ok(1..));
        let sent = match piece {
            Ok(0) => break,
            Ok(count) => to.send(Ok(pool.share(buffer, count))),
            Err(error) => to.send(Err(error)),
        };
        if last || sent.is_err() {
            break;
        }
    }
}

/// Reads at least `least` bytes unless the source ends.
fn read_some(source: &mut impl Read, buffer: &mut [u8], least: usize) -> io::Result<usize> {
    let mut filled = 0;
    while filled < least {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Digests what comes; returns how much it was.
pub(crate) fn hash(from: &Receiver<Chunk>) -> (Digest, u64) {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut size = 0;
    while let Ok(chunk) = from.recv() {
        hasher.update(&chunk);
        size += chunk.len() as u64;
    }
    (hasher.finish(), size)
}

/// The failure of a source, which decoders must not take for damage.
type Broken = Rc<Cell<Option<io::Error>>>;

/// The compressed bytes, as decoders read them.
struct Compressed {
    pieces: Receiver<Piece>,
    current: Current,
    broken: Broken,
}

impl BufRead for Compressed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let (pieces, broken) = (&self.pieces, &self.broken);
        self.current.fill(|| {
            pieces.recv().ok().transpose().map_err(|error| {
                broken.set(Some(error));
                io::ErrorKind::BrokenPipe.into()
            })
        })
    }

    fn consume(&mut self, count: usize) {
        self.current.consume(count);
    }
}

impl Read for Compressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

/// Decompresses, for who uses the bytes and for who digests them.
pub(super) struct Inflation {
    pub(super) pool: Pool,
    pub(super) plain: SyncSender<Chunk>,
    pub(super) copies: SyncSender<Chunk>,
    /// How many plain bytes may come.
    pub(super) most: u64,
}

impl Inflation {
    pub(super) fn run(
        mut self,
        pieces: Receiver<Piece>,
        expected: Option<Compression>,
    ) -> Result<Compression, Stop> {
        let broken = Broken::default();
        let mut source = Compressed { pieces, current: Current::default(), broken: broken.clone() };
        let begun = source.fill_buf().map(|first| Compression::detect(first, expected));
        let found = match begun {
            Ok(found) => found.map_err(Stop::Failed),
            Err(error) => Err(failed(error, &broken, Compression::None)),
        };
        let compression = found?;
        let damaged = |error| failed(error, &broken, compression);
        match compression {
            Compression::None => self.pass_on(source)?,
            Compression::Gzip => self.inflate(flate2::bufread::MultiGzDecoder::new(source), damaged)?,
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(source).map_err(damaged)?;
                self.inflate(decoder, damaged)?;
            }
        }
        Ok(compression)
    }

    fn pass_on(&mut self, mut source: Compressed) -> Result<(), Stop> {
        if let Some(chunk) = source.current.take_whole() {
            self.send(chunk)?;
        }
        while let Ok(piece) = source.pieces.recv() {
            self.send(piece.map_err(unreadable)?)?;
        }
        Ok(())
    }

    fn inflate(&mut self, mut decoder: impl Read, failed: impl Fn(io::Error) -> Stop) -> Result<(), Stop> {
        loop {
            let mut buffer = self.pool.take();
            let length = buffer.len();
            let count = read_some(&mut decoder, &mut buffer, length).map_err(&failed)?;
            if count == 0 {
                return Ok(());
            }
            self.send(self.pool.share(buffer, count))?;
        }
    }

    fn send(&mut self, chunk: Chunk) -> Result<(), Stop> {
        self.most = self.most.checked_sub(chunk.len() as u64).ok_or_else(|| {
            let message = "the layer is larger than allowed once it is decompressed";
            Stop::Failed(Error::new(ErrorKind::ResourceExhausted, message))
        })?;
        // The one who digests ends only when this thread does.
        let _ = self.copies.send(chunk.clone());
        self.plain.send(chunk).map_err(|_| Stop::Unwanted)
    }
}

fn unreadable(error: io::Error) -> Stop {
    Stop::Failed(Error::io(error, "read the layer"))
}

/// Says what became of a stream: the source's own failure, or else damage.
fn failed(error: io::Error, broken: &Broken, compression: Compression) -> Stop {
    if let Some(error) = broken.take() {
        return unreadable(error);
    }
    let message = format!("decompress the layer, which is {compression}");
    Stop::Failed(
        Error::new(ErrorKind::Corrupt, message)
            .with_source(error)
            .with_hint("it is damaged or incomplete; get it again from where it came"),
    )
}
