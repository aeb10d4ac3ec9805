//! The suites, in the order in which they run.

use super::report::SuiteReport;
use super::{binaries, machine, user, windows};
use crate::command;
use crate::failure::Result;
use crate::workspace;

/// A set of tests that needs the same surroundings.
pub(super) struct Suite {
    pub(super) name: &'static str,
    /// Whether the tree has what the suite tests.
    pub(super) exists: fn() -> bool,
    pub(super) run: fn(&[String], &mut SuiteReport) -> Result<()>,
}

pub(super) const SUITES: &[Suite] = &[
    Suite { name: "workspace", exists: || true, run: whole_workspace },
    Suite { name: "user", exists: || true, run: user::run },
    Suite { name: "vm", exists: || true, run: machine::run },
    Suite { name: "windows", exists: || true, run: windows::run },
    Suite { name: "fuzz", exists: has_fuzz_targets, run: fuzz },
    Suite { name: "documentation", exists: || true, run: documentation },
];

/// Every test program of the workspace, as whoever runs this; as root the privileged tests run too.
fn whole_workspace(filters: &[String], report: &mut SuiteReport) -> Result<()> {
    for program in binaries::build(&["--workspace"])? {
        binaries::run(&program.label(), &mut program.command(), filters, report)?;
    }
    Ok(())
}

fn has_fuzz_targets() -> bool {
    workspace::root().join("fuzz/Cargo.toml").is_file()
}

/// The bodies of the fuzz targets, on the inputs that came with the tree and on some made up. The
/// fuzz crate is a workspace of its own, because its targets need another compiler.
fn fuzz(filters: &[String], report: &mut SuiteReport) -> Result<()> {
    let directory = workspace::target().join("fuzz");
    let arguments = ["--manifest-path", "fuzz/Cargo.toml", "--lib", "--tests", "--target-dir"];
    let directory = directory.to_string_lossy();
    let arguments: Vec<&str> = arguments.into_iter().chain([directory.as_ref()]).collect();
    for program in binaries::build(&arguments)? {
        binaries::run(&program.label(), &mut program.command(), filters, report)?;
    }
    Ok(())
}

/// The examples in the documentation.
fn documentation(filters: &[String], report: &mut SuiteReport) -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--workspace", "--doc", "--"]);
    binaries::run("documentation", &mut cargo, filters, report)
}
