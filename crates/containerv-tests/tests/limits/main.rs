//! Limits and the freezer by their effect in containers, in every mode of control groups.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]
#![allow(clippy::print_stdout, reason = "what a test measured is shown with it")]

mod cpu;
mod freezer;
mod io;
mod looks;
mod memory;
mod oom;
mod pids;

use std::time::Duration;

use containerv::spec::{Limits, Request};
use containerv::{Container, Stats};
use containerv_tests::{machine, shell, wait_until};

/// How long something that is certain to come may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says why a test of limits with these controllers cannot run, if it cannot.
fn impossible(controllers: &[&str]) -> Option<String> {
    if !machine::is_root() {
        return Some("limits need control groups, which root has".to_owned());
    }
    // Version 1 has another name for this one.
    let is_here =
        |name: &str| machine::has_controller(name) || (name == "io" && machine::has_controller("blkio"));
    let missing = controllers.iter().find(|name| !is_here(name))?;
    Some(format!("no `{missing}` controller here"))
}

/// Returns from a test that these controllers are needed for where they are missing.
macro_rules! need {
    ($($controller:literal),*) => {
        if let Some(reason) = $crate::impossible(&[$($controller),*]) {
            containerv_tests::skip(&reason);
            return;
        }
    };
}

/// Reads limits as requests have them.
fn limits(value: serde_json::Value) -> Limits {
    serde_json::from_value(value).unwrap()
}

/// A limit of memory, with no swap beside it.
fn memory(mib: u64) -> Limits {
    limits(serde_json::json!({ "memory": { "at": mib << 20 }, "memory_and_swap": { "at": mib << 20 } }))
}

/// Runs a shell script as a container's command, under a monitor.
fn detached(bed: &containerv_tests::Bed, change: impl FnOnce(&mut Request), script: &str) -> Container {
    let mut request = bed.request();
    request.process = Some(shell(script));
    change(&mut request);
    Container::run_detached(bed.host(), request).unwrap()
}

/// Waits until what a container uses is as wanted, and returns it.
fn usage(container: &Container, wanted: impl Fn(&Stats) -> bool) -> Stats {
    let mut stats = container.stats().unwrap();
    wait_until(PATIENCE, || {
        stats = container.stats().unwrap();
        wanted(&stats)
    });
    assert!(wanted(&stats), "{stats:?}");
    stats
}

use need;
