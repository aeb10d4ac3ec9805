//! Windows.

use std::fs::File;
use std::io;
use std::os::windows::io::AsHandle as _;

use containerv::{Error, ErrorKind};
use containerv_spec::{DeviceNumber, OsText};

use crate::draft::Target;
use crate::value::native;

/// The system that options are read for unless another is named.
pub const TARGET: Target = Target::Windows;

/// Refuses: device numbers are Linux's.
///
/// # Errors
///
/// Always.
pub fn device(_: &OsText) -> Result<(DeviceNumber, bool), Error> {
    Err(Error::new(ErrorKind::Unsupported, "device files are of Linux")
        .with_hint("on Windows, `--io-maxiops` and `--io-maxbandwidth` limit the system disk"))
}

/// Makes a path of this machine absolute that is written relative to the working directory.
///
/// # Errors
///
/// The working directory is gone.
pub fn absolute_source(path: &OsText) -> Result<OsText, Error> {
    native::absolute(path)
}

/// Returns standard output without the buffer that looks for line ends.
///
/// # Errors
///
/// It is closed.
pub fn raw_stdout() -> Result<File, Error> {
    let copy = io::stdout().as_handle().try_clone_to_owned();
    copy.map(File::from).map_err(|error| Error::io(error, "use standard output"))
}

/// Returns the ids that stand for the caller where the system has none: root's.
pub fn ids() -> (u32, u32) {
    (0, 0)
}

/// Ends this program with an exit code of 32 bits, which [`std::process::ExitCode`] has not.
pub fn end(code: i32) -> std::process::ExitCode {
    crate::terminal::give_back();
    #[allow(clippy::exit, reason = "called last in `main`; the standard library has no other way yet")]
    std::process::exit(code)
}
