//! Single values of options: numbers, sizes, durations, signals.

use std::time::Duration;

use cv::draft::Target;
use cv::value::{self, duration, signal};

/// What is read is in range and what exact arithmetic makes of it; what is refused has a reason.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    durations(text);
    for (target, numbers) in [(Target::Linux, 1..=64), (Target::Windows, 0..=255)] {
        if let Ok(number) = signal::parse(target, text) {
            assert!(numbers.contains(&number));
            let name = signal::name(target, number);
            assert_eq!(signal::parse(target, &name).ok(), Some(number), "{text}");
        }
    }
    if let Ok(number) = value::number(text, -5i64, 1 << 40) {
        assert_eq!(text.parse(), Ok(number));
        assert!((-5..=1 << 40).contains(&number));
    }
    if let Ok(size) = value::size(text) {
        assert!(text.starts_with(|c: char| c.is_ascii_digit()) && text.parse() == Ok(size));
    }
    if let Ok(millionths) = value::millionths(text) {
        let again = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        assert_eq!(value::millionths(&again).ok(), Some(millionths), "{text}");
    }
    if let Ok(Some(seconds)) = duration::timeout_seconds(text) {
        assert!(seconds <= i32::MAX as u64);
    }
}

fn durations(text: &str) {
    match duration::parse(text) {
        Ok(read) => {
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".\xc2\xb5".contains(&byte)));
            let nanoseconds = read.subsec_nanos();
            if let Some(rest) = read.checked_sub(Duration::from_nanos(nanoseconds.into())) {
                // At most 584 years, so that the sum of both parts is a duration as well.
                let again = format!("{}s{nanoseconds}ns", rest.as_secs());
                let fits = read <= Duration::from_nanos(u64::MAX);
                assert_eq!(duration::parse(&again).ok(), fits.then_some(read), "{text}");
            }
            assert!(!value::time::human(read).is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
