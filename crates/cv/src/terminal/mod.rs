//! This program's own terminal: raw mode, size, and passing bytes and signals on.

pub mod detach;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{RawMode, size, takes_escapes};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::{Keys, RawMode, give_back, size, takes_escapes};
