//! Containers of Windows.
//!
//! Texts of C are UTF-8 here, paths too.

pub(crate) mod calls;
pub(crate) mod numbers;
pub(crate) mod processes;
pub(crate) mod request;

use std::path::PathBuf;

use containerv_spec::OsText;

use crate::border::{Failure, Result, invalid};
use crate::foreign::User;

/// What every call begins with.
pub(crate) fn prepare() {}

/// Makes the calling process a member of a container: there is no such thing.
pub(crate) fn join(_id: &OsText) -> Result<()> {
    Err(Failure::new(libc::ENOSYS, "a running process cannot be moved into a container on Windows")
        .with_hint("start one in the container with containerv_spawn()"))
}

/// Does not read `as_user`: users of Windows are no numbers.
///
/// # Safety
/// None.
pub(crate) unsafe fn user(_user: *const User) -> Option<(u32, u32)> {
    None
}

/// A text that Windows takes.
fn unicode(text: &OsText) -> Result<&str> {
    text.to_str().ok_or_else(|| invalid(format!("`{text}` is not valid UTF-8")))
}

/// A path of this machine.
pub(crate) fn host_path(text: &OsText) -> Result<PathBuf> {
    unicode(text).map(PathBuf::from)
}

/// The text for a path of this machine.
pub(crate) fn path_text(path: &std::path::Path) -> Result<OsText> {
    let text = path.to_str().ok_or_else(|| invalid(format!("`{}` is not valid Unicode", path.display())))?;
    Ok(text.into())
}

/// A path of the container. One without a drive begins at the container's root, with or without a
/// separator in front.
pub(crate) fn path_inside(text: &OsText) -> Result<OsText> {
    let path = unicode(text)?;
    let mut start = path.chars();
    let drive = start.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && start.next() == Some(':');
    if drive || path.starts_with(r"\\") || path.starts_with("//") {
        return Ok(path.into());
    }
    let rest = path.trim_start_matches(['\\', '/']).replace('/', r"\");
    Ok(format!(r"C:\{rest}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_without_a_drive_begin_at_the_root() {
        for (path, expected) in [
            ("file", r"C:\file"),
            ("/a/b", r"C:\a\b"),
            (r"\a", r"C:\a"),
            ("bin/x.exe", r"C:\bin\x.exe"),
            (r"c:\a", r"c:\a"),
            ("D:/a", "D:/a"),
            ("/", r"C:\"),
            (r"\\server\share", r"\\server\share"),
            ("é:x", r"C:\é:x"),
        ] {
            assert_eq!(path_inside(&path.into()).unwrap(), expected.into());
        }
        assert!(path_inside(&OsText::from_bytes(b"\xff".as_slice())).is_err());
        assert!(host_path(&OsText::from_bytes(b"\xff".as_slice())).is_err());
    }
}
