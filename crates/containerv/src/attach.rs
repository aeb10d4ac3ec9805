//! A connection to the command of a supervised container.

use containerv_spec::request::TerminalSize;

use crate::Result;
use crate::backend::system;
use crate::process::ExitStatus;

/// Which streams an attachment carries.
#[derive(Clone, Copy, Debug)]
pub struct AttachOptions {
    /// Send input.
    pub stdin: bool,
    /// Receive standard output.
    pub stdout: bool,
    /// Receive standard error.
    pub stderr: bool,
}

impl Default for AttachOptions {
    fn default() -> Self {
        Self { stdin: true, stdout: true, stderr: true }
    }
}

/// Something that happened to the command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachFrame {
    /// It wrote to standard output, or to its terminal.
    Stdout(Vec<u8>),
    /// It wrote to standard error.
    Stderr(Vec<u8>),
    /// It was executed.
    Started,
    /// It could not be executed.
    StartFailed {
        /// What execve(2) said.
        errno: i32,
    },
    /// It has ended.
    Exited(ExitStatus),
}

/// A connection to a container's command; dropping it detaches.
#[derive(Debug)]
pub struct Attachment(pub(crate) system::Attachment);

impl Attachment {
    /// Parts it into its two directions, each for a thread of its own.
    pub fn split(self) -> (AttachReader, AttachWriter) {
        let (reader, writer) = self.0.split();
        (AttachReader(reader), AttachWriter(writer))
    }
}

/// Receives what the command writes.
#[derive(Debug)]
pub struct AttachReader(system::AttachedReader);

impl AttachReader {
    /// Waits for the next frame; `None` once the monitor is gone.
    ///
    /// # Errors
    ///
    /// Failures of the connection.
    pub fn next_frame(&mut self) -> Result<Option<AttachFrame>> {
        self.0.next_frame()
    }
}

/// Sends what the command reads.
#[derive(Clone, Debug)]
pub struct AttachWriter(system::AttachedWriter);

impl AttachWriter {
    /// Sends input; waits while the command has not read what came before.
    ///
    /// # Errors
    ///
    /// `EPIPE` once the container has ended.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        self.0.write(bytes)
    }

    /// Ends the command's standard input. A terminal's input does not end; type its end character.
    ///
    /// # Errors
    ///
    /// As [`AttachWriter::write`].
    pub fn close_stdin(&self) -> Result<()> {
        self.0.close_stdin()
    }

    /// Changes the size of the command's terminal.
    ///
    /// # Errors
    ///
    /// As [`AttachWriter::write`].
    pub fn resize(&self, size: TerminalSize) -> Result<()> {
        self.0.resize(size)
    }

    /// Ends the connection in both directions: the reader gets `None`, the command goes on.
    pub fn detach(self) {
        self.0.detach();
    }
}
