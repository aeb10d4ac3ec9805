//! Linux.

mod outward;
mod own_terminal;
mod unheard;

pub use own_terminal::terminal;

use std::os::fd::AsFd as _;

use containerv::{Child, Container, Error, Stdio};
use containerv_sys::linux::signals::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};

use self::unheard::Advice;
use super::finish;
use crate::failure::Failure;

/// Signals that are passed on to a command: HUP, INT, QUIT, USR1, USR2, ALRM, TERM. Not those with
/// which a shell stops and continues this program itself.
pub const PROXIED_SIGNALS: &[i32] = &[1, 2, 3, 10, 12, 14, 15];
/// Signals that matter while the terminal is raw: HUP, INT, QUIT and TERM end this program, which
/// gives the terminal back first, and WINCH tells of a new size.
pub const TERMINAL_SIGNALS: &[i32] = &[1, 2, 3, 15, 28];

/// Returns how a command in the foreground gets one of this program's outputs: it inherits it.
pub fn own_output() -> Stdio {
    Stdio::Inherit
}

/// Returns what this program ends with when a signal ends it, as shells report it.
pub(super) fn code_of_signal(signal: i32) -> i32 {
    128 + signal
}

/// Signals that are caught instead of ending this program.
#[derive(Debug)]
pub struct Signals(Option<SignalFd>);

impl Signals {
    /// Catches these signals. To be called before threads or children are started.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn block(signals: &[i32]) -> Result<Self, Error> {
        if signals.is_empty() {
            return Ok(Self(None));
        }
        let caught = SignalFd::block(signals).map_err(|error| Error::io(error, "catch signals"))?;
        Ok(Self(Some(caught)))
    }

    /// Takes the next signal that has come in.
    fn next(&self) -> Result<Option<i32>, Error> {
        let taken = self.0.as_ref().map_or(Ok(None), SignalFd::next);
        taken.map_err(|error| Error::io(error, "read a signal"))
    }
}

/// Waits for a command that has this program's own streams, passing signals on. `first` is the
/// container whose own command it is.
///
/// # Errors
///
/// The system's.
pub fn wait_for(
    mut child: Child,
    signals: &Signals,
    first: Option<&Container>,
    quiet: bool,
) -> Result<i32, Failure> {
    if let Some(caught) = &signals.0 {
        let mut advice = Advice::new(quiet);
        loop {
            let mut ready = [
                PollFd::from_borrowed_fd(child.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(caught.as_fd(), PollFlags::IN),
            ];
            wait_ready(&mut ready)?;
            let ended = !ready[0].revents().is_empty();
            while let Some(signal) = signals.next()? {
                if let Some(container) = first {
                    advice.give(container, child.id(), signal);
                }
                pass_on(&child, signal)?;
            }
            if ended {
                break;
            }
        }
    }
    let status = child.wait()?;
    Ok(finish(status.docker_code(), status.out_of_memory(), quiet))
}

/// Passes a signal on. A command that has just ended takes none, which its wait will tell.
fn pass_on(child: &Child, signal: i32) -> Result<(), Error> {
    match child.signal(signal) {
        Err(error) if error.kind() != containerv::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until one of the descriptors is ready.
fn wait_ready(descriptors: &mut [PollFd<'_>]) -> Result<(), Error> {
    loop {
        match poll(descriptors, None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::os(errno.raw_os_error(), "wait for input")),
        }
    }
}
