//! Standard streams of a process that this process starts.

use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsFd, OwnedFd};

use super::execute::duplicate;
use crate::process::{Stdio, StdioSet};
use crate::{Error, Result};

/// The caller's ends of pipes.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// Writes to the process.
    pub(crate) stdin: Option<PipeWriter>,
    /// Reads its output.
    pub(crate) stdout: Option<PipeReader>,
    /// Reads its error output.
    pub(crate) stderr: Option<PipeReader>,
}

/// Makes the process's descriptors, all above 2.
pub(crate) fn child_streams(stdio: StdioSet) -> Result<([OwnedFd; 3], Ends)> {
    let mut ends = Ends::default();
    let input = match stdio.stdin {
        Stdio::Piped => {
            let (reader, writer) = pipe()?;
            ends.stdin = Some(writer);
            duplicate(reader)?
        }
        other => simple(other, rustix::stdio::stdin(), false)?,
    };
    let output = match stdio.stdout {
        Stdio::Piped => {
            let (reader, writer) = pipe()?;
            ends.stdout = Some(reader);
            duplicate(writer)?
        }
        other => simple(other, rustix::stdio::stdout(), true)?,
    };
    let error = match stdio.stderr {
        Stdio::Piped => {
            let (reader, writer) = pipe()?;
            ends.stderr = Some(reader);
            duplicate(writer)?
        }
        other => simple(other, rustix::stdio::stderr(), true)?,
    };
    Ok(([input, output, error], ends))
}

fn pipe() -> Result<(PipeReader, PipeWriter)> {
    std::io::pipe().map_err(|error| Error::io(error, "cannot make a pipe"))
}

fn simple(stdio: Stdio, own: impl AsFd, write: bool) -> Result<OwnedFd> {
    match stdio {
        Stdio::Fd(fd) => duplicate(fd),
        // A caller without this stream (closed before it was started) gives nothing.
        Stdio::Inherit => duplicate(own).or_else(|_| null(write)),
        Stdio::Null | Stdio::Piped => null(write),
    }
}

/// Opens `/dev/null`.
pub(crate) fn null(write: bool) -> Result<OwnedFd> {
    let file = File::options().read(!write).write(write).open("/dev/null");
    duplicate(file.map_err(|error| Error::io(error, "cannot open `/dev/null`"))?)
}

/// Opens `/dev/null` for reading and writing.
pub(crate) fn null_both() -> Result<OwnedFd> {
    let file = File::options().read(true).write(true).open("/dev/null");
    duplicate(file.map_err(|error| Error::io(error, "cannot open `/dev/null`"))?)
}
