//! Systems other than Linux.

use containerv::{Error, ErrorKind};
use containerv_spec::{DeviceNumber, OsText};

use crate::draft::Target;

/// The system that options are read for unless another is named.
pub const TARGET: Target = Target::Windows;

/// Refuses: device numbers are Linux's.
///
/// # Errors
///
/// Always.
pub fn device(_: &OsText) -> Result<(DeviceNumber, bool), Error> {
    Err(Error::new(ErrorKind::Unsupported, "devices by file name are offered on Linux only"))
}

/// Returns standard output.
///
/// # Errors
///
/// None.
pub fn raw_stdout() -> Result<std::io::Stdout, Error> {
    Ok(std::io::stdout())
}

/// Returns the ids that stand for the caller where the system has none: root's.
pub fn ids() -> (u32, u32) {
    (0, 0)
}
