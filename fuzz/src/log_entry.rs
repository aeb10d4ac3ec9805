//! Lines of a container's log: the monitor's writer and the library's reader.

use containerv::{LogEntry, LogStream};
use containerv_sys::logline::{Sink, write_entry};
use serde_json::Value;

/// Any output becomes one line of JSON that is read back; any line is read as what it says.
pub fn target(data: &[u8]) {
    let (head, text) = data.split_at(data.len().min(8));
    let moment = head.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    output(text, moment, LogStream::Stdout);
    if let Ok(entry) = containerv::fuzzing::log_entry(data) {
        assert!(std::str::from_utf8(&entry.data).is_ok());
        output(&entry.data, entry.time_unix_ns, entry.stream);
    }
}

struct Line(Vec<u8>);

impl Sink for Line {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

fn output(text: &[u8], time_unix_ns: u64, stream: LogStream) {
    let (seconds, nanoseconds) = (time_unix_ns / 1_000_000_000, (time_unix_ns % 1_000_000_000) as u32);
    let name = if stream == LogStream::Stdout { "stdout" } else { "stderr" };
    let mut line = Line(Vec::new());
    write_entry(&mut line, text, name, i64::try_from(seconds).expect("seconds fit"), nanoseconds);
    let line = line.0.strip_suffix(b"\n").expect("a line ends");
    assert!(!line.iter().any(u8::is_ascii_control), "{}", line.escape_ascii());
    let json: Value = serde_json::from_slice(line).expect("a line is JSON");
    let expected = String::from_utf8_lossy(text);
    assert_eq!(json["log"], *expected);
    let data = expected.into_owned().into_bytes();
    assert_eq!(containerv::fuzzing::log_entry(line), Ok(LogEntry { time_unix_ns, stream, data }));
}
