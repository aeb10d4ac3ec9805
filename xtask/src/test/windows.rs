//! The suite `windows`: test programs as Windows executables, by Wine.

use super::binaries::{self, TestProgram};
use super::c_programs;
use super::report::SuiteReport;
use crate::failure::Result;
use crate::product;
use crate::wine::{self, Bed};
use crate::workspace;

/// The package, and what of it: cargo's own words.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("containerv-spec", &["--lib", "--tests"]),
    ("containerv-sys", &["--lib", "--tests"]),
    ("containerv", &["--lib"]),
    ("cv", &["--lib", "--tests"]),
    (c_programs::PACKAGE, &["--lib", "--tests"]),
    (
        CONFORMANCE,
        &[
            "--test",
            "conformance",
            "--test",
            "crash",
            "--test",
            "faults",
            "--test",
            "sequences",
            "--test",
            "windows_images",
        ],
    ),
    (CONFORMANCE, &["--test", WITHOUT_CONTAINERS]),
];

/// The package whose programs run once for each isolation.
const CONFORMANCE: &str = "containerv-tests";

/// The one that makes no containers and runs once.
const WITHOUT_CONTAINERS: &str = "registry";

/// How those programs are told which.
const ISOLATION_VARIABLE: &str = "CONTAINERV_TEST_ISOLATION";

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
    programs.extend(build_sim(&["--target", wine::TARGET, "--package", "sim-tests", "--tests"])?);
    // The service is a program of this system, and so are its own tests.
    for program in build_sim(&["--package", "compute-service", "--package", "sim-protocol"])? {
        binaries::run(&program.label(), &mut program.command(), filters, report)?;
    }
    let c_programs = c_programs::build()?;
    let bed = Bed::open()?;
    // A program that the stand-ins' tests put into containers.
    bed.add(&wine::sim_target().join(wine::TARGET).join("debug/probe.exe"))?;
    // What supervises detached commands.
    let cv = product::build_windows_cv()?;
    bed.add(&cv)?;
    for program in programs {
        let isolated = program.package == CONFORMANCE && program.target != WITHOUT_CONTAINERS;
        let isolations: &[&str] = if isolated { &["process", "hyperv"] } else { &[""] };
        for isolation in isolations {
            let mut command = bed.command(&program.executable)?;
            program.surroundings(&mut command);
            command.env(product::CV_VARIABLE, &cv).env(ISOLATION_VARIABLE, isolation);
            command.env(c_programs::VARIABLE, wine::windows_path(&c_programs));
            // Cargo, which `insta` asks else, is no Windows program.
            command.env("INSTA_WORKSPACE_ROOT", workspace::root()).env("INSTA_UPDATE", "no");
            let label = program.label();
            let shown = if isolation.is_empty() { label.clone() } else { format!("{label} ({isolation})") };
            binaries::run_as(&label, &shown, &mut command, filters, report)?;
        }
    }
    Ok(())
}

/// Test programs of the stand-ins, a workspace of their own.
fn build_sim(arguments: &[&str]) -> Result<Vec<TestProgram>> {
    let target = wine::sim_target();
    let target = target.to_string_lossy();
    let mut all = vec!["--manifest-path", wine::SIM_MANIFEST, "--target-dir", target.as_ref()];
    all.extend(arguments);
    binaries::build(&all)
}
