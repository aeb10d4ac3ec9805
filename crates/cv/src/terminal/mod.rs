//! This program's own terminal: raw mode, size, and passing bytes and signals on.

pub mod detach;

#[cfg(target_os = "linux")]
mod raw;
#[cfg(target_os = "linux")]
pub use raw::{RawMode, size};

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub use other::{RawMode, size};
