//! The C interface as C programs meet it.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, or says why it is left out"
)]

mod install;
mod interface;
mod programs;
mod readme;
mod support;
