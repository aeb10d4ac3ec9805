//! `cargo xtask check`: everything that can be said about the tree without running it.

mod header;
mod licences;
mod rules;
mod source;
mod spelling;
mod structure;
mod tracked;

use std::process::Command;
use std::time::Instant;

use crate::command;
use crate::failure::{Failure, Result};
use crate::wine;
use crate::workspace;

/// Crates that are for Linux by nature and are not compiled for Windows.
const NOT_ON_WINDOWS: &[&str] = &["xtask"];

const WINDOWS: &str = wine::TARGET;

/// The fuzz targets, a workspace of their own.
const FUZZ: &str = "fuzz/Cargo.toml";

/// The stand-ins, another.
const SIM: &str = wine::SIM_MANIFEST;

/// Those of their crates that are programs of this system.
const SIM_HERE: &[&str] = &["compute-service", "sim-protocol"];

struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "structure", run: structure::run },
    Step { name: "format", run: format },
    Step { name: "spelling", run: spelling::run },
    Step { name: "licences", run: licences::run },
    Step { name: "clippy", run: clippy },
    Step { name: "clippy-windows", run: clippy_windows },
    Step { name: "documentation", run: documentation },
    Step { name: "header", run: header::run },
];

/// Runs every step, or those named, to the end, and then names those that failed.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut failed = Vec::new();
    for step in selected(arguments)? {
        println!("== check {}", step.name);
        let begin = Instant::now();
        let outcome = (step.run)();
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        if let Err(failure) = outcome {
            println!("{failure}");
            failed.push(step.name);
        }
        println!("== check {}: {verdict}, {:.1} s", step.name, begin.elapsed().as_secs_f64());
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("checks failed: {}", failed.join(", "))))
    }
}

fn selected(names: &[String]) -> Result<Vec<&'static Step>> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    let known = || STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(", ");
    names
        .iter()
        .map(|name| {
            let step = STEPS.iter().find(|step| step.name == name);
            step.ok_or_else(|| Failure::usage(format!("no check `{name}`; there are {}", known())))
        })
        .collect()
}

fn format() -> Result<()> {
    command::run(command::cargo().args(["fmt", "--all", "--check"]))?;
    command::run(command::cargo().args(["fmt", "--manifest-path", FUZZ, "--check"]))?;
    command::run(command::cargo().args(["fmt", "--all", "--manifest-path", SIM, "--check"]))
}

/// With every feature: they only open what is private to the fuzz targets.
fn clippy() -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--all-features", "--quiet"]);
    command::run(cargo.args(["--", "-D", "warnings"]))?;
    let mut cargo = command::cargo();
    cargo.args(["clippy", "--manifest-path", FUZZ, "--lib", "--tests", "--quiet", "--target-dir"]);
    cargo.arg(workspace::target().join("fuzz"));
    command::run(cargo.args(["--", "-D", "warnings"]))?;
    let mut cargo = clippy_of_sim();
    for name in SIM_HERE {
        cargo.args(["--package", name]);
    }
    command::run(cargo.args(["--", "-D", "warnings"]))
}

fn clippy_of_sim() -> Command {
    let mut cargo = command::cargo();
    cargo.args(["clippy", "--manifest-path", SIM, "--all-targets", "--quiet", "--target-dir"]);
    cargo.arg(wine::sim_target());
    cargo
}

fn clippy_windows() -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--quiet", "--target", WINDOWS]);
    for name in NOT_ON_WINDOWS {
        cargo.args(["--exclude", name]);
    }
    command::run(cargo.args(["--", "-D", "warnings"]))?;
    let mut cargo = clippy_of_sim();
    cargo.args(["--workspace", "--exclude", "compute-service", "--target", WINDOWS]);
    command::run(cargo.args(["--", "-D", "warnings"]))
}

/// Links to private items are for those who read the source.
fn documentation() -> Result<()> {
    let mut cargo = command::cargo();
    cargo.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links").args([
        "doc",
        "--workspace",
        "--no-deps",
        "--quiet",
    ]);
    command::run(&mut cargo)
}
