//! Sizes in Docker's notation.

use containerv_spec::ByteSize;

/// A size that is read is what exact arithmetic makes of it; what is shown is at most one percent
/// below and can be read.
pub fn target(data: &[u8]) {
    if let Some(bytes) = data.first_chunk() {
        shown(ByteSize::bytes(u64::from_le_bytes(*bytes)));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<ByteSize>() {
        Ok(size) => {
            assert!(i64::try_from(size.as_bytes()).is_ok(), "{text}");
            assert_eq!(exactly(text), Some(size.as_bytes()), "{text}");
            shown(size);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn shown(size: ByteSize) {
    let text = size.to_string();
    // Larger units than those of Docker's options are only shown.
    if text.ends_with("EiB") {
        return;
    }
    let read = text.parse::<ByteSize>().expect("a size that is shown is read").as_bytes();
    let (least, most) = (u128::from(size.as_bytes()) * 99 / 100, size.as_bytes());
    assert!(least <= read.into() && read <= most, "{most} is shown as {text}");
}

/// Digits and zeros of a fraction as one number, times the unit, by the power of ten that they are
/// too large.
fn exactly(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (whole, fraction) = text[..end].split_once('.').unwrap_or((&text[..end], ""));
    let unit = text[end..].trim_start().bytes().next().map_or(b'b', |unit| unit.to_ascii_lowercase());
    let power = b"bkmgtp".iter().position(|known| *known == unit)?;
    let digits: u128 = format!("{whole}{fraction:0<9}").parse().ok()?;
    u64::try_from(digits.checked_mul(1 << (10 * power))? / 1_000_000_000).ok()
}
