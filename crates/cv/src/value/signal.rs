//! Signals by name and number: those of Linux; of Windows, the events that its console programs get.

use containerv::Error;
use containerv_spec::hcs::signal as windows;
use containerv_spec::signal as linux;

use super::wrong;
use crate::draft::Target;

const MOST: i32 = 64;

/// Returns the names that a system's signals have, with their numbers.
pub fn names(target: Target) -> Vec<(&'static str, i32)> {
    match target {
        Target::Linux => linux::NAMES.to_vec(),
        Target::Windows => {
            windows::NUMBERS.iter().map(|(number, name)| (*name, i32::from(*number))).collect()
        }
    }
}

/// Reads a signal of a system: `TERM`, `SIGTERM` or `15` in any case; also `RTMIN+3` or `RTMAX-1` on Linux, and
/// `CTRLC` on Windows.
///
/// # Errors
///
/// It is no signal.
pub fn parse(target: Target, text: &str) -> Result<i32, Error> {
    match target {
        Target::Linux => of_linux(text),
        Target::Windows => of_windows(text),
    }
}

fn of_windows(text: &str) -> Result<i32, Error> {
    let by_number = text.parse::<u8>().ok().filter(|number| windows::from_number(*number).is_some());
    let number = by_number.or_else(|| windows::number_of(text));
    number.map(i32::from).ok_or_else(|| {
        let error = wrong("Windows has no such signal");
        let upper = text.to_ascii_uppercase();
        match upper.strip_prefix("SIG").unwrap_or(&upper) {
            "INT" => error.with_hint("did you mean `CTRLC`?"),
            "QUIT" => error.with_hint("did you mean `CTRLBREAK`?"),
            "HUP" => error.with_hint("did you mean `CTRLCLOSE`?"),
            _ => error.with_hint(format!("it has {}", windows::NAMES)),
        }
    })
}

fn of_linux(text: &str) -> Result<i32, Error> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return super::number(text, 1, MOST);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let unknown = || {
        let likely = crate::syntax::nearest(name, linux::NAMES.iter().map(|(name, _)| *name));
        let error = wrong("no such signal; expected a name such as `TERM` or a number from 1 to 64");
        match likely {
            Some(likely) => error.with_hint(format!("did you mean `{likely}`?")),
            None => error,
        }
    };
    linux::number_of(text).ok_or_else(unknown)
}

/// Returns the name of a system's signal without `SIG`, or its number.
pub fn name(target: Target, number: i32) -> String {
    match names(target).into_iter().find(|(_, known)| *known == number) {
        Some((name, _)) => name.to_owned(),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_with_or_without_prefix() {
        for (text, number) in [
            ("TERM", 15),
            ("sigterm", 15),
            ("9", 9),
            ("IOT", 6),
            ("RTMIN", 34),
            ("rtmin+2", 36),
            ("SIGRTMAX-1", 63),
        ] {
            assert_eq!(parse(Target::Linux, text).unwrap(), number, "{text}");
        }
    }

    #[test]
    fn windows_has_names_of_its_own() {
        for (text, number) in
            [("TERM", 15), ("ctrlshutdown", 102), ("SIGKILL", 9), ("CTRLC", 2), ("2", 2), ("CtrlBreak", 21)]
        {
            assert_eq!(parse(Target::Windows, text).unwrap(), number, "{text}");
        }
        assert_eq!(name(Target::Windows, 2), "CTRLC");
        assert_eq!(name(Target::Windows, 15), "TERM");
        for text in ["", "USR1", "3", "-2", "999", "RTMIN"] {
            let error = parse(Target::Windows, text).unwrap_err();
            assert!(error.hint().is_some_and(|hint| hint.contains("CTRLC")), "{text}");
        }
        assert_eq!(parse(Target::Windows, "sigint").unwrap_err().hint(), Some("did you mean `CTRLC`?"));
    }

    #[test]
    fn unknown_signals_are_refused_with_the_nearest() {
        for text in ["", "0", "65", "SIG", "-9", "RTMIN+31", "RTMAX-31", "TER M"] {
            assert!(parse(Target::Linux, text).is_err(), "{text}");
        }
        assert_eq!(parse(Target::Linux, "TREM").unwrap_err().hint(), Some("did you mean `TERM`?"));
    }
}
