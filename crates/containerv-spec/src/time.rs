//! Moments in text form.

/// Reads `2026-08-01T12:34:56.789Z`, with up to nine decimal places, in UTC (RFC 3339): nanoseconds since
/// 1970.
pub fn from_rfc3339(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let bytes = whole.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() != 19 || separators.iter().any(|(at, byte)| bytes[*at] != *byte) {
        return None;
    }
    let number = |from: usize, to: usize| digits(bytes.get(from..to)?);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let possible = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    if !possible || second > 60 || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = match fraction {
        "" => 0,
        fraction => digits(fraction.as_bytes())? * 10u64.pow(9 - fraction.len() as u32),
    };
    let seconds = days_since_1970(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

/// Writes a moment in nanoseconds since 1970 as `2026-08-01T12:34:56.123456789Z`.
pub fn to_rfc3339(unix_ns: u64) -> String {
    let (seconds, nanoseconds) = (unix_ns / 1_000_000_000, unix_ns % 1_000_000_000);
    let (days, clock) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on.
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z")
}

fn digits(bytes: &[u8]) -> Option<u64> {
    let all = bytes.iter().all(u8::is_ascii_digit);
    if all { std::str::from_utf8(bytes).ok()?.parse().ok() } else { None }
}

/// Counts days in the proleptic Gregorian calendar, in years that begin in March.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    (year * 365 + year / 4 - year / 100 + year / 400 + day_of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(to_rfc3339(951_782_400_500_000_000), "2000-02-29T00:00:00.500000000Z");
        for moment in (0..u64::MAX / 2).step_by(86_399 * 31 * 1_000_000_007) {
            assert_eq!(from_rfc3339(&to_rfc3339(moment)), Some(moment));
        }
    }

    #[test]
    fn times_are_exact_and_others_are_refused() {
        assert_eq!(from_rfc3339("2000-02-29T00:00:00.5Z"), Some(951_782_400_500_000_000));
        assert_eq!(from_rfc3339("1970-01-01T00:00:01.000000001Z"), Some(1_000_000_001));
        for text in [
            "",
            "Z",
            "2026-08-01T12:34:56",
            "2026-08-01 12:34:56Z",
            "2026-13-01T12:34:56Z",
            "2026-00-01T12:34:56Z",
            "2026-08-00T12:34:56Z",
            "2026-08-01T24:34:56Z",
            "2026-08-01T12:60:56Z",
            "2026-08-01T12:34:61Z",
            "2026-08-01T12:34:56.1234567890Z",
            "2026-08-01T12:34:56.+1Z",
            "+026-08-01T12:34:56Z",
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z",
            "２026-08-01T12:34:56Z",
        ] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_second_is_read(days in 0u64..200_000, second in 0u64..86_400) {
            let seconds = days * 86_400 + second;
            let mut year = 1970;
            let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            let mut left = days;
            while left >= 365 + u64::from(leap(year)) {
                left -= 365 + u64::from(leap(year));
                year += 1;
            }
            let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            let mut month = 0;
            while left >= lengths[month] {
                left -= lengths[month];
                month += 1;
            }
            let (hour, minute, rest) = (second / 3600, second / 60 % 60, second % 60);
            let text = format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{rest:02}.000000007Z", month + 1, left + 1);
            let expected = seconds.checked_mul(1_000_000_000).and_then(|it| it.checked_add(7));
            proptest::prop_assert_eq!(from_rfc3339(&text), expected);
        }
    }
}
