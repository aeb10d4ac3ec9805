//! Containers of Linux.

pub(crate) mod container;

mod arguments;
mod files;
mod member;
mod network;
mod processes;
mod request;
mod users;

use std::fs::File;
use std::os::fd::AsRawFd;

/// Opens `/dev/null` in place of standard streams that are closed.
///
/// Otherwise a file of this library gets such a number, and whatever is written to standard error
/// goes into it. An execve(2) closes these again.
pub(crate) fn occupy_streams() {
    // The kernel gives the lowest number that is free. Without `/dev/null` nothing can be done.
    while let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        if null.as_raw_fd() > libc::STDERR_FILENO {
            break;
        }
        std::mem::forget(null);
    }
}

/// Splits one text into arguments, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn split_arguments(text: &[u8]) -> Vec<Vec<u8>> {
    arguments::split(text)
}
