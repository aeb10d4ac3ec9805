//! Amounts of memory and storage.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount of memory or storage in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(u64);

impl ByteSize {
    /// This many bytes.
    pub const fn bytes(count: u64) -> Self {
        Self(count)
    }

    /// This many kibibytes (1024 bytes), saturating.
    pub const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    /// This many mebibytes (1024² bytes), saturating.
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// This many gibibytes (1024³ bytes), saturating.
    pub const fn gib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 30))
    }

    /// Returns the amount in bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseSizeError(&'static str);

impl fmt::Display for ParseSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; expected a number with an optional unit `b`, `k`, `m`, `g` or `t`, as in `512m`",
            self.0
        )
    }
}

impl std::error::Error for ParseSizeError {}

impl FromStr for ByteSize {
    type Err = ParseSizeError;

    /// Reads Docker's notation: every unit is binary, so `512m`, `512mb` and `512MiB` are equal.
    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start().to_ascii_lowercase();
        let shift = match &*unit {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            "p" | "pb" | "pib" => 50,
            _ => return Err(ParseSizeError("unknown unit")),
        };
        parse_scaled(number, shift).map(Self)
    }
}

/// Multiplies a decimal number by `2^shift` without floating point.
fn parse_scaled(number: &str, shift: u32) -> Result<u64, ParseSizeError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || (number.contains('.') && fraction.is_empty()) {
        return Err(ParseSizeError("not a number"));
    }
    if fraction.len() > 9 {
        return Err(ParseSizeError("too many decimal places"));
    }
    let whole: u128 = whole.parse().map_err(|_| ParseSizeError("number too large"))?;
    let mut bytes = whole.checked_mul(1 << shift).ok_or(ParseSizeError("number too large"))?;
    if !fraction.is_empty() {
        let scale = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        let part: u128 = fraction.parse().map_err(|_| ParseSizeError("not a number"))?;
        bytes += (part << shift) / scale;
    }
    match u64::try_from(bytes) {
        Ok(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err(ParseSizeError("number too large")),
    }
}

impl fmt::Display for ByteSize {
    /// Prints three significant digits with a binary unit, as `docker stats` does: `1.5GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let mut unit = 0;
        let mut divisor = 1u64;
        while unit + 1 < UNITS.len() && self.0 / divisor >= 1024 {
            unit += 1;
            divisor = divisor.saturating_mul(1024);
        }
        let whole = self.0 / divisor;
        let hundredths = (u128::from(self.0 % divisor) * 100 / u128::from(divisor)) as u64;
        let text = match whole {
            _ if unit == 0 => format!("{whole}"),
            0..10 => format!("{whole}.{hundredths:02}"),
            10..100 => format!("{whole}.{}", hundredths / 10),
            _ => format!("{whole}"),
        };
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        f.pad(&format!("{text}{}", UNITS[unit]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_units_are_binary() {
        for (text, bytes) in [
            ("0", 0),
            ("10b", 10),
            ("512m", 512 << 20),
            ("512MB", 512 << 20),
            ("512MiB", 512 << 20),
            ("1.5g", 3 << 29),
            ("1 k", 1024),
            ("1024p", 1 << 60),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize::bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn wrong_sizes_are_refused() {
        for text in [
            "",
            "m",
            "-1",
            "1x",
            "1ib",
            "1.",
            ".5g",
            "1..5g",
            "99999999999999999999",
            "9e9",
            "16e",
            "9999999p",
            "1.0000000001g",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn display_is_short() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (1536, "1.5KiB"),
            (12_900, "12.5KiB"),
            (200 << 20, "200MiB"),
        ] {
            assert_eq!(ByteSize::bytes(bytes).to_string(), text);
        }
    }
}
