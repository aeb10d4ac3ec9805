//! Signals of Linux by name and number, as signal(7) has them on every architecture but MIPS, SPARC, Alpha and PA-RISC.

/// Names without `SIG`, and numbers.
pub const NAMES: [(&str, i32); 31] = [
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
/// Last real-time signal.
const RTMAX: i32 = 64;

/// Returns the number of a signal by its name, in any case, with or without `SIG`: `TERM`, `SIGRTMIN+3`.
pub fn number_of(name: &str) -> Option<i32> {
    let upper = name.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = NAMES.iter().chain(&ALIASES).find(|(known, _)| *known == name).map(|(_, number)| *number);
    known.or_else(|| real_time(name))
}

/// Reads a signal by name or number, which is from 1 to 64.
pub fn parse(text: &str) -> Option<i32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match digits {
        true => text.parse().ok().filter(|number| (1..=RTMAX).contains(number)),
        false => number_of(text),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [
            ("9", Some(9)),
            ("SIGTERM", Some(15)),
            ("term", Some(15)),
            ("iot", Some(6)),
            ("SIGRTMIN+3", Some(37)),
            ("SIGRTMIN", Some(34)),
            ("RTMAX-1", Some(63)),
            ("64", Some(64)),
            ("0", None),
            ("65", None),
            ("-9", None),
            ("SIGRTMIN+300", None),
            ("SIGRTMIN+31", None),
            ("RTMAX-31", None),
            ("SIGRTMIN3", None),
            ("NOTHING", None),
            ("SIG", None),
            ("", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
    }
}
