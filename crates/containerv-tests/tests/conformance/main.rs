//! What holds on every system and for every isolation, by the public interface alone.
//!
//! The same bodies run natively on Linux, and as a Windows program on the stand-ins of `sim/`: once
//! for each isolation that `CONTAINERV_TEST_ISOLATION` names. Containers run the program `inside`.
//! What a place has not is in the table of `containerv_tests::differences`.

#![cfg(any(target_os = "linux", windows))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod attaching;
mod commands;
mod differences;
mod events;
mod files;
mod life;
mod logs;
mod mounts;
mod network;
mod observed;
mod owners;
mod refusals;
mod streams;
mod terminals;
mod whole;

use std::time::Duration;

use containerv::spec::request::Process;
use containerv::{Container, Error, ErrorKind};
use containerv_tests::{Bed, wait_until};

/// The program that calls the library in another process.
const PROGRAM: &str = env!("CARGO_BIN_EXE_crash-at");

/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a container with a command that waits for its start.
fn prepared(bed: &Bed, process: Process) -> Container {
    let mut request = bed.request();
    request.process = Some(process);
    Container::create(bed.host(), request).unwrap()
}

/// Starts a command under a monitor.
fn detached(bed: &Bed, process: Process) -> Container {
    let mut request = bed.request();
    request.process = Some(process);
    Container::run_detached(bed.host(), request).unwrap()
}

#[track_caller]
fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(wait_until(PATIENCE, holds), "not within {PATIENCE:?}: {what}");
}

/// Expects an error of this kind that contains a text, and says what to do.
#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, text: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(text), "no `{text}`: {error}");
    let all = error.all_problems();
    assert!(
        error.hint().is_some() || all.iter().any(|problem| problem.hint().is_some()),
        "no hint: {error:?}"
    );
}
