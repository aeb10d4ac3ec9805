//! Between this machine's strings and paths and [`OsText`].

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use containerv::Error;
use containerv_spec::OsText;

/// Takes an argument or an environment entry of this program.
///
/// # Errors
///
/// On Windows: it is not valid Unicode.
#[cfg(unix)]
pub fn from_os(text: &OsStr) -> Result<OsText, Error> {
    use std::os::unix::ffi::OsStrExt as _;
    Ok(OsText::from_bytes(text.as_bytes()))
}

/// Takes an argument or an environment entry of this program.
///
/// # Errors
///
/// It is not valid Unicode.
#[cfg(not(unix))]
pub fn from_os(text: &OsStr) -> Result<OsText, Error> {
    match text.to_str() {
        Some(text) => Ok(OsText::from(text)),
        None => {
            let shown = OsText::from(text.to_string_lossy().into_owned());
            Err(super::wrong(format!("{}: half of a UTF-16 surrogate pair", super::quote(&shown)))
                .with_hint("Windows takes such names, containers do not; rename it"))
        }
    }
}

/// Returns the text as this machine's string.
///
/// # Errors
///
/// On Windows: it is not UTF-8.
#[cfg(unix)]
pub fn to_os(text: &OsText) -> Result<OsString, Error> {
    use std::os::unix::ffi::OsStringExt as _;
    Ok(OsString::from_vec(text.as_bytes().to_vec()))
}

/// Returns the text as this machine's string.
///
/// # Errors
///
/// It is not UTF-8.
#[cfg(not(unix))]
pub fn to_os(text: &OsText) -> Result<OsString, Error> {
    super::utf8(text).map(OsString::from)
}

/// Returns the text as a path of this machine.
///
/// # Errors
///
/// It is empty, or on Windows not UTF-8.
pub fn path(text: &OsText) -> Result<PathBuf, Error> {
    if text.is_empty() {
        return Err(super::wrong("the path is empty"));
    }
    to_os(text).map(PathBuf::from)
}

/// Returns a path of this machine, relative to the working directory unless it is absolute, as an
/// absolute one. Symbolic links stay as they are.
///
/// # Errors
///
/// It is empty, or the working directory is gone.
pub fn absolute(text: &OsText) -> Result<OsText, Error> {
    let path = path(text)?;
    let absolute = std::path::absolute(&path)
        .map_err(|error| Error::io(error, format!("find the place of `{text}`")))?;
    from_os(absolute.as_os_str())
}
