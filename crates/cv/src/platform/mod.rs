//! What the command line asks of the operating system itself.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{TARGET, device, ids, raw_stdout};

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub use other::{TARGET, device, ids, raw_stdout};
