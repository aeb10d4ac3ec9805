//! The suite `windows`: test programs as Windows executables, by Wine.

use super::binaries;
use super::report::SuiteReport;
use crate::failure::Result;
use crate::wine::{self, Bed};
use crate::workspace;

/// The package, and what of it: cargo's own words.
const PROGRAMS: &[(&str, &[&str])] =
    &[("containerv-spec", &["--lib", "--tests"]), ("containerv-sys", &["--lib"]), ("containerv", &["--lib"])];

pub(super) fn run(filters: &[String], report: &mut SuiteReport) -> Result<()> {
    if let Some(reason) = wine::impossible() {
        report.skip("windows::all".to_owned(), reason);
        return Ok(());
    }
    let mut programs = Vec::new();
    for (package, words) in PROGRAMS.iter().filter(|(package, _)| workspace::has_crate(package)) {
        let mut arguments = vec!["--target", wine::TARGET, "--package", package];
        arguments.extend(*words);
        programs.extend(binaries::build(&arguments)?);
    }
    let bed = Bed::open()?;
    for program in programs {
        let mut command = bed.command(&program.executable)?;
        program.surroundings(&mut command);
        // Cargo, which `insta` asks else, is no Windows program.
        command.env("INSTA_WORKSPACE_ROOT", workspace::root()).env("INSTA_UPDATE", "no");
        binaries::run(&program.label(), &mut command, filters, report)?;
    }
    Ok(())
}
