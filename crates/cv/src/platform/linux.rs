//! Linux.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use containerv::Error;
use containerv_spec::{DeviceNumber, OsText};
use rustix::fs::FileType;

use crate::draft::Target;
use crate::value::{native, quote, wrong};

/// The system that options are read for unless another is named.
pub const TARGET: Target = Target::Linux;

/// Returns the number of a device, and whether it is a block device.
///
/// # Errors
///
/// The file is missing or no device.
pub fn device(path: &OsText) -> Result<(DeviceNumber, bool), Error> {
    let status = rustix::fs::stat(native::path(path)?)
        .map_err(|errno| Error::os(errno.raw_os_error(), format!("look at {}", quote(path))))?;
    let number =
        DeviceNumber { major: rustix::fs::major(status.st_rdev), minor: rustix::fs::minor(status.st_rdev) };
    match FileType::from_raw_mode(status.st_mode) {
        FileType::BlockDevice => Ok((number, true)),
        FileType::CharacterDevice => Ok((number, false)),
        _ => Err(wrong(format!("{} is not a device", quote(path)))),
    }
}

/// Returns standard output without the buffer that looks for line ends.
///
/// # Errors
///
/// It is closed.
pub fn raw_stdout() -> Result<File, Error> {
    let copy = io::stdout().as_fd().try_clone_to_owned();
    copy.map(File::from).map_err(|error| Error::io(error, "use standard output"))
}

/// Refuses: where a path of Windows is relative to is not known here.
///
/// # Errors
///
/// Always.
pub fn absolute_source(path: &OsText) -> Result<OsText, Error> {
    Err(wrong(format!("{} does not begin at the root of a drive", quote(path)))
        .with_hint("give a path with its drive, as `C:\\data`"))
}

/// Ends this program. An exit code has eight bits on Unix; the low ones are what a shell sees.
pub fn end(code: i32) -> ExitCode {
    ExitCode::from((code & 0xff) as u8)
}

/// Returns this process's user and group id.
pub fn ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}
