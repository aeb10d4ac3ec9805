//! Failed calls on files, in words.

use std::io;

use crate::{Error, ErrorKind};

/// A Win32 error number of files: its name, kind, meaning and what to do about it.
type Known = (i32, &'static str, ErrorKind, &'static str, &'static str);

const KNOWN: &[Known] = &[
    (1, "ERROR_INVALID_FUNCTION", ErrorKind::Unsupported, "the file system cannot do that", ""),
    (2, "ERROR_FILE_NOT_FOUND", ErrorKind::NotFound, "no such file", ""),
    (3, "ERROR_PATH_NOT_FOUND", ErrorKind::NotFound, "no such directory", ""),
    (
        5,
        "ERROR_ACCESS_DENIED",
        ErrorKind::PermissionDenied,
        "access is denied",
        "run elevated, or choose another place",
    ),
    (19, "ERROR_WRITE_PROTECT", ErrorKind::PermissionDenied, "the medium is write-protected", ""),
    (32, "ERROR_SHARING_VIOLATION", ErrorKind::InvalidState, "a program has it open", BUSY),
    (33, "ERROR_LOCK_VIOLATION", ErrorKind::InvalidState, "a program has locked it", BUSY),
    (50, "ERROR_NOT_SUPPORTED", ErrorKind::Unsupported, "the file system cannot do that", ""),
    (80, "ERROR_FILE_EXISTS", ErrorKind::AlreadyExists, "the file is there", ""),
    (87, "ERROR_INVALID_PARAMETER", ErrorKind::InvalidArgument, "the file system refuses this", ""),
    (
        112,
        "ERROR_DISK_FULL",
        ErrorKind::ResourceExhausted,
        "the disk is full",
        "a container's disk grows with `--storage-opt size=`",
    ),
    (123, "ERROR_INVALID_NAME", ErrorKind::InvalidArgument, "the file system has no such names", ""),
    (145, "ERROR_DIR_NOT_EMPTY", ErrorKind::InvalidState, "the directory is not empty", ""),
    (161, "ERROR_BAD_PATHNAME", ErrorKind::InvalidArgument, "the path is malformed", ""),
    (
        183,
        "ERROR_ALREADY_EXISTS",
        ErrorKind::AlreadyExists,
        "the file is there",
        "a process keeps making this name; stop or pause the container",
    ),
    (206, "ERROR_FILENAME_EXCED_RANGE", ErrorKind::InvalidArgument, "the name is too long", ""),
    (267, "ERROR_DIRECTORY", ErrorKind::InvalidArgument, "it is not a directory", ""),
    (
        1314,
        "ERROR_PRIVILEGE_NOT_HELD",
        ErrorKind::PermissionDenied,
        "the caller lacks a privilege",
        "run elevated",
    ),
    (
        1392,
        "ERROR_FILE_CORRUPT",
        ErrorKind::Corrupt,
        "the file or directory is damaged",
        "check the disk with `chkdsk`",
    ),
    (1450, "ERROR_NO_SYSTEM_RESOURCES", ErrorKind::ResourceExhausted, "resources ran out", "try again"),
    (
        1920,
        "ERROR_CANT_ACCESS_FILE",
        ErrorKind::Unsupported,
        "the file belongs to a filter that is not there",
        "",
    ),
    (
        4390,
        "ERROR_NOT_A_REPARSE_POINT",
        ErrorKind::InvalidState,
        "it is no link any more",
        "a process changed it meanwhile; copy again",
    ),
    (
        4394,
        "ERROR_REPARSE_TAG_MISMATCH",
        ErrorKind::InvalidState,
        "it is another link by now",
        "a process changed it meanwhile; copy again",
    ),
];

const BUSY: &str = "stop the container, or whatever else has it open, and copy again";

/// Writes the failure of a call on a file. `doing` says what was being done, to which file.
pub(crate) fn explain(error: &io::Error, doing: &str) -> Error {
    let number = error.raw_os_error();
    if let Some((number, name, kind, meaning, hint)) = KNOWN.iter().find(|known| Some(known.0) == number) {
        let error = Error::new(*kind, format!("{doing}: {meaning} ({name}, {number})"));
        return if hint.is_empty() { error } else { error.with_hint(*hint) };
    }
    let kind = match error.kind() {
        io::ErrorKind::InvalidFilename => ErrorKind::InvalidArgument,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ErrorKind::Corrupt,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Other,
    };
    Error::new(kind, format!("{doing}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_have_name_and_hint_and_others_the_systems_words() {
        let error = explain(&io::Error::from_raw_os_error(32), "read `C:\\x` in the container");
        assert_eq!(
            error.to_string(),
            "read `C:\\x` in the container: a program has it open (ERROR_SHARING_VIOLATION, 32)"
        );
        assert_eq!((error.kind(), error.hint()), (ErrorKind::InvalidState, Some(BUSY)));
        let error = explain(&io::Error::from(io::ErrorKind::InvalidFilename), "open `x`");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(
            explain(&io::Error::from_raw_os_error(9999), "open `x`").to_string().starts_with("open `x`: ")
        );
        assert!(KNOWN.is_sorted_by_key(|known| known.0));
    }
}
