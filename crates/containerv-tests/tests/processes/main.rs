//! Commands in containers: how they start, what they are given, and how they end.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod attaching;
mod commands;
mod ending;
mod logs;
mod streams;
mod terminals;
mod users;

use containerv::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crash-at");

/// Returns what a command writes to standard output; it must succeed.
fn text(command: Command<'_>) -> String {
    let output = command.output().unwrap();
    succeeded(&output);
    String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}
