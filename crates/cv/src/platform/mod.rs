//! What the command line asks of the operating system itself.

use crate::draft::Target;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{TARGET, absolute_source, device, end, ids, raw_stdout};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::{TARGET, absolute_source, device, end, ids, raw_stdout};

/// Returns what is said on this machine's system.
pub const fn choose(linux: &'static str, windows: &'static str) -> &'static str {
    match TARGET {
        Target::Linux => linux,
        Target::Windows => windows,
    }
}
