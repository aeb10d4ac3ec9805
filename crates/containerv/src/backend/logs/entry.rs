//! Reads lines of Docker's `json-file` log.

use std::borrow::Cow;

use containerv_spec::time;
use serde::Deserialize;

use crate::logs::{LogEntry, LogStream};

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Reads a line; says what is wrong with it.
pub(crate) fn parse(line: &[u8]) -> Result<LogEntry, &'static str> {
    let raw: Raw<'_> = serde_json::from_slice(line).map_err(|_| "it is not an entry of a log")?;
    let stream = match &*raw.stream {
        "stdout" => LogStream::Stdout,
        "stderr" => LogStream::Stderr,
        _ => return Err("it is of a stream that there is not"),
    };
    let time_unix_ns = time::from_rfc3339(&raw.time).ok_or("its time is not one")?;
    Ok(LogEntry { time_unix_ns, stream, data: raw.log.into_owned().into_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_back() {
        let line =
            br#"{"log":"a\n\u0001\u007f\"\ufffd","stream":"stderr","time":"2026-08-01T12:34:56.000000789Z"}"#;
        let entry = parse(line).unwrap();
        assert_eq!(entry.data, "a\n\x01\x7f\"\u{fffd}".as_bytes());
        assert_eq!(entry.stream, LogStream::Stderr);
        assert_eq!(entry.time_unix_ns, 1_785_587_696_000_000_789);
    }

    #[test]
    fn what_other_programs_add_is_passed_over() {
        let line = br#"{"log":"x","attrs":{"a":"b"},"stream":"stdout","time":"1970-01-01T00:00:00Z"}"#;
        assert_eq!(parse(line).unwrap().time_unix_ns, 0);
    }

    #[test]
    fn damaged_lines_are_told() {
        let time = r#""time":"2026-08-01T12:34:56Z""#;
        let cases = [
            String::new(),
            "{".to_owned(),
            format!(r#"{{"log":"x","stream":"stdout",{time}"#),
            format!(r#"{{"log":1,"stream":"stdout",{time}}}"#),
            format!(r#"{{"log":"\ud800","stream":"stdout",{time}}}"#),
            format!(r#"{{"log":"x","stream":"stdin",{time}}}"#),
            format!(r#"{{"log":"x",{time}}}"#),
            format!(r#"{{"log":"x","stream":"stdout",{time}}}{{"log""#),
            r#"{"log":"x","stream":"stdout","time":"now"}"#.to_owned(),
            "[".repeat(100_000),
        ];
        for case in &cases {
            assert!(parse(case.as_bytes()).is_err(), "{case}");
        }
        assert!(parse(b"\xff\xfe{}").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_line_breaks_the_parser(bytes: Vec<u8>, time in "[0-9TZ:.+-]{0,32}") {
            let _ = parse(&bytes);
            let _ = parse(format!(r#"{{"log":"x","stream":"stdout","time":"{time}"}}"#).as_bytes());
        }
    }
}
