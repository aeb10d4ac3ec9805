//! Files that options name: read whole, with a limit.

use std::fs::File;
use std::io::Read as _;

use containerv::{Error, ErrorKind};
use containerv_spec::{ByteSize, OsText};

use super::{native, quote, wrong};

/// Most bytes of a file of environment entries or labels.
const MOST_ENTRIES_BYTES: u64 = 1 << 20;

/// Reads a file of at most `limit` bytes.
///
/// # Errors
///
/// It cannot be read, or is longer.
pub fn read(path: &OsText, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::io(error, format!("read {}", quote(path)));
    let file = File::open(native::path(path)?).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let most = ByteSize::bytes(limit);
        return Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!("{} is larger than {most}", quote(path)),
        ));
    }
    Ok(bytes)
}

/// Reads lines of `NAME=value` or `NAME`, passing over empty lines and those that begin with `#`.
///
/// # Errors
///
/// The file cannot be read, or a line has no name or a name with a space; the message has the line's number.
pub fn entries(path: &OsText) -> Result<Vec<OsText>, Error> {
    let bytes = read(path, MOST_ENTRIES_BYTES)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut entries = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let name = line.split(|byte| *byte == b'=').next().unwrap_or_default();
        let place = || format!("{} line {}", quote(path), index + 1);
        if name.is_empty() {
            return Err(wrong(format!("{}: no name before `=`", place())));
        }
        if name.iter().any(u8::is_ascii_whitespace) {
            return Err(wrong(format!(
                "{}: white space in the name {}",
                place(),
                quote(&OsText::from_bytes(name))
            )));
        }
        if line.contains(&0) {
            return Err(wrong(format!("{}: a NUL byte", place())));
        }
        entries.push(OsText::from_bytes(line));
    }
    Ok(entries)
}
