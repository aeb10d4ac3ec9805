//! A process that is killed at any step of what it does leaves nothing that `repair` does not
//! find.
//!
//! The steps are those of the plan, so a new step is covered by itself.

#![cfg(any(target_os = "linux", windows))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[cfg(target_os = "linux")]
mod creation;
#[cfg(target_os = "linux")]
mod running;
#[cfg(windows)]
mod windows;

use containerv_tests::{Bed, Caller, Ended};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crash-at");

/// More steps than any operation has.
const MANY: u32 = 200;

/// An ordinary user: `nobody`.
#[cfg(target_os = "linux")]
const USER: u32 = 65_534;

/// What is left apart from processes, which may be about to end, and interfaces, which end with
/// them.
fn objects(bed: &Bed) -> Vec<String> {
    let fleeting = |line: &String| line.starts_with("process") || line.starts_with("interface");
    bed.leftovers().into_iter().filter(|line| !fleeting(line)).collect()
}

/// Looks that a dry run changes nothing, then repairs; a second repair finds nothing to do.
///
/// With `by_itself` the container's monitor may be at work on the same meanwhile.
fn repair(bed: &Bed, caller: &Caller<'_>, by_itself: bool, when: &str) {
    let before = objects(bed);
    let told = caller.repair(true);
    let after = objects(bed);
    let done = caller.repair(false);
    if !by_itself {
        assert_eq!(after, before, "{when}: the dry run changed something");
        assert_eq!(told.is_empty(), done.is_empty(), "{when}: dry run: {told}");
    }
    let again = caller.repair(false);
    assert!(again.is_empty(), "{when}: a second repair still finds: {again}");
}

/// Runs `attempt` with rising numbers until it survives three in a row, and returns how often it
/// was killed.
fn until_it_survives(attempt: impl FnMut(u32) -> Ended) -> u32 {
    until_it_survives_from(1, attempt)
}

/// The same of an operation whose steps begin with a later number.
fn until_it_survives_from(first: u32, mut attempt: impl FnMut(u32) -> Ended) -> u32 {
    let (mut killed, mut survived) = (0, 0);
    for step in first..MANY {
        match attempt(step) {
            Ended::Killed => (killed, survived) = (killed + 1, 0),
            Ended::Survived(_) => survived += 1,
            Ended::Failed(error) => panic!("step {step}: {error}"),
        }
        if survived == 3 {
            return killed;
        }
    }
    panic!("it never survives");
}
