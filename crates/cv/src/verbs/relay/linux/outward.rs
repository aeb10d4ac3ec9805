//! What goes to a command that a monitor holds.

use std::io;
use std::os::fd::AsFd as _;

use containerv::{Error, ErrorKind};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::super::attached::{LetGo, Outward};
use super::unheard::Advice;
use super::wait_ready;
use crate::terminal::size;

const BUFFER: usize = 16 << 10;
const SIGWINCH: i32 = 28;

impl Outward {
    /// Passes on what comes in until this program lets go.
    pub(in super::super) fn copy(&mut self) -> Result<LetGo, Error> {
        let mut advice = Advice::new(self.quiet);
        self.resize()?;
        loop {
            let typed = self.wait()?;
            if let Some(signal) = self.take_signals(&mut advice)? {
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
    fn take_signals(&mut self, advice: &mut Advice) -> Result<Option<i32>, Error> {
        while let Some(signal) = self.signals.next()? {
            match (signal, self.has_terminal) {
                (SIGWINCH, true) => self.resize()?,
                (signal, true) => return Ok(Some(signal)),
                (signal, false) => match self.pass_on(signal, advice) {
                    // It has just ended.
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => {}
                    result => result?,
                },
            }
        }
        Ok(None)
    }

    fn pass_on(&self, signal: i32, advice: &mut Advice) -> Result<(), Error> {
        if let Some(pid) = self.container.state()?.pid {
            advice.give(&self.container, pid, signal);
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
