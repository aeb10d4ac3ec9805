//! `cargo xtask test`: every suite, and one count over all of them.

mod binaries;
mod c_programs;
mod libtest;
mod machine;
mod report;
mod suites;
mod user;
mod windows;

use std::time::Instant;

use crate::failure::{Failure, Result};
use crate::product;
use crate::setup;
use crate::workspace;

use report::{Report, SuiteReport};
use suites::{SUITES, Suite};

/// Which suites to run, and which tests in them.
#[derive(Debug, Default)]
struct Selection {
    suites: Vec<String>,
    /// Passed on to the test programs.
    filters: Vec<String>,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let selection = select(arguments)?;
    prepare()?;
    let mut report = Report::default();
    report.suites.push(product());
    for suite in SUITES {
        let wanted = selection.suites.is_empty() || selection.suites.iter().any(|name| name == suite.name);
        if !wanted || !(suite.exists)() {
            continue;
        }
        report.suites.push(run_suite(suite, &selection.filters));
    }
    finish(&report)
}

/// Builds the `cv` that tests are told of. They run without one too; what needs it fails then.
fn product() -> SuiteReport {
    let begin = Instant::now();
    let mut report = SuiteReport::new("product");
    if let Err(failure) = product::build_cv() {
        println!("{failure}");
        report.fail("building the static `cv`".to_owned());
    }
    report.took = begin.elapsed();
    report
}

fn run_suite(suite: &Suite, filters: &[String]) -> SuiteReport {
    println!("== test {}", suite.name);
    let begin = Instant::now();
    let mut report = SuiteReport::new(suite.name);
    if let Err(failure) = (suite.run)(filters, &mut report) {
        println!("{failure}");
        report.fail(format!("the suite `{}` itself", suite.name));
    }
    report.took = begin.elapsed();
    println!("== test {}: {}", suite.name, report.summary());
    report
}

fn select(arguments: &[String]) -> Result<Selection> {
    let mut selection = Selection::default();
    let (own, filters) = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[][..]),
    };
    selection.filters = filters.to_vec();
    match own {
        [] => {}
        [option, names @ ..] if option == "--only" && !names.is_empty() => selection.suites = names.to_vec(),
        _ => return Err(Failure::usage("usage: cargo xtask test [--only SUITE..] [-- FILTER..]")),
    }
    let known = |name: &String| SUITES.iter().any(|suite| suite.name == name);
    if let Some(unknown) = selection.suites.iter().find(|name| !known(name)) {
        let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        return Err(Failure::usage(format!("no suite `{unknown}`; there are {}", names.join(", "))));
    }
    Ok(selection)
}

/// Sets up. What is missing then is said; the tests that need it are skipped with that reason.
fn prepare() -> Result<()> {
    let missing = setup::install();
    for item in &missing {
        println!("missing: {item}");
    }
    if workspace::in_ci() && !missing.is_empty() {
        return Err(Failure::new("an automatic run needs everything, see the lines above"));
    }
    Ok(())
}

/// Prints the skips with their reasons, the times and the closing line.
fn finish(report: &Report) -> Result<()> {
    let allowed = report::allowed_skips()?;
    let skips = report.skips();
    let unlisted = skips.iter().filter(|skip| !allowed.iter().any(|pattern| skip.matches(pattern))).count();
    for skip in &skips {
        println!("skipped: {skip}");
    }
    for suite in &report.suites {
        println!("{:<12} {:>7.1} s  {}", suite.name, suite.took.as_secs_f64(), suite.summary());
    }
    for test in report.again() {
        println!("passed alone only: {test}");
    }
    let failures = report.failures();
    for failure in &failures {
        println!("failed: {failure}");
    }
    println!("{} passed, {} failed, {} skipped", report.passed(), failures.len(), skips.len());
    if !failures.is_empty() {
        return Err(Failure::new(format!("{} tests failed", failures.len())));
    }
    if report.passed() == 0 {
        return Err(Failure::new("no test ran"));
    }
    if workspace::in_ci() && unlisted > 0 {
        return Err(Failure::new(format!(
            "{unlisted} skips are not on the list `{}`",
            report::ALLOWED_SKIPS
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(arguments: &[&str]) -> Result<Selection> {
        select(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn suites_and_filters_are_told_apart() {
        let selection = selected(&["--only", "workspace", "--", "cgroup"]).unwrap();
        assert_eq!(selection.suites, ["workspace"]);
        assert_eq!(selection.filters, ["cgroup"]);
    }

    #[test]
    fn wrong_words_are_refused() {
        assert!(selected(&["--only"]).is_err());
        assert!(selected(&["workspace"]).is_err());
        assert!(selected(&["--only", "nothing"]).unwrap_err().to_string().contains("no suite `nothing`"));
    }
}
