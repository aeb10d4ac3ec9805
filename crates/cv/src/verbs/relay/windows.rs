//! Windows.

mod outward;
mod own_terminal;
mod streams;

pub use own_terminal::terminal;
pub use streams::wait_for;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use containerv::{Child, Error, ErrorKind, Stdio};
use containerv_sys::windows::console::{self, Control};

use crate::failure::Failure;

/// Events of the console that are passed on to a command: Ctrl+C, Ctrl+Break, and the end of the console, of the
/// session or of the machine.
pub const PROXIED_SIGNALS: &[i32] = &[2, 21, 1, 101, 102];
/// Events that matter while the console is raw, where Ctrl+C is a character: all end this program, which gives the
/// console back first.
pub const TERMINAL_SIGNALS: &[i32] = &[21, 1, 101, 102];
/// Time after which the size of the console is looked at again: it tells of changes only those who read its events,
/// which would be the keys as well.
const SIZE_INTERVAL: Duration = Duration::from_millis(250);

/// Returns how a command in the foreground gets one of this program's outputs: by a pipe, of which this program makes
/// text where it is for a console.
pub fn own_output() -> Stdio {
    Stdio::Piped
}

/// Returns what this program ends with when an event of the console ends it.
pub(super) fn code_of_signal(_: i32) -> i32 {
    const STATUS_CONTROL_C_EXIT: u32 = 0xC000_013A;
    STATUS_CONTROL_C_EXIT.cast_signed()
}

/// What happens beside the command.
enum Happening {
    /// The console has an event, by the number of its signal.
    Signal(i32),
    /// The detach keys were typed.
    Keys,
    /// An output of the command has ended.
    Ended,
    /// Something cannot be passed on.
    Failed(Failure),
}

/// Events of the console that are caught instead of ending this program, and what threads tell.
#[derive(Debug)]
pub struct Signals {
    tell: Sender<Happening>,
    told: Receiver<Happening>,
}

impl Signals {
    /// Catches these signals.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn block(signals: &'static [i32]) -> Result<Self, Error> {
        let (tell, told) = channel();
        if !signals.is_empty() {
            let tell = tell.clone();
            let caught = move |control| {
                let number = number_of(control);
                if signals.contains(&number) {
                    // Nobody listens once the command has ended, and this program is about to.
                    _ = tell.send(Happening::Signal(number));
                }
            };
            console::on_control(caught).map_err(|error| Error::io(error, "catch Ctrl+C"))?;
        }
        Ok(Self { tell, told })
    }

    /// Waits for the next thing to happen; none when the time is over.
    fn next(&self, limit: Option<Duration>) -> Option<Happening> {
        match limit {
            // There is always a sender: this one's own.
            None => self.told.recv().ok(),
            Some(limit) => self.told.recv_timeout(limit).ok(),
        }
    }
}

/// The number that stands for an event as a signal.
fn number_of(control: Control) -> i32 {
    match control {
        Control::C => 2,
        Control::Break => 21,
        Control::Close => 1,
        Control::LogOff => 101,
        Control::Shutdown => 102,
    }
}

/// Passes a signal on. A command that has just ended takes none, which its wait will tell.
fn pass_on(child: &Child, signal: i32) -> Result<(), Error> {
    match child.signal(signal) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use containerv_spec::hcs::process::ConsoleEvent;
    use containerv_spec::hcs::signal::{WindowsSignal, from_number};

    use super::*;

    #[test]
    fn events_become_themselves_in_the_container() {
        for (control, event) in [
            (Control::C, ConsoleEvent::CtrlC),
            (Control::Break, ConsoleEvent::CtrlBreak),
            (Control::Close, ConsoleEvent::CtrlClose),
            (Control::LogOff, ConsoleEvent::CtrlLogOff),
            (Control::Shutdown, ConsoleEvent::CtrlShutdown),
        ] {
            let number = number_of(control);
            assert!(PROXIED_SIGNALS.contains(&number));
            assert_eq!(from_number(number as u8), Some(WindowsSignal::Event(event)));
        }
    }
}
