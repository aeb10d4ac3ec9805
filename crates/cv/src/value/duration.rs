//! Durations as Go and Docker write them: `90s`, `1m30s`, `1.5h`.

use std::time::Duration;

use containerv::Error;

use super::wrong;

/// Units and their length in nanoseconds.
const UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// Reads a duration; a bare number counts seconds.
///
/// # Errors
///
/// It is none, or longer than 584 years.
pub fn parse(text: &str) -> Result<Duration, Error> {
    let expected = || wrong("expected a duration, as `10s`, `1m30s` or a number of seconds");
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Duration::from_secs).map_err(|_| wrong("number too large"));
    }
    let mut total = 0u64;
    let mut rest = text;
    if rest.is_empty() {
        return Err(expected());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(expected)?;
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let unit = UNITS.iter().find(|(known, _)| *known == name).ok_or_else(expected)?.1;
        let parts = super::millionths(number).map_err(|_| expected())?;
        let nanoseconds = u128::from(parts) * u128::from(unit) / 1_000_000;
        let sum = u64::try_from(nanoseconds).ok().and_then(|part| total.checked_add(part));
        total = sum.ok_or_else(|| wrong("number too large"))?;
        rest = after;
    }
    Ok(Duration::from_nanos(total))
}

/// Reads whole seconds, `-1` standing for no limit.
///
/// # Errors
///
/// It is neither.
pub fn timeout_seconds(text: &str) -> Result<Option<u64>, Error> {
    match text {
        "-1" => Ok(None),
        _ => super::number(text, 0u64, i32::MAX as u64).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, seconds) in
            [("10", 10.0), ("10s", 10.0), ("1m30s", 90.0), ("1.5h", 5400.0), ("300ms", 0.3), ("1d", 86400.0)]
        {
            assert_eq!(parse(text).unwrap(), Duration::from_secs_f64(seconds), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "s",
            "-5s",
            "5x",
            "5s5",
            "1..5s",
            ".s",
            "1 s",
            "99999999999999999999",
            "9999999w9999999w",
            "１s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
