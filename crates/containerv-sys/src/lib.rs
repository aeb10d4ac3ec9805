//! Safe wrappers of the system calls and DLL functions that containerv needs.
//!
//! This crate holds the workspace's unsafe code. It knows nothing of containers: it starts
//! prepared programs, waits for processes and opens descriptors. For the programs that are built of
//! it, it has an allocator and a memcpy that suit a short life.

pub mod arena;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(all(target_arch = "x86_64", any(target_env = "musl", all(test, unix))))]
pub mod memcpy;
#[cfg(windows)]
pub mod windows;
