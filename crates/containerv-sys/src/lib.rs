//! Safe wrappers of the system calls and DLL functions that containerv needs.
//!
//! This crate holds the workspace's unsafe code. It knows nothing of containers: it starts
//! prepared programs, waits for processes and opens descriptors. For the programs that are built of
//! it, it has an allocator and a memcpy that suit a short life.

pub mod arena;
#[path = "../stage/frame.rs"]
pub mod frame;
#[cfg(target_os = "linux")]
pub mod linux;
#[path = "../stage/logline.rs"]
pub mod logline;
#[cfg(all(target_arch = "x86_64", any(target_env = "musl", all(test, unix))))]
pub mod memcpy;
#[cfg(windows)]
pub mod windows;
