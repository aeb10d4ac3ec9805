//! A command with pipes between its outputs and this program's.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use containerv::{Child, Container, Error};

use super::{Happening, Signals, pass_on};
use crate::failure::Failure;
use crate::output::relayed::Relayed;
use crate::verbs::relay::finish;

const BUFFER: usize = 64 << 10;
/// Time between two looks at a command that has closed its outputs and goes on, and one that has not.
const CLOSED_INTERVAL: Duration = Duration::from_millis(10);
const OPEN_INTERVAL: Duration = Duration::from_millis(250);
/// How long an output that others still hold may be silent after the command's end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for a command, copying what it writes to this program's streams and passing signals on.
///
/// # Errors
///
/// The system's.
pub fn wait_for(
    mut child: Child,
    signals: &Signals,
    _: Option<&Container>,
    quiet: bool,
) -> Result<i32, Failure> {
    let mut outputs = Outputs::default();
    if let Some(pipe) = child.stdout.take() {
        outputs.add(pipe, Relayed::stdout(), &signals.tell);
    }
    if let Some(pipe) = child.stderr.take() {
        outputs.add(pipe, Relayed::stderr(), &signals.tell);
    }
    let status = loop {
        let interval = if outputs.open == 0 { CLOSED_INTERVAL } else { OPEN_INTERVAL };
        match signals.next(Some(interval)) {
            Some(Happening::Signal(signal)) => pass_on(&child, signal)?,
            Some(Happening::Ended) => outputs.open -= 1,
            Some(Happening::Failed(failure)) => {
                end(&mut child);
                return Err(failure);
            }
            Some(Happening::Keys) | None => {}
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
    };
    outputs.drain(signals)?;
    Ok(finish(status.docker_code(), status.out_of_memory(), quiet))
}

/// Ends a command whose output cannot be passed on any more, as SIGPIPE or SIGHUP does on Linux: Windows has no such
/// signals, and closing our end of its pipe tells it nothing.
pub(super) fn end(child: &mut Child) {
    // One that ends meanwhile is as good; how it ended is waited for, so that it is recorded.
    _ = child.kill();
    _ = child.wait();
}

/// The outputs of a command, each copied by a thread.
#[derive(Default)]
pub(super) struct Outputs {
    pub(super) open: usize,
    copied: Arc<AtomicU64>,
}

impl Outputs {
    /// Copies an output until its end.
    pub(super) fn add(
        &mut self,
        mut pipe: impl Read + Send + 'static,
        mut to: Relayed,
        tell: &Sender<Happening>,
    ) {
        let (tell, copied) = (tell.clone(), Arc::clone(&self.copied));
        self.open += 1;
        thread::spawn(move || {
            let happened = match copy(&mut pipe, &mut to, &copied) {
                Ok(()) => Happening::Ended,
                Err(failure) => Happening::Failed(failure),
            };
            drop(pipe);
            _ = tell.send(happened);
        });
    }

    /// Waits for what a command wrote last. Others that hold its outputs open are not waited for once they are silent.
    pub(super) fn drain(&mut self, signals: &Signals) -> Result<(), Failure> {
        let mut before = self.copied.load(Ordering::Relaxed);
        while self.open > 0 {
            match signals.next(Some(PATIENCE)) {
                Some(Happening::Ended) => self.open -= 1,
                Some(Happening::Failed(failure)) => return Err(failure),
                Some(Happening::Signal(_) | Happening::Keys) => {}
                None => {
                    let now = self.copied.load(Ordering::Relaxed);
                    if now == before {
                        return Ok(());
                    }
                    before = now;
                }
            }
        }
        Ok(())
    }
}

fn copy(pipe: &mut impl Read, to: &mut Relayed, copied: &AtomicU64) -> Result<(), Failure> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                to.write(&buffer[..length])?;
                copied.fetch_add(length as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // How the other end of a pipe closes.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Error::io(error, "read the command's output").into()),
        }
    }
}
