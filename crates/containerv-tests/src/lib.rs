//! What the conformance and attack suites share: a place for each test in which nothing may be
//! left behind, root file systems, and small programs.
//!
//! The suites themselves are in `tests/`. They use the public interface of `containerv` only. What
//! runs on both systems is in `tests/conformance`; `linux` and `windows` here are what a bed is made of.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture fails by panicking, as tests do")]
#![allow(clippy::print_stdout, reason = "what a test prints is shown with it")]

pub mod attached;
mod bed;
pub mod differences;
pub mod image;
pub mod inside;
pub mod network;
mod operation;
pub mod registry;
mod skip;
#[cfg_attr(target_os = "linux", path = "linux/mod.rs")]
#[cfg_attr(windows, path = "windows/mod.rs")]
mod system;
pub mod windows_image;

pub use bed::{Bed, wait_until};
pub use operation::{Caller, Ended};
pub use skip::skip;
#[cfg(windows)]
pub use system::StandIns;
#[cfg(target_os = "linux")]
pub use system::{HostMount, Person, machine, make_rootfs, processes_with, programs, shell};
