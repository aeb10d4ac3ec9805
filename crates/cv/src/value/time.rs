//! Moments: RFC 3339 and Unix time in, UTC and "3 minutes ago" out.

use std::time::Duration;

use containerv::Error;

use super::{duration, wrong};

const SECOND: u64 = 1_000_000_000;

/// Reads a moment relative to `now`, both in nanoseconds since 1970: a duration before now (`10m`),
/// Unix seconds, or RFC 3339 with or without a time and an offset (UTC unless given).
///
/// # Errors
///
/// It is none of these.
pub fn parse(text: &str, now_unix_ns: u64) -> Result<u64, Error> {
    if let Some(moment) = unix(text).or_else(|| calendar(text)) {
        return Ok(moment);
    }
    let back = duration::parse(text).ok().and_then(|back| u64::try_from(back.as_nanos()).ok());
    match back {
        Some(back) => Ok(now_unix_ns.saturating_sub(back)),
        None => Err(wrong("expected a moment, as `10m`, `2026-11-24T10:00:00Z` or seconds since 1970")),
    }
}

fn unix(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |part: &str| !part.is_empty() && part.len() <= 11 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds: u64 = format!("{fraction:0<9}").parse().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(SECOND)?.checked_add(nanoseconds)
}

fn calendar(text: &str) -> Option<u64> {
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text.strip_suffix('Z').unwrap_or(text), "00:00:00"),
    };
    let days = parse_date(date)?;
    let (clock, offset) = split_offset(rest)?;
    let nanoseconds = parse_clock(clock)?;
    let seconds = days.checked_mul(86_400)?.checked_sub(offset)?;
    u64::try_from(seconds).ok()?.checked_mul(SECOND)?.checked_add(nanoseconds)
}

fn fixed(text: &str, length: usize, most: i64) -> Option<i64> {
    let valid = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| valid && *number <= most)
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) =
        (fixed(parts.next()?, 4, 9999)?, fixed(parts.next()?, 2, 12)?, fixed(parts.next()?, 2, 31)?);
    let days = days_of(year, month, day);
    (parts.next().is_none() && month > 0 && date_of(days) == (year, month, day)).then_some(days)
}

/// Splits `10:00:00+02:00` into the clock and the offset in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let seconds = fixed(hours, 2, 23)? * 3600 + fixed(minutes, 2, 59)? * 60;
    Some((&text[..at], if text[at..].starts_with('-') { -seconds } else { seconds }))
}

fn parse_clock(text: &str) -> Option<u64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let hours = fixed(parts.next()?, 2, 23)?;
    let minutes = fixed(parts.next()?, 2, 59)?;
    let seconds = parts.next().map_or(Some(0), |part| fixed(part, 2, 60))?;
    if parts.next().is_some() || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = fixed(&format!("{fraction:0<9}"), 9, i64::MAX)?;
    u64::try_from((hours * 3600 + minutes * 60 + seconds) * 1_000_000_000 + nanoseconds).ok()
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, counting years from March so that the
/// leap day is the last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The date of a day since 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn parts(unix_ns: u64) -> (String, String, u64) {
    let seconds = unix_ns / SECOND;
    let (year, month, day) = date_of((seconds / 86_400) as i64);
    let clock = seconds % 86_400;
    let clock = format!("{:02}:{:02}:{:02}", clock / 3600, clock / 60 % 60, clock % 60);
    (format!("{year:04}-{month:02}-{day:02}"), clock, unix_ns % SECOND)
}

/// Prints `2026-11-24T10:00:00.123456789Z`.
pub fn rfc3339(unix_ns: u64) -> String {
    containerv_spec::time::to_rfc3339(unix_ns)
}

/// Prints `2026-11-24 10:00:00 +0000 UTC`, as `docker ps` does.
pub fn spaced(unix_ns: u64) -> String {
    let (date, clock, _) = parts(unix_ns);
    format!("{date} {clock} +0000 UTC")
}

/// Prints a duration as people say it: `3 minutes`.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, seconds.saturating_add(1800) / 3600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        3600..5400 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// Prints how long ago a moment is, both in nanoseconds since 1970.
pub fn ago(unix_ns: u64, now_unix_ns: u64) -> String {
    format!("{} ago", human(Duration::from_nanos(now_unix_ns.saturating_sub(unix_ns))))
}

/// Returns the present moment in nanoseconds since 1970.
pub fn now_unix_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_notation() {
        let noon = 1_795_521_600 * SECOND;
        let now = noon + 600 * SECOND;
        for text in [
            "10m",
            "1795521600",
            "1795521600.0",
            "2026-11-24T12:00:00Z",
            "2026-11-24T14:00:00+02:00",
            "2026-11-24 12:00",
        ] {
            assert_eq!(parse(text, now).unwrap(), noon, "{text}");
        }
        assert_eq!(parse("2026-11-24", now).unwrap(), noon - 43_200 * SECOND);
        assert_eq!(parse("1970-01-01T00:00:00.5Z", now).unwrap(), SECOND / 2);
    }

    #[test]
    fn impossible_moments_are_refused() {
        for text in [
            "",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-11-24T25:00:00",
            "26-11-24",
            "1969-12-31",
            "2026-11-24T12:00:00+2",
        ] {
            assert!(parse(text, 0).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_and_days_agree_over_centuries() {
        for days in (-719_468..1_000_000).step_by(37) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(date_of(11_016), (2000, 2, 29));
    }

    #[test]
    fn printing_is_dockers() {
        let moment = 1_795_521_661 * SECOND + 5;
        assert_eq!(rfc3339(moment), "2026-11-24T12:01:01.000000005Z");
        assert_eq!(spaced(moment), "2026-11-24 12:01:01 +0000 UTC");
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (180, "3 minutes"),
            (4000, "About an hour"),
            (7200, "2 hours"),
            (86_400 * 3, "3 days"),
            (86_400 * 30, "4 weeks"),
            (86_400 * 100, "3 months"),
            (86_400 * 800, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
        assert!(human(Duration::MAX).ends_with(" years"));
    }
}
