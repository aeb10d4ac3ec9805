//! Signals by name and number, as signal(7) has them on every architecture but MIPS, SPARC, Alpha and PA-RISC.

use containerv::Error;

use super::wrong;

/// Names without `SIG`, and numbers.
pub const SIGNALS: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

const ALIASES: [(&str, i32); 4] = [("IOT", 6), ("CLD", 17), ("IO", 29), ("UNUSED", 31)];
/// First real-time signal that programs may use; musl and glibc keep 32 to 34 for themselves.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// Reads `TERM`, `SIGTERM`, `15`, `RTMIN+3` or `RTMAX-1`, in any case.
///
/// # Errors
///
/// It is no signal.
pub fn parse(text: &str) -> Result<i32, Error> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return super::number(text, 1, RTMAX);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = SIGNALS.iter().chain(&ALIASES).find(|(known, _)| *known == name).map(|(_, number)| *number);
    let unknown = || {
        let likely = crate::syntax::nearest(name, SIGNALS.iter().map(|(name, _)| *name));
        let error = wrong("no such signal; expected a name such as `TERM` or a number from 1 to 64");
        match likely {
            Some(likely) => error.with_hint(format!("did you mean `{likely}`?")),
            None => error,
        }
    };
    known.or_else(|| real_time(name)).ok_or_else(unknown)
}

fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str, sign: char| match text.strip_prefix(sign) {
        Some(digits) => digits.parse::<u8>().ok().map(i32::from),
        None => text.is_empty().then_some(0),
    };
    let number = match name.strip_prefix("RTMIN") {
        Some(rest) => RTMIN + offset(rest, '+')?,
        None => RTMAX - offset(name.strip_prefix("RTMAX")?, '-')?,
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

/// Returns a signal's name without `SIG`, or its number.
pub fn name(number: i32) -> String {
    match SIGNALS.iter().find(|(_, known)| *known == number) {
        Some((name, _)) => (*name).to_owned(),
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
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
    }

    #[test]
    fn unknown_signals_are_refused_with_the_nearest() {
        for text in ["", "0", "65", "SIG", "-9", "RTMIN+31", "RTMAX-31", "TER M"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("TREM").unwrap_err().hint(), Some("did you mean `TERM`?"));
    }
}
