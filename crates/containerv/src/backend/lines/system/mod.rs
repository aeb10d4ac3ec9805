//! What reading lines asks of the operating system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{Directory, Watch, open_directory};
#[cfg(target_os = "linux")]
pub(super) use linux::{OpenFile, identity};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::{Directory, Watch, open_directory};
#[cfg(windows)]
pub(super) use windows::{OpenFile, identity};

/// Volume and number of a file, which a name does not tell.
pub(super) type Identity = (u64, u64);
