//! The C interface as C programs meet it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, or says why it is left out"
)]

#[cfg(not(windows))]
mod install;
#[cfg(not(windows))]
mod interface;
#[cfg(not(windows))]
mod programs;
#[cfg(not(windows))]
mod readme;
#[cfg(not(windows))]
mod seed;
#[cfg(not(windows))]
mod support;
mod table;
#[cfg(windows)]
mod windows;
