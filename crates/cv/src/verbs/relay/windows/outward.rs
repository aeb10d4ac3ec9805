//! What goes to a command that a monitor holds.

use std::io::{self, Read as _};
use std::sync::mpsc::Sender;
use std::thread;

use containerv::{AttachWriter, Error, ErrorKind};

use super::super::attached::{LetGo, Outward};
use super::{Happening, SIZE_INTERVAL};
use crate::terminal::detach::DetachKeys;
use crate::terminal::{Keys, size};

const BUFFER: usize = 16 << 10;

impl Outward {
    /// Passes on what comes in until this program lets go.
    pub(in super::super) fn copy(&mut self) -> Result<LetGo, Error> {
        if self.input {
            self.read_input();
        }
        let mut known = None;
        loop {
            let now = size().filter(|_| self.has_terminal);
            if now != known {
                known = now;
                now.map_or(Ok(()), |size| self.writer.resize(size))?;
            }
            match self.signals.next(self.has_terminal.then_some(SIZE_INTERVAL)) {
                Some(Happening::Signal(signal)) if self.has_terminal => return Ok(LetGo::Signal(signal)),
                Some(Happening::Signal(signal)) => self.pass_on(signal)?,
                Some(Happening::Keys) => return Ok(LetGo::Keys),
                Some(Happening::Failed(crate::failure::Failure::Work(error))) => return Err(error),
                Some(Happening::Failed(_) | Happening::Ended) | None => {}
            }
        }
    }

    fn pass_on(&self, signal: i32) -> Result<(), Error> {
        match self.container.signal(signal) {
            // It has just ended.
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Passes input on in a thread that ends with this program, and waits for nobody but the command.
    fn read_input(&self) {
        let (writer, tell) = (self.writer.clone(), self.signals.tell.clone());
        let keys = self.has_terminal.then(|| self.keys.clone());
        thread::spawn(move || {
            let passed = match keys {
                Some(keys) => pass_keys(&writer, keys, &tell),
                None => pass_bytes(&writer),
            };
            if let Err(error) = passed {
                _ = tell.send(Happening::Failed(error.into()));
            }
        });
    }
}

/// Passes keys on until they are those that let go.
fn pass_keys(writer: &AttachWriter, mut detach: DetachKeys, tell: &Sender<Happening>) -> Result<(), Error> {
    let mut keys = Keys::default();
    loop {
        let typed = keys.read().map_err(|error| Error::io(error, "read keys"))?;
        let (passed, complete) = detach.filter(&typed);
        if !passed.is_empty() {
            writer.write(&passed)?;
        }
        if complete {
            _ = tell.send(Happening::Keys);
            return Ok(());
        }
    }
}

fn pass_bytes(writer: &AttachWriter) -> Result<(), Error> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match io::stdin().lock().read(&mut buffer) {
            Ok(0) => return writer.close_stdin(),
            Ok(length) => writer.write(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(error, "read standard input")),
        }
    }
}
