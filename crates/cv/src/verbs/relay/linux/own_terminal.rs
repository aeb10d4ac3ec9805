//! A command whose terminal this program holds the other end of.

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, OwnedFd};

use containerv::{Child, Error};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};

use super::{Signals, wait_ready};
use crate::failure::Failure;
use crate::output;
use crate::terminal::{RawMode, size};

const BUFFER: usize = 16 << 10;

/// Copies between this program's terminal and the command's until the command ends.
///
/// # Errors
///
/// The system's.
pub fn terminal(mut child: Child, interactive: bool, signals: &Signals) -> Result<i32, Failure> {
    let Some(terminal) = child.take_terminal() else {
        return super::wait_for(child, signals, None, true);
    };
    let failed = |errno: Errno| Error::os(errno.raw_os_error(), "prepare the command's terminal");
    let flags = fcntl_getfl(&terminal).map_err(failed)?;
    fcntl_setfl(&terminal, flags | OFlags::NONBLOCK).map_err(failed)?;
    let raw = if interactive { RawMode::enter()? } else { None };
    let mut relay = Relay { child: &mut child, terminal, signals, input: interactive, typed: Vec::new() };
    let ended = relay.run();
    drop(raw);
    match ended? {
        Some(signal) => Ok(super::code_of_signal(signal)),
        None => Ok(child.wait()?.docker_code()),
    }
}

struct Relay<'a> {
    child: &'a mut Child,
    terminal: OwnedFd,
    signals: &'a Signals,
    /// Standard input is open and wanted.
    input: bool,
    /// Typed and not yet taken by the terminal.
    typed: Vec<u8>,
}

/// What is ready.
struct Ready {
    ended: bool,
    output: bool,
    room: bool,
    typed: bool,
}

impl Relay<'_> {
    /// Returns the signal that ends this program, or none when the command has ended.
    fn run(&mut self) -> Result<Option<i32>, Failure> {
        loop {
            let ready = self.wait()?;
            if let Some(signal) = self.take_signals()? {
                return Ok(Some(signal));
            }
            if ready.room {
                self.send_typed()?;
            }
            if ready.typed {
                self.read_typed()?;
            }
            let open = !ready.output || self.show()?;
            if ready.ended {
                // What the command wrote last is still in the terminal; others that hold it open
                // are not waited for.
                return Ok(None);
            }
            if !open {
                // Every holder of the terminal has closed it, and it would be ready for ever.
                let mut only = [PollFd::from_borrowed_fd(self.child.as_fd(), PollFlags::IN)];
                wait_ready(&mut only)?;
                return Ok(None);
            }
        }
    }

    fn wait(&self) -> Result<Ready, Error> {
        let input = io::stdin();
        let mut terminal = PollFlags::IN;
        terminal.set(PollFlags::OUT, !self.typed.is_empty());
        let mut descriptors = vec![
            PollFd::from_borrowed_fd(self.child.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.terminal.as_fd(), terminal),
        ];
        // No more is read than the terminal takes.
        let listening = self.input && self.typed.is_empty();
        if listening {
            descriptors.push(PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN));
        }
        if let Some(caught) = &self.signals.0 {
            descriptors.push(PollFd::from_borrowed_fd(caught.as_fd(), PollFlags::IN));
        }
        wait_ready(&mut descriptors)?;
        let is = |index: usize, flags: PollFlags| descriptors[index].revents().intersects(flags);
        let any = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        Ok(Ready {
            ended: is(0, any),
            output: is(1, any),
            room: is(1, PollFlags::OUT),
            typed: listening && is(2, any),
        })
    }

    fn take_signals(&self) -> Result<Option<i32>, Error> {
        const SIGWINCH: i32 = 28;
        while let Some(signal) = self.signals.next()? {
            if signal != SIGWINCH {
                return Ok(Some(signal));
            }
            if let Some(size) = size() {
                let size = Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
                tcsetwinsize(&self.terminal, size)
                    .map_err(|errno| Error::os(errno.raw_os_error(), "resize the command's terminal"))?;
            }
        }
        Ok(None)
    }

    fn read_typed(&mut self) -> Result<(), Error> {
        let mut buffer = [0; BUFFER];
        match rustix::io::read(io::stdin(), &mut buffer) {
            Ok(0) => {
                self.input = false;
                // The end of a pipe becomes the end-of-file key, which the command's terminal reads as such.
                if !io::stdin().is_terminal() {
                    self.typed.push(4);
                }
            }
            Ok(length) => self.typed.extend_from_slice(&buffer[..length]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(Errno::IO) => self.input = false,
            Err(errno) => return Err(Error::os(errno.raw_os_error(), "read standard input")),
        }
        Ok(())
    }

    fn send_typed(&mut self) -> Result<(), Error> {
        match rustix::io::write(&self.terminal, &self.typed) {
            Ok(length) => {
                self.typed.drain(..length);
                Ok(())
            }
            Err(Errno::INTR | Errno::AGAIN | Errno::IO) => Ok(()),
            Err(errno) => Err(Error::os(errno.raw_os_error(), "write to the command's terminal")),
        }
    }

    /// Shows all that the terminal holds; says whether anybody still has it open.
    fn show(&self) -> Result<bool, Failure> {
        let mut buffer = [0; BUFFER];
        loop {
            match rustix::io::read(&self.terminal, &mut buffer) {
                Ok(0) | Err(Errno::IO) => return Ok(false),
                Ok(length) => output::print(&buffer[..length])?,
                Err(Errno::AGAIN) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(errno) => {
                    return Err(Error::os(errno.raw_os_error(), "read the command's terminal").into());
                }
            }
        }
    }
}
