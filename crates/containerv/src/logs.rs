//! What a container has written.

use serde::Serialize;

use crate::backend::system;
use crate::{Container, Result};

/// Which entries of a log are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Wait for further entries until the container ends.
    pub follow: bool,
    /// Only the last entries, so many of those that the other options let through; all if `None`.
    pub tail: Option<u64>,
    /// Only entries from this time on, in nanoseconds since 1970.
    pub since_unix_ns: Option<u64>,
    /// Only entries up to this time, in nanoseconds since 1970.
    pub until_unix_ns: Option<u64>,
    /// Entries of standard output, or of the terminal.
    pub stdout: bool,
    /// Entries of standard error.
    pub stderr: bool,
}

impl Default for LogOptions {
    /// Everything that there is now.
    fn default() -> Self {
        Self {
            follow: false,
            tail: None,
            since_unix_ns: None,
            until_unix_ns: None,
            stdout: true,
            stderr: true,
        }
    }
}

/// A standard stream of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output; all output of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One entry of a log: a line, or a piece of at most 16 KiB of a longer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When it was written, in nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// Where it was written to.
    pub stream: LogStream,
    /// What was written, with its line end if it has one. Bytes that are not UTF-8 have become
    /// U+FFFD in the log.
    pub data: Vec<u8>,
}

/// The entries of a log, oldest first.
///
/// An entry that is damaged is an error of kind `Corrupt` that names its file and line; the
/// iteration goes on behind it. After any other error it ends.
#[derive(Debug)]
pub struct Logs(system::Logs);

impl Iterator for Logs {
    type Item = Result<LogEntry>;

    /// Returns the next entry; with [`LogOptions::follow`], waits for it.
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl Container {
    /// Reads what the command of a supervised container has written, in this and earlier runs.
    ///
    /// A follower misses nothing when the log is rotated, unless it falls behind by as many files
    /// as are kept.
    ///
    /// # Errors
    ///
    /// `InvalidState` if there is no log: the container was run in the foreground, has no command
    /// of its own, or has the log driver `none`.
    pub fn logs(&self, options: LogOptions) -> Result<Logs> {
        self.host().system.logs(self.id(), options).map(Logs)
    }
}
