//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns nanoseconds since 1970.
pub(crate) fn now_unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
}
