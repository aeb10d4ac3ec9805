//! A connection to a container's monitor.

use std::io::{self, Write};
use std::os::windows::io::AsHandle;
use std::sync::{Arc, Mutex, PoisonError};

use containerv_spec::ContainerId;
use containerv_spec::request::TerminalSize;
use containerv_sys::frame;
use containerv_sys::windows::pipe::{Stream, Transfer};
use containerv_sys::windows::wait::Event;

use super::monitor::{self, Channel};
use super::running::status_of;
use super::system::System;
use super::told;
use crate::attach::{AttachFrame, AttachOptions};
use crate::backend::frames::{Frame, encode};
use crate::process::ExitStatus;
use crate::{Error, ErrorKind, Result};

/// A connection.
#[derive(Debug)]
pub(crate) struct Attachment {
    channel: Channel,
    writer: AttachedWriter,
}

/// Receives output.
#[derive(Debug)]
pub(crate) struct AttachedReader {
    /// None at the end.
    channel: Option<Channel>,
    detached: Arc<Event>,
}

/// Sends input.
#[derive(Clone, Debug)]
pub(crate) struct AttachedWriter {
    /// None once it is detached from: the monitor takes the connection for ended when all handles are
    /// closed.
    stream: Arc<Mutex<Option<Stream>>>,
    /// Ends what reads and what writes.
    detached: Arc<Event>,
}

impl System {
    /// Connects to the streams of a supervised command; one that was not started yet is prepared.
    pub(crate) fn attach(self: &Arc<Self>, id: &ContainerId, options: AttachOptions) -> Result<Attachment> {
        let directory = self.directory(id)?;
        let failed =
            |error: Error| error.context(format!("cannot attach to container `{}`", directory.called()));
        if directory.request()?.process.is_none() {
            let error = Error::new(ErrorKind::InvalidState, "it has no command of its own");
            return Err(failed(error.with_hint("start one in it with `cv exec`")));
        }
        if !directory.is_supervised()? {
            if directory.exit()?.is_some() {
                let error = Error::new(ErrorKind::InvalidState, "it has ended");
                return Err(failed(
                    error.with_hint("`cv logs` shows what it wrote, `cv start -a` runs it again"),
                ));
            }
            self.prepare(id)?;
        }
        let channel = monitor::connect(&directory).map_err(failed)?;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let wanted = flag(options.stdin, frame::ATTACH_STDIN)
            | flag(options.stdout, frame::ATTACH_STDOUT)
            | flag(options.stderr, frame::ATTACH_STDERR);
        let cannot = |error| failed(Error::io(error, "cannot use the connection to the monitor"));
        let stream = channel.sender().map_err(cannot)?;
        let detached = Arc::new(Event::new().map_err(cannot)?);
        let writer = AttachedWriter { stream: Arc::new(Mutex::new(Some(stream))), detached };
        writer.send(frame::ATTACH, &[wanted])?;
        Ok(Attachment { channel, writer })
    }
}

impl Attachment {
    pub(crate) fn split(self) -> (AttachedReader, AttachedWriter) {
        let detached = Arc::clone(&self.writer.detached);
        (AttachedReader { channel: Some(self.channel), detached }, self.writer)
    }
}

impl AttachedReader {
    pub(crate) fn next_frame(&mut self) -> Result<Option<AttachFrame>> {
        while let Some(channel) = &mut self.channel {
            let received = channel.receive(Some(self.detached.as_handle()));
            let received = received.map_err(|error| Error::io(error, "cannot hear from the monitor"))?;
            let Some(Frame { kind, payload }) = received else {
                self.channel = None;
                break;
            };
            return Ok(Some(match kind {
                frame::STDOUT => AttachFrame::Stdout(payload),
                frame::STDERR => AttachFrame::Stderr(payload),
                frame::STARTED => AttachFrame::Started,
                frame::FAILED => {
                    AttachFrame::StartFailed { errno: told::hear(&payload).1.unwrap_or_default() }
                }
                frame::EXITED => AttachFrame::Exited(exit_status(&payload)),
                _ => continue,
            }));
        }
        Ok(None)
    }
}

/// Exit code, and whether memory ran out.
fn exit_status(payload: &[u8]) -> ExitStatus {
    let code = payload.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
    status_of(code)
}

impl AttachedWriter {
    fn send(&self, kind: u8, payload: &[u8]) -> Result<()> {
        self.write_all(&encode(kind, payload)).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::new(ErrorKind::InvalidState, "the command has ended"),
            _ => Error::io(error, "cannot send to the monitor"),
        })
    }

    /// Waits while the command has not read what came before, but not once it is detached from.
    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = &mut *stream else { return Err(io::ErrorKind::BrokenPipe.into()) };
        while !bytes.is_empty() {
            match stream.write_unless(bytes, Some(self.detached.as_handle()), None)? {
                Transfer::Bytes(count) => bytes = &bytes[count..],
                Transfer::Stopped | Transfer::TimedOut => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
        stream.flush()
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<()> {
        bytes.chunks(frame::MAX_PAYLOAD).try_for_each(|piece| self.send(frame::INPUT, piece))
    }

    pub(crate) fn close_stdin(&self) -> Result<()> {
        self.send(frame::CLOSE_INPUT, &[])
    }

    pub(crate) fn resize(&self, size: TerminalSize) -> Result<()> {
        let [a, b] = size.columns.to_ne_bytes();
        let [c, d] = size.rows.to_ne_bytes();
        self.send(frame::RESIZE, &[a, b, c, d])
    }

    pub(crate) fn detach(&self) {
        self.detached.set();
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
