//! A command that a monitor holds: its output comes in frames, input and sizes go out in frames.

use std::sync::mpsc::{Receiver, Sender, channel};

use containerv::{
    AttachFrame, AttachOptions, AttachReader, AttachWriter, Container, Error, ErrorKind, ExitStatus,
};

use super::{Passing, Signals, TERMINAL_SIGNALS, code_of_signal, finish};
use crate::failure::Failure;
use crate::output;
use crate::output::relayed::Relayed;
use crate::terminal::RawMode;
use crate::terminal::detach::DetachKeys;

/// Why this program let go before the command ended.
pub(super) enum LetGo {
    /// The detach keys were typed.
    Keys,
    /// A signal came in that ends this program.
    Signal(i32),
    /// The monitor takes nothing more.
    Failed(Error),
}

/// Attaches to a container and starts it.
///
/// # Errors
///
/// It cannot be attached to or started.
pub fn start_attached(
    container: &Container,
    streams: AttachOptions,
    passing: &Passing,
) -> Result<i32, Failure> {
    foreground(container, streams, passing, true)
}

/// Attaches to a running container.
///
/// # Errors
///
/// It cannot be attached to.
pub fn attach(container: &Container, streams: AttachOptions, passing: &Passing) -> Result<i32, Failure> {
    foreground(container, streams, passing, false)
}

fn foreground(
    container: &Container,
    streams: AttachOptions,
    passing: &Passing,
    start: bool,
) -> Result<i32, Failure> {
    let has_terminal = container.request().process.as_ref().is_some_and(|process| process.terminal.is_some());
    let input = streams.stdin;
    let signals = Signals::block(if has_terminal { TERMINAL_SIGNALS } else { passing.signals })?;
    if start {
        container.prepare()?;
    }
    let (mut reader, writer) = container.attach(streams)?.split();
    if start && let Err(error) = container.start() {
        if matches!(error.kind(), ErrorKind::CommandNotFound | ErrorKind::CommandNotExecutable) {
            await_removal(container, &mut reader);
        }
        return Err(error.into());
    }
    let raw = if has_terminal && input { RawMode::enter()? } else { None };
    let (tell, told) = channel();
    let outward = Outward {
        writer,
        container: container.clone(),
        signals,
        input,
        has_terminal,
        quiet: passing.quiet,
        keys: passing.keys.clone(),
        tell,
    };
    std::thread::spawn(move || outward.run());
    let ended = inward(&mut reader);
    drop(raw);
    match ended? {
        Some(status) => {
            // One that removes itself may be gone already.
            _ = container.wait();
            await_removal(container, &mut reader);
            Ok(finish(status.docker_code(), status.out_of_memory(), passing.quiet))
        }
        None => let_go(container, &told, passing.quiet),
    }
}

/// Copies output until the end; returns how the command ended, or nothing if the connection did.
fn inward(reader: &mut AttachReader) -> Result<Option<ExitStatus>, Failure> {
    let (mut stdout, mut stderr) = (Relayed::stdout(), Relayed::stderr());
    while let Some(frame) = reader.next_frame()? {
        match frame {
            AttachFrame::Stdout(bytes) => stdout.write(&bytes)?,
            AttachFrame::Stderr(bytes) => stderr.write(&bytes)?,
            AttachFrame::Exited(status) => return Ok(Some(status)),
            AttachFrame::StartFailed { errno } => {
                return Err(Error::os(errno, "the container's command could not be executed").into());
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Waits until a container whose command has ended is removed, if it is to be: its monitor does
/// that last, and the connection ends with it.
fn await_removal(container: &Container, reader: &mut AttachReader) {
    if container.request().auto_remove {
        while matches!(reader.next_frame(), Ok(Some(_))) {}
    }
}

/// The connection has ended before the command.
fn let_go(container: &Container, told: &Receiver<LetGo>, quiet: bool) -> Result<i32, Failure> {
    match told.try_recv() {
        Ok(LetGo::Keys) => {
            if !quiet {
                output::message(&format!("\ndetached from `{}`, which goes on\n", container.name()));
            }
            Ok(0)
        }
        Ok(LetGo::Signal(signal)) => Ok(code_of_signal(signal)),
        Ok(LetGo::Failed(error)) => Err(error.into()),
        Err(_) => {
            let exit = container.wait()?;
            Ok(finish(exit.code, exit.out_of_memory, quiet))
        }
    }
}

/// What goes to the command, in a thread of its own.
pub(super) struct Outward {
    pub(super) writer: AttachWriter,
    pub(super) container: Container,
    pub(super) signals: Signals,
    pub(super) input: bool,
    pub(super) has_terminal: bool,
    #[cfg_attr(windows, allow(dead_code, reason = "signals that nobody hears are of Linux"))]
    pub(super) quiet: bool,
    pub(super) keys: DetachKeys,
    tell: Sender<LetGo>,
}

impl Outward {
    fn run(mut self) {
        let why = match self.copy() {
            Ok(why) => why,
            Err(error) => LetGo::Failed(error),
        };
        // The other thread may have ended already, and then nobody needs to know.
        _ = self.tell.send(why);
        self.writer.detach();
    }
}
