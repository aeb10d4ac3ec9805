//! Files of `--env-file` and `--label-file`.

use std::cell::RefCell;
use std::fs;

use containerv_spec::OsText;
use cv::value::{file, native};

use crate::invariant;
use crate::scratch::Scratch;

thread_local! {
    static PLACE: RefCell<Scratch> = RefCell::new(Scratch::new("environment"));
}

/// Every entry is a line of the file with a name in it.
pub fn target(data: &[u8]) {
    PLACE.with_borrow(|place| {
        let path = place.path().join("file");
        fs::write(&path, data).expect("the file is written");
        let path = native::from_os(path.as_os_str()).expect("the path is text");
        match file::entries(&path) {
            Ok(entries) => check(&entries, data),
            Err(error) => invariant::error(&error),
        }
        let bytes = file::read(&path, data.len() as u64).expect("a file of just this size is read");
        assert_eq!(bytes, data);
        assert!(data.is_empty() || file::read(&path, data.len() as u64 - 1).is_err());
    });
}

fn check(entries: &[OsText], data: &[u8]) {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let lines: Vec<&[u8]> = data
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start())
        .filter(|line| !line.is_empty() && line[0] != b'#')
        .collect();
    assert_eq!(entries.len(), lines.len());
    for (entry, line) in entries.iter().zip(lines) {
        assert_eq!(entry.as_bytes(), line);
        let name = line.split(|byte| *byte == b'=').next().unwrap_or_default();
        assert!(!name.is_empty() && !name.iter().any(u8::is_ascii_whitespace) && !entry.contains_nul());
    }
}
