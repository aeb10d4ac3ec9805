//! Reading a profile from its JSON form.

use std::fmt::Display;

use containerv_spec::seccomp::Profile;

use crate::{Error, ErrorKind, Result};

/// Size of the largest document that is read, in bytes; Docker's own profile has 13 KiB.
const MAX_BYTES: usize = 1 << 20;

/// Reads Docker's profile document. As there, fields that are not known are not looked at.
///
/// # Errors
///
/// `InvalidArgument` for a document that is too large, not JSON, or of another form; the message
/// has line and column. What a well-formed document says is checked by [`compile`](super::compile).
pub fn parse(bytes: &[u8]) -> Result<Profile> {
    if bytes.len() > MAX_BYTES {
        let size = bytes.len();
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the seccomp profile has {size} bytes; at most {MAX_BYTES} are read"),
        ));
    }
    match bytes.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(bytes).map_err(unreadable),
        Some(_) => Err(unreadable("it is not a JSON object")),
        None => Err(unreadable("it is empty")),
    }
}

fn unreadable(reason: impl Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("cannot read the seccomp profile: {reason}"))
        .with_hint("the document has the form of `docker run --security-opt seccomp=FILE`")
}
