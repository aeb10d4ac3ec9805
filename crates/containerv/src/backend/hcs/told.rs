//! Errors that one process tells another.

use containerv_sys::frame::MAX_PAYLOAD;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// Longest text that is told, in bytes.
const MAX_TEXT: usize = MAX_PAYLOAD / 2;

/// An error as it is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    kind: String,
    message: String,
    hint: Option<String>,
    /// Error number of the system.
    number: Option<i32>,
    /// Result code of the service.
    code: Option<u32>,
}

const KINDS: [(ErrorKind, &str); 13] = [
    (ErrorKind::NotFound, "NotFound"),
    (ErrorKind::AlreadyExists, "AlreadyExists"),
    (ErrorKind::InvalidArgument, "InvalidArgument"),
    (ErrorKind::InvalidState, "InvalidState"),
    (ErrorKind::PermissionDenied, "PermissionDenied"),
    (ErrorKind::Unsupported, "Unsupported"),
    (ErrorKind::Unavailable, "Unavailable"),
    (ErrorKind::ResourceExhausted, "ResourceExhausted"),
    (ErrorKind::TimedOut, "TimedOut"),
    (ErrorKind::Corrupt, "Corrupt"),
    (ErrorKind::CommandNotFound, "CommandNotFound"),
    (ErrorKind::CommandNotExecutable, "CommandNotExecutable"),
    (ErrorKind::Other, "Other"),
];

/// Returns an error in the form in which it is told, which fits into a frame.
pub(crate) fn tell(error: &Error) -> Vec<u8> {
    let mut longest = MAX_TEXT;
    loop {
        let told = serde_json::to_vec(&Told::of(error, longest)).unwrap_or_default();
        if told.len() <= MAX_PAYLOAD {
            return told;
        }
        // What has to be escaped takes more room.
        longest /= 2;
    }
}

impl Told {
    fn of(error: &Error, longest: usize) -> Self {
        let kind = KINDS.iter().find(|(kind, _)| *kind == error.kind()).map_or("Other", |(_, name)| name);
        let bounded = |text: &str| text[..text.floor_char_boundary(longest)].to_owned();
        Self {
            kind: kind.to_owned(),
            message: bounded(&error.to_string()),
            hint: error.hint().map(bounded),
            number: error.raw_os_error(),
            code: error.result_code(),
        }
    }
}

/// Returns the error that was told, and the number of the system's that is its cause.
pub(crate) fn hear(bytes: &[u8]) -> (Error, Option<i32>) {
    let Ok(told) = serde_json::from_slice::<Told>(bytes) else {
        return (Error::new(ErrorKind::Corrupt, "the monitor told a failure that cannot be read"), None);
    };
    let kind = KINDS.iter().find(|(_, name)| *name == told.kind).map_or(ErrorKind::Other, |(kind, _)| *kind);
    let error = Error::new(kind, told.message);
    let error = told.code.into_iter().fold(error, Error::with_code);
    (told.hint.into_iter().fold(error, Error::with_hint), told.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_heard_as_it_was_told() {
        for (kind, _) in KINDS {
            let error = Error::new(kind, "no such file").with_hint("look again").with_code(7);
            let (heard, number) = hear(&tell(&error.context("cannot start")));
            assert_eq!((heard.kind(), heard.to_string()), (kind, "cannot start: no such file".to_owned()));
            assert_eq!((heard.hint(), heard.result_code(), number), (Some("look again"), Some(7), None));
        }
        assert_eq!(hear(&tell(&Error::os(2, "x"))).1, Some(2));
    }

    #[test]
    fn it_fits_into_a_frame_and_what_is_none_is_damaged() {
        let long = "\u{1}é".repeat(1 << 20);
        let told = tell(&Error::new(ErrorKind::Other, "\"".repeat(1 << 20)).with_hint(long));
        assert!(told.len() <= MAX_PAYLOAD && hear(&told).0.hint().is_some(), "{}", told.len());
        assert_eq!(hear(b"{").0.kind(), ErrorKind::Corrupt);
    }
}
