//! Members of archives as files of Windows, and the other way.
//!
//! What Windows knows and POSIX does not is in records of the names that Windows' own container tools
//! use: `MSWINDOWS.fileattr`, `MSWINDOWS.rawsd`, `MSWINDOWS.mountpoint`, `LIBARCHIVE.creationtime`.

mod extract;
mod pack;
mod parents;
mod relay;

pub(super) use extract::{Below, extract};
pub(super) use pack::{Subject, pack};
pub(crate) use relay::relay;

/// `FILE_ATTRIBUTE_...` as a number.
const ATTRIBUTES: &[u8] = b"MSWINDOWS.fileattr";
/// The security descriptor in base 64.
const DESCRIPTOR: &[u8] = b"MSWINDOWS.rawsd";
/// `1` for a junction.
const JUNCTION: &[u8] = b"MSWINDOWS.mountpoint";
/// Seconds since 1970.
const CREATED: &[u8] = b"LIBARCHIVE.creationtime";
