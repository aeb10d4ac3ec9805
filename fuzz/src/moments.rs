//! Moments in every notation.

use cv::value::time;

/// A moment that is read is printed and read back as the same; any moment is.
pub fn target(data: &[u8]) {
    const NOW: u64 = 1_795_521_600_000_000_000;
    if let Some(bytes) = data.first_chunk() {
        printed(u64::from_le_bytes(*bytes));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    match time::parse(text, NOW) {
        Ok(moment) => printed(moment),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert!(time::parse(text, NOW).ok() == time::parse(text, NOW).ok());
}

fn printed(moment: u64) {
    let text = time::rfc3339(moment);
    assert_eq!(text.len(), "2026-11-24T10:00:00.123456789Z".len());
    assert_eq!(time::parse(&text, 0).ok(), Some(moment), "{text}");
    let seconds = moment / 1_000_000_000 * 1_000_000_000;
    let spaced = time::spaced(moment);
    let spaced = spaced.strip_suffix(" +0000 UTC").expect("times are in UTC");
    assert_eq!(time::parse(spaced, 0).ok(), Some(seconds), "{spaced}");
    assert!(time::ago(moment, u64::MAX).ends_with(" ago"));
}
