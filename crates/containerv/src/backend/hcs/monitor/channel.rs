//! A connection between a monitor and one who talks to it.

use std::io::{self, Write};
use std::os::windows::io::BorrowedHandle;
use std::time::Duration;

use containerv_sys::frame::{HEAD, MAX_PAYLOAD};
use containerv_sys::windows::pipe::{self, Stream, Transfer};

use crate::backend::frames::{Decoder, Frame, encode};

/// How long a monitor that is busy may let its clients wait for their place.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Frames over a pipe.
#[derive(Debug)]
pub(in super::super) struct Channel {
    stream: Stream,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Channel {
    pub(in super::super) fn new(stream: Stream) -> Self {
        Self { stream, decoder: Decoder::default(), buffer: vec![0; HEAD + MAX_PAYLOAD] }
    }

    /// Connects to a pipe.
    pub(in super::super) fn connect(name: &str) -> io::Result<Self> {
        pipe::connect(name, PATIENCE).map(Self::new)
    }

    /// A second one for what is sent, so that both can be used at a time.
    pub(in super::super) fn sender(&self) -> io::Result<Stream> {
        self.stream.try_clone()
    }

    pub(in super::super) fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&encode(kind, payload))
    }

    /// Receives the next frame; `None` at the end, or when the other handle is signaled.
    pub(in super::super) fn receive(
        &mut self,
        stop: Option<BorrowedHandle<'_>>,
    ) -> io::Result<Option<Frame>> {
        loop {
            let next = self.decoder.next().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            if next.is_some() {
                return Ok(next);
            }
            match self.stream.read_unless(&mut self.buffer, stop, None)? {
                Transfer::Bytes(0) | Transfer::Stopped | Transfer::TimedOut => return Ok(None),
                Transfer::Bytes(count) => self.decoder.feed(&self.buffer[..count]),
            }
        }
    }
}
