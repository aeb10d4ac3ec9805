//! What the conformance and attack suites share: a place for each test in which nothing may be
//! left behind, root file systems, and small programs.
//!
//! The suites themselves are in `tests/`. They use the public interface of `containerv` only.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture fails by panicking, as tests do")]
#![allow(clippy::print_stdout, reason = "what a test prints is shown with it")]

mod skip;

#[cfg(target_os = "linux")]
mod bed;
#[cfg(target_os = "linux")]
mod leftovers;
#[cfg(target_os = "linux")]
pub mod machine;
#[cfg(target_os = "linux")]
mod operation;
#[cfg(target_os = "linux")]
pub mod programs;
#[cfg(target_os = "linux")]
mod rootfs;
#[cfg(target_os = "linux")]
mod terminal;

pub use skip::skip;

#[cfg(target_os = "linux")]
pub use bed::{Bed, HostMount, shell, wait_until};
#[cfg(target_os = "linux")]
pub use leftovers::processes_with;
#[cfg(target_os = "linux")]
pub use operation::{Caller, Ended};
#[cfg(target_os = "linux")]
pub use rootfs::make_rootfs;
#[cfg(target_os = "linux")]
pub use terminal::Person;
