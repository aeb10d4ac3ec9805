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

/// Numbers that stand for signals in requests. Those of Linux where there is a like one, with the numbers of
/// Microsoft's C library for Ctrl+Break; the two ends of sessions have numbers that no system has.
pub const NUMBERS: [(u8, &str); 7] = [
    (15, "TERM"),
    (9, "KILL"),
    (2, "CTRLC"),
    (21, "CTRLBREAK"),
    (1, "CTRLCLOSE"),
    (101, "CTRLLOGOFF"),
    (102, "CTRLSHUTDOWN"),
];

/// Finds a signal by the number that requests have for it.
pub fn from_number(number: u8) -> Option<WindowsSignal> {
    NUMBERS.iter().find(|(own, _)| *own == number).and_then(|(_, name)| from_name(name))
}

/// Returns the number that requests have for a name, in any case, with or without `SIG`.
pub fn number_of(name: &str) -> Option<u8> {
    let upper = name.to_ascii_uppercase();
    let upper = upper.strip_prefix("SIG").unwrap_or(&upper);
    NUMBERS.iter().find(|(_, own)| *own == upper).map(|(number, _)| *number)
}

/// Returns the name of a signal's number.
pub fn name_of(number: u8) -> Option<&'static str> {
    NUMBERS.iter().find(|(own, _)| *own == number).map(|(_, name)| *name)
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
        assert_eq!(from_number(2), from_name("CTRLC"));
        assert_eq!(from_number(3), None);
        for (number, name) in NUMBERS {
            assert_eq!((number_of(name), name_of(number)), (Some(number), Some(name)));
            assert!(from_number(number).is_some());
        }
        assert_eq!((number_of("sigctrlc"), number_of("USR1"), name_of(3)), (Some(2), None, None));
    }
}
