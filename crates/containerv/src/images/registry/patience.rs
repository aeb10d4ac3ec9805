//! How long is waited, and how often tried again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a client waits, and how often it tries again.
#[derive(Clone, Debug)]
pub struct Patience {
    /// For a connection to be made.
    pub connect: Duration,
    /// For the next bytes to come or go.
    pub no_progress: Duration,
    /// How often a request is tried that the registry or the network fails; at least once. A download starts to
    /// count anew when bytes have come.
    pub attempts: u32,
    /// Before the second try; doubled for each further one.
    pub first_delay: Duration,
    /// The longest between two tries, also if the registry asks for more.
    pub longest_delay: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            no_progress: Duration::from_secs(60),
            attempts: 6,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// How long to wait before try `next` (the second is 2), if the registry has asked for so much.
    ///
    /// Nothing if the registry asks for more than is waited.
    pub(super) fn delay(&self, next: u32, asked: Option<Duration>) -> Option<Duration> {
        if let Some(asked) = asked {
            return (asked <= self.longest_delay).then_some(asked);
        }
        let doubled = self.first_delay.saturating_mul(1 << next.saturating_sub(2).min(16));
        // Clients that failed together do not come back together.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
        let jitter = doubled.mul_f64(f64::from(nanos % 1000) / 4000.0);
        Some((doubled + jitter).min(self.longest_delay))
    }
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(date(value)?.saturating_sub(now)))
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT` as seconds since 1970.
fn date(value: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? as i64 + 1;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let mut clock =
        time.split(':').map(|part| part.parse::<i64>().ok().filter(|part| (0..=60).contains(part)));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if !(1..=31).contains(&day) || !(1970..=9999).contains(&year) || clock.next().is_some() {
        return None;
    }
    // Days since 1970 of the proleptic Gregorian calendar, with years that begin in March.
    let (shifted, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * month + 2) / 5 + day - 719_469;
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Wed, 01 Mar 1995 00:00:00 GMT", Some(794_016_000 - 784_111_777)),
            ("soon", None),
            ("-1", None),
            ("99999999999999999999999", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn tries_are_further_and_further_apart_within_a_limit() {
        let patience = Patience::default();
        let delay = |next| patience.delay(next, None).unwrap();
        assert!(delay(2) >= patience.first_delay && delay(2) < patience.first_delay * 2);
        assert!(delay(4) >= patience.first_delay * 4);
        assert_eq!(delay(40), patience.longest_delay);
        assert_eq!(patience.delay(2, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(patience.delay(2, Some(Duration::from_secs(3600))), None);
    }
}
