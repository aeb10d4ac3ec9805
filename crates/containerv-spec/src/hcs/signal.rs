//! Signals of Docker, as Windows knows them.

use super::process::ConsoleEvent;

/// What a signal is on Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowsSignal {
    /// An event for the program, which it may handle.
    Event(ConsoleEvent),
    /// The end of the process.
    Terminate,
}

/// Names that are taken, for messages.
pub const NAMES: &str = "TERM, KILL, CTRLC, CTRLBREAK, CTRLCLOSE, CTRLLOGOFF and CTRLSHUTDOWN";

/// Finds a signal by its name in any case, with or without `SIG`; an empty name is `TERM`.
///
/// `TERM` becomes the event of a shutdown, for which services and console programs are prepared.
pub fn from_name(name: &str) -> Option<WindowsSignal> {
    let upper = name.to_ascii_uppercase();
    Some(match upper.strip_prefix("SIG").unwrap_or(&upper) {
        "" | "TERM" | "CTRLSHUTDOWN" => WindowsSignal::Event(ConsoleEvent::CtrlShutdown),
        "KILL" => WindowsSignal::Terminate,
        "CTRLC" => WindowsSignal::Event(ConsoleEvent::CtrlC),
        "CTRLBREAK" => WindowsSignal::Event(ConsoleEvent::CtrlBreak),
        "CTRLCLOSE" => WindowsSignal::Event(ConsoleEvent::CtrlClose),
        "CTRLLOGOFF" => WindowsSignal::Event(ConsoleEvent::CtrlLogOff),
        _ => return None,
    })
}

/// Finds a signal by the number that Linux gives it: 15 and 9 only.
pub fn from_number(number: u8) -> Option<WindowsSignal> {
    match number {
        15 => from_name("TERM"),
        9 => from_name("KILL"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mapped_and_unknown_ones_refused() {
        use ConsoleEvent::{CtrlBreak, CtrlC, CtrlClose, CtrlLogOff, CtrlShutdown};
        for (name, event) in [
            ("", CtrlShutdown),
            ("TERM", CtrlShutdown),
            ("sigterm", CtrlShutdown),
            ("CtrlShutdown", CtrlShutdown),
            ("CTRLC", CtrlC),
            ("ctrlbreak", CtrlBreak),
            ("CTRLCLOSE", CtrlClose),
            ("CTRLLOGOFF", CtrlLogOff),
        ] {
            assert_eq!(from_name(name), Some(WindowsSignal::Event(event)), "{name}");
        }
        assert_eq!(from_name("SIGKILL"), Some(WindowsSignal::Terminate));
        for name in ["HUP", "INT", "USR1", "15", "CTRL-C", "TERM ", "SIGSIGTERM"] {
            assert_eq!(from_name(name), None, "{name}");
        }
        assert_eq!(from_number(15), from_name("TERM"));
        assert_eq!(from_number(9), from_name("KILL"));
        assert_eq!(from_number(2), None);
    }
}
