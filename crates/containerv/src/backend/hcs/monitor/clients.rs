//! Those who are connected to a monitor.

use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::time::Duration;

use containerv_sys::frame::{self, HEAD, MAX_PAYLOAD};
use containerv_sys::windows::pipe::{ReadAhead, Stream, WriteBehind};
use containerv_sys::windows::wait::{self, Deadline};

use crate::backend::frames::{Decoder, Frame, encode};
use crate::logs::LogStream;

/// How many can be connected at a time; the next one waits for its place.
pub(super) const MAX_CLIENTS: usize = 16;

/// The clients, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Clients(Vec<Client>);

#[derive(Debug)]
struct Client {
    reader: ReadAhead,
    decoder: Decoder,
    /// A frame that cannot be acted upon yet. Until then nothing more is received.
    held: Option<Frame>,
    writer: WriteBehind,
    /// The last frame is still on its way to it.
    behind: bool,
    /// What it has asked for with `frame::ATTACH`.
    attached: u8,
    /// It sends nothing any more; or it does not speak of frames, or cannot be reached.
    ended: bool,
    lost: bool,
}

impl Client {
    fn new(stream: Stream) -> io::Result<Self> {
        const SPACE: usize = HEAD + MAX_PAYLOAD;
        Ok(Self {
            writer: WriteBehind::new(stream.try_clone()?, SPACE),
            reader: ReadAhead::new(stream, SPACE),
            decoder: Decoder::default(),
            held: None,
            behind: false,
            attached: 0,
            ended: false,
            lost: false,
        })
    }

    fn receive(&mut self) {
        match self.reader.receive() {
            Ok(Some(bytes)) => self.decoder.feed(&bytes),
            Ok(None) => self.ended = true,
            Err(_) => self.lost = true,
        }
    }

    /// Begins to send a frame; the one before is on its way no more.
    fn send(&mut self, bytes: &[u8]) {
        match self.writer.send(bytes) {
            Ok(_) => self.behind = true,
            Err(_) => self.lost = true,
        }
    }

    fn catch_up(&mut self) {
        self.behind = false;
        self.lost |= self.writer.finish().is_err();
    }
}

impl Clients {
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < MAX_CLIENTS
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes a new one. One for whom there is no memory is let go of.
    pub(super) fn add(&mut self, stream: Stream) {
        self.0.extend(Client::new(stream));
    }

    /// The handle that says that a client has sent something, while that is to be received.
    pub(super) fn sends(&self, index: usize) -> Option<BorrowedHandle<'_>> {
        let client = self.0.get(index)?;
        (client.held.is_none() && !client.ended).then(|| client.reader.as_handle())
    }

    /// The handle that says that a client has taken the last frame, while it has not.
    pub(super) fn takes(&self, index: usize) -> Option<BorrowedHandle<'_>> {
        let client = self.0.get(index)?;
        client.behind.then(|| client.writer.as_handle())
    }

    /// Receives what has come from a client.
    pub(super) fn receive(&mut self, index: usize) {
        self.0.get_mut(index).into_iter().for_each(Client::receive);
    }

    /// A client has taken the last frame.
    pub(super) fn caught_up(&mut self, index: usize) {
        self.0.get_mut(index).into_iter().for_each(Client::catch_up);
    }

    /// Returns the next frame of a client.
    pub(super) fn next_frame(&mut self, index: usize) -> Option<Frame> {
        let client = self.0.get_mut(index)?;
        if client.lost {
            return None;
        }
        client.held.take().or_else(|| {
            client.decoder.next().unwrap_or_else(|_| {
                client.lost = true;
                None
            })
        })
    }

    /// Keeps a frame until it can be acted upon.
    pub(super) fn hold(&mut self, index: usize, frame: Frame) {
        if let Some(client) = self.0.get_mut(index) {
            client.held = Some(frame);
        }
    }

    /// Notes what a client wants.
    pub(super) fn attach(&mut self, index: usize, wanted: u8) {
        if let Some(client) = self.0.get_mut(index) {
            client.attached = wanted;
        }
    }

    /// Lets go of those who have gone.
    pub(super) fn sweep(&mut self) {
        self.0.retain(|client| !client.lost && (!client.ended || client.held.is_some()));
    }

    /// Says whether somebody has yet to take the last frame.
    pub(super) fn are_behind(&self) -> bool {
        self.0.iter().any(|client| client.behind)
    }

    /// Lets go of those who have not taken the last frame.
    pub(super) fn drop_behind(&mut self) {
        self.0.retain(|client| !client.behind);
    }

    /// Sends output to those who want it. Nobody is behind.
    pub(super) fn send_output(&mut self, stream: LogStream, bytes: &[u8]) {
        let (kind, wanted) = match stream {
            LogStream::Stdout => (frame::STDOUT, frame::ATTACH_STDOUT),
            LogStream::Stderr => (frame::STDERR, frame::ATTACH_STDERR),
        };
        let bytes = encode(kind, bytes);
        self.0
            .iter_mut()
            .filter(|client| client.attached & wanted != 0)
            .for_each(|client| client.send(&bytes));
    }

    /// Sends a frame to a client; one that is behind does not get it.
    pub(super) fn tell(&mut self, index: usize, kind: u8, payload: &[u8]) {
        if let Some(client) = self.0.get_mut(index).filter(|client| !client.behind) {
            client.send(&encode(kind, payload));
        }
    }

    /// Sends a frame to all; those who are behind do not get it.
    pub(super) fn tell_all(&mut self, kind: u8, payload: &[u8]) {
        (0..self.0.len()).for_each(|index| self.tell(index, kind, payload));
    }

    /// Gives all time to take the last frame.
    pub(super) fn wait(&mut self, limit: Duration) {
        let deadline = Deadline::after(Some(limit));
        for client in self.0.iter_mut().filter(|client| client.behind) {
            if wait::wait(&client.writer, deadline.left()).unwrap_or(false) {
                client.catch_up();
            }
        }
    }
}
