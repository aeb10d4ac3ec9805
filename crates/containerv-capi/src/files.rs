//! `containerv_upload` and `containerv_download`.

use std::ffi::{c_char, c_int};

use containerv::{Container, CopyOptions};
use containerv_spec::OsText;

use crate::border::{self, Failure, Result, invalid};
use crate::container::ContainervContainer;
use crate::foreign;
use crate::handles::registry;
use crate::system::{host_path, path_inside};

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
        Ok(container.upload(host_path(from)?, path_inside(to)?, &plain()).map(drop)?)
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
        Ok(container.download(path_inside(from)?, host_path(to)?, &plain()).map(drop)?)
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
                Err(Failure::new(libc::ENOENT, "a path is empty"))
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
