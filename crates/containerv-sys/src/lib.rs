//! Safe wrappers of the system calls and DLL functions that containerv needs.

#[cfg(target_os = "linux")]
pub mod linux;
