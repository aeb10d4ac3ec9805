//! Times of Windows: units of 100 ns since 1601.

#[cfg(windows)]
use std::time::SystemTime;

/// Units in a second.
const SECOND: i64 = 10_000_000;
/// Seconds from 1601 to 1970.
const EPOCH: i64 = 11_644_473_600;

/// Seconds and nanoseconds since 1970 of a time of Windows.
pub(crate) fn to_unix(ticks: i64) -> (i64, i64) {
    (ticks.div_euclid(SECOND) - EPOCH, ticks.rem_euclid(SECOND) * 100)
}

/// The time of Windows, as near as its units allow; times that it has not become the nearest that it has.
pub(crate) fn of_unix((seconds, nanoseconds): (i64, i64)) -> i64 {
    let ticks = seconds.saturating_add(EPOCH).saturating_mul(SECOND).saturating_add(nanoseconds / 100);
    // 0 and negative numbers mean something else when times are set.
    ticks.max(1)
}

/// The time of the system's clock.
#[cfg(windows)]
pub(crate) fn ticks_of(time: SystemTime) -> Option<i64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(of_unix((i64::try_from(since.as_secs()).ok()?, since.subsec_nanos().into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways() {
        for (unix, ticks) in [
            ((0, 0), 116_444_736_000_000_000),
            ((1_234_567_890, 123_456_700), 128_790_414_901_234_567),
            ((-1, 999_999_900), 116_444_735_999_999_999),
        ] {
            assert_eq!((of_unix(unix), to_unix(ticks)), (ticks, unix));
        }
        assert_eq!(of_unix((i64::MIN, 0)), 1);
        assert_eq!(of_unix((i64::MAX, 0)), i64::MAX);
        assert_eq!(of_unix((0, 199)), 116_444_736_000_000_001);
    }
}
