//! Containers of Linux.

pub(crate) mod calls;
pub(crate) mod numbers;
pub(crate) mod processes;
pub(crate) mod request;

mod arguments;
mod member;
mod network;
mod users;

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use containerv_spec::OsText;

use crate::border::Result;
use crate::foreign::User;

pub(crate) use member::join;

/// What every call begins with: opens `/dev/null` in place of standard streams that are closed.
///
/// Otherwise a file of this library gets such a number, and whatever is written to standard error
/// goes into it. An execve(2) closes these again.
pub(crate) fn prepare() {
    // The kernel gives the lowest number that is free. Without `/dev/null` nothing can be done.
    while let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        if null.as_raw_fd() > libc::STDERR_FILENO {
            break;
        }
        std::mem::forget(null);
    }
}

/// A path of this machine.
pub(crate) fn host_path(text: &OsText) -> Result<PathBuf> {
    Ok(Path::new(OsStr::from_bytes(text.as_bytes())).to_owned())
}

/// The text for a path of this machine.
pub(crate) fn path_text(path: &Path) -> Result<OsText> {
    Ok(OsText::from_bytes(path.as_os_str().as_bytes()))
}

/// A path of the container, which begins at its root in any case.
pub(crate) fn path_inside(text: &OsText) -> Result<OsText> {
    Ok(OsText::from("/").join(text))
}

/// Reads `as_user`.
///
/// # Safety
/// `user` is NULL or valid.
pub(crate) unsafe fn user(user: *const User) -> Option<(u32, u32)> {
    // SAFETY: as this function's caller promises.
    unsafe { user.as_ref() }.map(|user| (user.uid, user.gid))
}

/// Splits one text into arguments, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn split_arguments(text: &[u8]) -> Vec<Vec<u8>> {
    arguments::split(text)
}
