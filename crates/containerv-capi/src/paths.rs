//! Paths of the host, from and to the bytes that C programs hand over.

use std::path::{Path, PathBuf};

use containerv::spec::OsText;

/// Returns a text as a path. Unix takes any bytes.
#[cfg(unix)]
pub(crate) fn host_path(text: &OsText) -> PathBuf {
    PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(text.as_bytes()))
}

/// Returns a text as a path. Elsewhere texts are UTF-8; what is not cannot name anything.
#[cfg(not(unix))]
pub(crate) fn host_path(text: &OsText) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(text.as_bytes()).into_owned())
}

/// Returns a path as a text.
pub(crate) fn text_of(path: &Path) -> OsText {
    OsText::from_bytes(path.as_os_str().as_encoded_bytes())
}
