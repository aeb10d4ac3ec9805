//! Standard streams of a process in a container.
//!
//! The service makes a pipe for each stream that is asked for, and hands out our end, which is open
//! for overlapped transfers. A caller who wants pipes gets these ends as they are, but for standard
//! input: that our end is closed is no end of the file for the process, somebody has to say it. For
//! this and for other kinds of streams a thread passes bytes on, for as long as the process has the
//! stream.

use std::io::{self, Read, Write};
use std::os::windows::io::OwnedHandle;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::thread::JoinHandle;

use containerv_sys::windows::hcs::ProcessInfo;
use containerv_sys::windows::pipe;

use super::running::Child;
use crate::process::{Ends, Stdio, StdioSet, TerminalStreams};
use crate::{Error, Result};

/// How much a thread passes on at a time.
const CHUNK: usize = 64 << 10;

/// Threads that pass output on.
#[derive(Debug, Default)]
pub(super) struct Pumps(Vec<JoinHandle<()>>);

impl Pumps {
    /// Waits until all output is passed on; the process has ended.
    pub(super) fn finish(&mut self) {
        for thread in self.0.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Stdio {
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// Both ways of a terminal.
pub(super) fn terminal(info: ProcessInfo) -> Option<TerminalStreams> {
    Some(TerminalStreams { input: info.stdin?.into(), output: info.stdout?.into() })
}

/// Connects a process's streams.
pub(super) fn connect(info: ProcessInfo, stdio: StdioSet, child: &Arc<Child>) -> Result<(Pumps, Ends)> {
    let (mut ends, mut pumps) = (Ends::default(), Pumps::default());
    if let Some(stdin) = info.stdin {
        match stdio.stdin {
            Stdio::Piped => {
                let (own, other) = pipe::pair().map_err(|error| Error::io(error, "cannot make a pipe"))?;
                ends.stdin = Some(OwnedHandle::from(other).into());
                feed(own, stdin, Arc::clone(child));
            }
            Stdio::Null => child.close_stdin(),
            Stdio::Inherit => feed(io::stdin(), stdin, Arc::clone(child)),
            Stdio::Handle(handle) => feed(std::fs::File::from(handle), stdin, Arc::clone(child)),
        }
    }
    if let Some(stdout) = info.stdout {
        match stdio.stdout {
            Stdio::Piped => ends.stdout = Some(ChildStdout::from(stdout)),
            Stdio::Null => pumps.0.push(drain(stdout, io::sink())),
            Stdio::Inherit => pumps.0.push(drain(stdout, io::stdout())),
            Stdio::Handle(handle) => pumps.0.push(drain(stdout, std::fs::File::from(handle))),
        }
    }
    if let Some(stderr) = info.stderr {
        match stdio.stderr {
            Stdio::Piped => ends.stderr = Some(ChildStderr::from(stderr)),
            Stdio::Null => pumps.0.push(drain(stderr, io::sink())),
            Stdio::Inherit => pumps.0.push(drain(stderr, io::stderr())),
            Stdio::Handle(handle) => pumps.0.push(drain(stderr, std::fs::File::from(handle))),
        }
    }
    Ok((pumps, ends))
}

/// Passes input on until it ends or the process does. Nobody waits for the thread: it may wait for
/// somebody to type.
fn feed(mut from: impl Read + Send + 'static, to: OwnedHandle, child: Arc<Child>) {
    std::thread::spawn(move || {
        let mut to = ChildStdin::from(to);
        let mut chunk = vec![0; CHUNK];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            if to.write_all(&chunk[..count]).is_err() {
                return;
            }
        }
        drop(to);
        child.close_stdin();
    });
}

/// Passes output on until the process has closed it. What cannot be written is read all the same, so
/// that the process goes on.
fn drain(from: OwnedHandle, mut to: impl Write + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut from = ChildStdout::from(from);
        let mut chunk = vec![0; CHUNK];
        let mut open = true;
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            open = open && to.write_all(&chunk[..count]).and_then(|()| to.flush()).is_ok();
        }
    })
}
