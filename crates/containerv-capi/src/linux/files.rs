//! `containerv_upload` and `containerv_download`.

use std::ffi::{OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use containerv::{Container, CopyOptions, Error};
use containerv_spec::OsText;

use super::container::ContainervContainer;
use crate::border::{self, Result, invalid};
use crate::foreign;
use crate::handles::registry;

/// See `chef/containerv.h`.
///
/// # Safety
/// The arrays are NULL or hold `count` pointers, each NULL or to a text.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_upload(
    container: *mut ContainervContainer,
    host_paths: *const *const c_char,
    container_paths: *const *const c_char,
    count: c_int,
) -> c_int {
    // SAFETY: as this function's caller promises.
    let read = || unsafe { pairs(host_paths, container_paths, count) };
    each("containerv_upload", container, read, |container, from, to| {
        container.upload(host_path(from), below_root(to), &plain()).map(drop)
    })
}

/// See `chef/containerv.h`.
///
/// # Safety
/// The arrays are NULL or hold `count` pointers, each NULL or to a text.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_download(
    container: *mut ContainervContainer,
    container_paths: *const *const c_char,
    host_paths: *const *const c_char,
    count: c_int,
) -> c_int {
    // SAFETY: as this function's caller promises.
    let read = || unsafe { pairs(container_paths, host_paths, count) };
    each("containerv_download", container, read, |container, from, to| {
        container.download(below_root(from), host_path(to), &plain()).map(drop)
    })
}

type Pair = (Option<OsText>, Option<OsText>);

/// # Safety
/// As [`foreign::texts`], for both arrays.
unsafe fn pairs(from: *const *const c_char, to: *const *const c_char, count: c_int) -> Result<Vec<Pair>> {
    if count < 0 {
        return Err(invalid(format!("the count {count} is negative")));
    }
    // SAFETY: as this function's caller promises.
    let (from, to) = unsafe { (foreign::texts(from, count), foreign::texts(to, count)) };
    match (from, to) {
        (Some(from), Some(to)) => Ok(from.into_iter().zip(to).collect()),
        _ if count == 0 => Ok(Vec::new()),
        _ => Err(invalid("an array of paths is NULL")),
    }
}

/// Copies every pair; the first failure is the result.
fn each(
    name: &str,
    container: *mut ContainervContainer,
    read: impl FnOnce() -> Result<Vec<Pair>>,
    copy: impl Fn(&Container, &OsText, &OsText) -> Result<()>,
) -> c_int {
    border::status(name, || {
        let entry = registry().containers.find(container)?;
        let one = |pair: &Pair| match pair {
            (Some(from), Some(to)) if from.is_empty() || to.is_empty() => {
                Err(Error::os(libc::ENOENT, "a path is empty"))
            }
            (Some(from), Some(to)) => copy(entry.container(), from, to),
            _ => Err(invalid("a path is NULL")),
        };
        // Not a short-circuit: one bad pair does not stop the others.
        read()?.iter().map(one).fold(Ok(()), Result::and)
    })
}

fn plain() -> CopyOptions {
    CopyOptions { plain: true, ..CopyOptions::default() }
}

fn host_path(path: &OsText) -> &Path {
    Path::new(OsStr::from_bytes(path.as_bytes()))
}

/// Takes a path of the container relative to its root.
fn below_root(path: &OsText) -> OsText {
    OsText::from("/").join(path)
}
