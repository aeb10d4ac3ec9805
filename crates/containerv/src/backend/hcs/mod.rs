//! The Windows backend: containers by the Host Compute Service.
//!
//! Everything but the calls themselves compiles on every system.

mod execute;
mod explain;
mod found;
#[cfg(windows)]
mod perform;
