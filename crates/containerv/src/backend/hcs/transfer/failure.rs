//! Failed calls on files, with what to do about them.

use std::io;

use crate::{Error, ErrorKind};

/// Writes the failure of a call on a file. `doing` says what was being done, to which file.
pub(super) fn explain(error: io::Error, doing: impl Into<String>) -> Error {
    const BUSY: &str = "stop the container, or whatever else has it open, and copy again";
    const CHANGED: &str = "a process changed it meanwhile; copy again";
    let (number, is_name) = (error.raw_os_error(), error.kind() == io::ErrorKind::InvalidFilename);
    let explained = Error::io(error, doing);
    match number {
        // Sharing violation, lock violation.
        Some(32 | 33) => explained.with_hint(BUSY),
        // No file, no path.
        Some(2 | 3) => explained.with_hint("check the name"),
        // Access denied.
        Some(5) => explained.with_hint("run elevated, or choose another place"),
        // Disk full.
        Some(112) => explained.with_hint("a container's disk is made larger with `--storage-opt size=`"),
        // Already exists.
        Some(183) => explained.with_hint("a process keeps making this name; stop or pause the container"),
        // No reparse point, another reparse point.
        Some(4390 | 4394) => explained.with_hint(CHANGED),
        _ if is_name => explained.with_kind(ErrorKind::InvalidArgument),
        _ => explained,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_what_to_do() {
        let error = explain(io::Error::from_raw_os_error(32), "read `C:\\x` in the container");
        assert_eq!(error.kind(), ErrorKind::InvalidState);
        assert!(error.to_string().contains("ERROR_SHARING_VIOLATION"), "{error}");
        assert!(error.hint().unwrap_or_default().contains("stop the container"));
        let error = explain(io::ErrorKind::InvalidFilename.into(), "open `x`");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
