//! Readers of single values: numbers, sizes, durations, signals, lists.
//!
//! Messages say what is wrong with the text; whoever calls adds which option it was for.

use std::str::FromStr;

use containerv::{Error, ErrorKind};
use containerv_spec::{Bound, ByteSize, OsText};

pub mod duration;
pub mod exit;
pub mod fields;
pub mod file;
pub mod native;
pub mod signal;
pub mod time;

/// Longest text that messages repeat in full, in characters.
const SHOWN: usize = 60;

/// A value that is wrong.
pub fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// A value that is right elsewhere and not offered here.
pub fn not_offered(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

/// Returns the text for a message, cut where it is long.
pub fn shorten(text: &OsText) -> String {
    let shown = text.to_string();
    match shown.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// Returns the text for a message, in backticks.
pub fn quote(text: &OsText) -> String {
    format!("`{}`", shorten(text))
}

/// Returns the text if it is UTF-8.
///
/// # Errors
///
/// It is not.
pub fn utf8(text: &OsText) -> Result<&str, Error> {
    text.to_str().ok_or_else(|| wrong("not valid UTF-8"))
}

/// Reads a switch's value.
///
/// # Errors
///
/// It is neither true nor false.
pub fn boolean(text: &str) -> Result<bool, Error> {
    match text {
        "true" | "TRUE" | "True" | "t" | "T" | "1" => Ok(true),
        "false" | "FALSE" | "False" | "f" | "F" | "0" => Ok(false),
        _ => Err(wrong("expected `true` or `false`")),
    }
}

/// Reads a whole number between `least` and `most`.
///
/// # Errors
///
/// It is none, or out of range.
pub fn number<T>(text: &str, least: T, most: T) -> Result<T, Error>
where
    T: FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("expected a whole number"));
    }
    match text.parse() {
        Ok(number) if least <= number && number <= most => Ok(number),
        _ => Err(wrong(format!("expected a number from {least} to {most}"))),
    }
}

/// Reads an amount in Docker's notation.
///
/// # Errors
///
/// It is none.
pub fn size(text: &str) -> Result<ByteSize, Error> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(wrong("expected a number with an optional unit, as `512m`"));
    }
    text.parse().map_err(|error: containerv_spec::size::ParseSizeError| wrong(error.to_string()))
}

/// Reads an amount, or `-1` for no limit.
///
/// # Errors
///
/// It is neither.
pub fn size_or_unlimited(text: &str) -> Result<Bound<ByteSize>, Error> {
    if text == "-1" { Ok(Bound::Unlimited) } else { size(text).map(Bound::At) }
}

/// Reads a decimal number in units of a millionth: `1.5` is 1,500,000.
///
/// # Errors
///
/// It is no decimal number, has more than six places, or is too large.
pub fn millionths(text: &str) -> Result<u64, Error> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(wrong("expected a decimal number, as `1.5`"));
    }
    if fraction.len() > 6 {
        return Err(wrong("more than six decimal places"));
    }
    let parse = |part: &str| if part.is_empty() { Some(0) } else { part.parse::<u64>().ok() };
    let value =
        parse(whole).and_then(|whole| whole.checked_mul(1_000_000)).zip(parse(&format!("{fraction:0<6}")));
    value.and_then(|(whole, part)| whole.checked_add(part)).ok_or_else(|| wrong("number too large"))
}

/// Takes an absolute path inside the container.
///
/// # Errors
///
/// It is relative or empty.
pub fn inside_path(text: &OsText) -> Result<OsText, Error> {
    if text.is_absolute() {
        Ok(text.clone())
    } else {
        Err(wrong(format!("{} is not an absolute path in the container", quote(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_millionths_without_floating_point() {
        for (text, expected) in
            [("1.5", 1_500_000), ("2", 2_000_000), (".25", 250_000), ("0.000001", 1), ("3.", 3_000_000)]
        {
            assert_eq!(millionths(text).unwrap(), expected, "{text}");
        }
        for text in ["", ".", "-1", "1,5", "1e3", "0.0000001", "99999999999999999999"] {
            assert!(millionths(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_checked_against_their_range() {
        assert_eq!(number("-1000", -1000i16, 1000).unwrap(), -1000);
        assert_eq!(
            number("1001", -1000i16, 1000).unwrap_err().to_string(),
            "expected a number from -1000 to 1000"
        );
        assert_eq!(number("99999999999", 0u16, 9).unwrap_err().to_string(), "expected a number from 0 to 9");
        for text in ["", "-", "1x", " 1", "0x10", "1.0"] {
            assert_eq!(number(text, 0u8, 9).unwrap_err().to_string(), "expected a whole number", "{text}");
        }
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        assert_eq!(shorten(&OsText::from("ä".repeat(61))), format!("{}…", "ä".repeat(60)));
        assert_eq!(shorten(&OsText::from("x".repeat(60))), "x".repeat(60));
        assert_eq!(shorten(&OsText::from_bytes(*b"a\xff")), "a\\xff");
    }
}
