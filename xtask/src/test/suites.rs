//! The suites, in the order in which they run.

use super::report::SuiteReport;
use super::{binaries, machine};
use crate::command;
use crate::failure::Result;

/// A set of tests that needs the same surroundings.
pub(super) struct Suite {
    pub(super) name: &'static str,
    /// Whether the tree has what the suite tests.
    pub(super) exists: fn() -> bool,
    pub(super) run: fn(&[String], &mut SuiteReport) -> Result<()>,
}

pub(super) const SUITES: &[Suite] = &[
    Suite { name: "workspace", exists: || true, run: workspace },
    Suite { name: "documentation", exists: || true, run: documentation },
    Suite { name: "vm", exists: || true, run: machine::run },
];

/// Every test program of the workspace, as whoever runs this; as root the privileged tests run too.
fn workspace(filters: &[String], report: &mut SuiteReport) -> Result<()> {
    for program in binaries::build(&["--workspace"])? {
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
