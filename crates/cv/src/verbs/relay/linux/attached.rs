//! A command that a monitor holds: its output comes in frames, input and sizes go out in frames.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::mpsc::{Receiver, Sender, channel};

use containerv::{
    AttachFrame, AttachOptions, AttachReader, AttachWriter, Container, Error, ErrorKind, ExitStatus,
};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::unheard::Advice;
use super::{Signals, wait_ready};
use crate::failure::Failure;
use crate::output;
use crate::terminal::{RawMode, size};
use crate::verbs::relay::{Passing, TERMINAL_SIGNALS, finish};

const BUFFER: usize = 16 << 10;
const SIGWINCH: i32 = 28;

/// Why this program let go before the command ended.
enum LetGo {
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
        advice: Advice::new(passing.quiet),
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
    while let Some(frame) = reader.next_frame()? {
        match frame {
            AttachFrame::Stdout(bytes) => output::print(bytes)?,
            AttachFrame::Stderr(bytes) => {
                io::stderr().lock().write_all(&bytes).map_err(output::write_failure)?;
            }
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
        Ok(LetGo::Signal(signal)) => Ok(128 + signal),
        Ok(LetGo::Failed(error)) => Err(error.into()),
        Err(_) => {
            let exit = container.wait()?;
            Ok(finish(exit.code, exit.out_of_memory, quiet))
        }
    }
}

/// What goes to the command, in a thread of its own.
struct Outward {
    writer: AttachWriter,
    container: Container,
    signals: Signals,
    input: bool,
    has_terminal: bool,
    advice: Advice,
    keys: crate::terminal::detach::DetachKeys,
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

    fn copy(&mut self) -> Result<LetGo, Error> {
        self.resize()?;
        loop {
            let typed = self.wait()?;
            if let Some(signal) = self.take_signals()? {
                return Ok(LetGo::Signal(signal));
            }
            if typed && self.read_typed()? {
                return Ok(LetGo::Keys);
            }
        }
    }

    /// Waits; says whether something was typed.
    fn wait(&self) -> Result<bool, Error> {
        let input = io::stdin();
        let mut descriptors = Vec::with_capacity(2);
        if self.input {
            descriptors.push(PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN));
        }
        if let Some(caught) = &self.signals.0 {
            descriptors.push(PollFd::from_borrowed_fd(caught.as_fd(), PollFlags::IN));
        }
        if descriptors.is_empty() {
            // Nothing can come in: the other thread ends the program.
            loop {
                std::thread::park();
            }
        }
        wait_ready(&mut descriptors)?;
        Ok(self.input && !descriptors[0].revents().is_empty())
    }

    /// Handles what came in; returns a signal that ends this program.
    fn take_signals(&mut self) -> Result<Option<i32>, Error> {
        while let Some(signal) = self.signals.next()? {
            match (signal, self.has_terminal) {
                (SIGWINCH, true) => self.resize()?,
                (signal, true) => return Ok(Some(signal)),
                (signal, false) => match self.pass_on(signal) {
                    // It has just ended.
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => {}
                    result => result?,
                },
            }
        }
        Ok(None)
    }

    fn pass_on(&mut self, signal: i32) -> Result<(), Error> {
        if let Some(pid) = self.container.state()?.pid {
            self.advice.give(&self.container, pid, signal);
        }
        self.container.signal(signal)
    }

    fn resize(&mut self) -> Result<(), Error> {
        match size().filter(|_| self.has_terminal) {
            Some(size) => self.writer.resize(size),
            None => Ok(()),
        }
    }

    /// Passes on what was typed; says whether the detach keys were among it.
    fn read_typed(&mut self) -> Result<bool, Error> {
        let mut buffer = [0; BUFFER];
        match rustix::io::read(io::stdin(), &mut buffer) {
            Ok(0) | Err(Errno::IO) => {
                self.input = false;
                self.writer.close_stdin()?;
                Ok(false)
            }
            Ok(length) if !self.has_terminal => self.writer.write(&buffer[..length]).map(|()| false),
            Ok(length) => {
                let (passed, complete) = self.keys.filter(&buffer[..length]);
                if !passed.is_empty() {
                    self.writer.write(&passed)?;
                }
                Ok(complete)
            }
            Err(Errno::INTR | Errno::AGAIN) => Ok(false),
            Err(errno) => Err(Error::os(errno.raw_os_error(), "read standard input")),
        }
    }
}
