//! Layers of images beside what others make of them, and images as files.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod exchange;
mod listing;
mod peers;
mod tricky;

use std::process::{Command, Stdio};

/// Says whether there is a program; if not, says so.
fn has(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        containerv_tests::skip(&format!("there is no {program}"));
    }
    found
}
