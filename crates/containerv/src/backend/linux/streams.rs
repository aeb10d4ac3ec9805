//! Standard streams of a process that this process starts.

use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::FdFlags;

use super::execute::duplicate;
use crate::process::{Ends, Stdio, StdioSet};
use crate::{Error, Result};

/// Makes the process's descriptors, all above 2.
pub(crate) fn child_streams(stdio: StdioSet) -> Result<([OwnedFd; 3], Ends)> {
    let mut ends = Ends::default();
    let input = match stdio.stdin {
        Stdio::Piped => {
            let (reader, writer) = pipe()?;
            ends.stdin = Some(OwnedFd::from(writer).into());
            duplicate(reader)?
        }
        other => simple(other, rustix::stdio::stdin(), false)?,
    };
    let output = match stdio.stdout {
        Stdio::Piped => {
            let (reader, writer) = pipe()?;
            ends.stdout = Some(OwnedFd::from(reader).into());
            duplicate(writer)?
        }
        other => simple(other, rustix::stdio::stdout(), true)?,
    };
    let error = match stdio.stderr {
        Stdio::Piped => {
            let (reader, writer) = pipe()?;
            ends.stderr = Some(OwnedFd::from(reader).into());
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
        Stdio::Inherit if is_stream(&own) => duplicate(own),
        Stdio::Inherit => null(write),
        Stdio::Null | Stdio::Piped => null(write),
    }
}

/// Says whether the caller has this stream. Where it was closed, the number may have gone to a file
/// of this library, such as a directory of the host, which no process of a container must get.
/// Such a file does not outlast execve(2), as a stream does.
fn is_stream(own: &impl AsFd) -> bool {
    rustix::io::fcntl_getfd(own).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn target(fd: &OwnedFd) -> std::path::PathBuf {
        use std::os::fd::AsRawFd;
        std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap()
    }

    #[test]
    fn a_file_in_the_place_of_a_stream_is_not_inherited() {
        let directory = File::open("/").unwrap();
        let given = simple(Stdio::Inherit, &directory, false).unwrap();
        assert_eq!(target(&given).to_str(), Some("/dev/null"));
        rustix::io::fcntl_setfd(&directory, FdFlags::empty()).unwrap();
        let given = simple(Stdio::Inherit, &directory, false).unwrap();
        assert_eq!(target(&given).to_str(), Some("/"));
    }
}
