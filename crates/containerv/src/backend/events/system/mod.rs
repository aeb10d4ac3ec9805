//! What the log of events asks of the operating system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use linux::{Appended, open_older, read_at};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(super) use windows::{Appended, open_older, read_at};
