//! The library in a program with many threads that does much else besides.
//!
//! What is compared before and after is the whole process, so that the tests run one at a time.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "what a test prints is shown with it")]

mod follower;
mod lives;
mod neighbours;
mod own;
mod spawns;
mod watch;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other test of this program runs.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
