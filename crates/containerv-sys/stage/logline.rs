//! Lines of Docker's `json-file` log, and times as they stand in them.

/// Takes encoded bytes.
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

/// Writes `{"log":"…","stream":"…","time":"…"}` and a newline.
pub fn write_entry(sink: &mut dyn Sink, text: &[u8], stream: &str, unix_seconds: i64, nanoseconds: u32) {
    sink.put(b"{\"log\":\"");
    escape(sink, text);
    sink.put(b"\",\"stream\":\"");
    sink.put(stream.as_bytes());
    sink.put(b"\",\"time\":\"");
    write_time(sink, unix_seconds, nanoseconds);
    sink.put(b"\"}\n");
}

/// Escapes as JSON demands; bytes that are not UTF-8 become U+FFFD, as with Docker.
fn escape(sink: &mut dyn Sink, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid().as_bytes();
        let mut start = 0;
        for (index, &byte) in valid.iter().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' && byte != 0x7f {
                continue;
            }
            sink.put(&valid[start..index]);
            escape_byte(sink, byte);
            start = index + 1;
        }
        sink.put(&valid[start..]);
        if !chunk.invalid().is_empty() {
            sink.put("\u{fffd}".as_bytes());
        }
    }
}

fn escape_byte(sink: &mut dyn Sink, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'\n' => sink.put(b"\\n"),
        b'\r' => sink.put(b"\\r"),
        b'\t' => sink.put(b"\\t"),
        b'"' => sink.put(b"\\\""),
        b'\\' => sink.put(b"\\\\"),
        _ => sink.put(&[
            b'\\',
            b'u',
            b'0',
            b'0',
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]),
    }
}

/// Writes RFC 3339 in UTC with nine decimal places.
pub fn write_time(sink: &mut dyn Sink, unix_seconds: i64, nanoseconds: u32) {
    let days = unix_seconds.div_euclid(86_400);
    let rest = unix_seconds.rem_euclid(86_400) as u64;
    let (year, month, day) = civil_date(days);
    number(sink, year as u64, 4);
    sink.put(b"-");
    number(sink, month, 2);
    sink.put(b"-");
    number(sink, day, 2);
    sink.put(b"T");
    number(sink, rest / 3600, 2);
    sink.put(b":");
    number(sink, rest / 60 % 60, 2);
    sink.put(b":");
    number(sink, rest % 60, 2);
    sink.put(b".");
    number(sink, u64::from(nanoseconds), 9);
    sink.put(b"Z");
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts years from March, so that the leap day is the last of a year.
fn civil_date(days: i64) -> (i64, u64, u64) {
    const DAYS_PER_ERA: i64 = 146_097;
    let shifted = days + 719_468;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u64, day as u64)
}

/// Writes a decimal number with at least `width` digits.
pub fn number(sink: &mut dyn Sink, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while value > 0 || start == digits.len() {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    let start = start.min(digits.len() - width.min(digits.len()));
    sink.put(&digits[start..]);
}
