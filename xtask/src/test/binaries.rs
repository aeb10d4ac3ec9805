//! The test programs that cargo builds, and how to run one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::libtest::{Outcome, Reader};
use super::report::SuiteReport;
use crate::command;
use crate::failure::{Failure, Result};
use crate::product;
use crate::setup;

/// No test program needs longer; one that does hangs.
const PROGRAM_LIMIT: Duration = Duration::from_secs(600);

/// A test program.
#[derive(Clone, Debug)]
pub(crate) struct TestProgram {
    pub(crate) package: String,
    /// The cargo target: the crate's own name for unit tests, else the file in `tests/`.
    pub(crate) target: String,
    pub(crate) executable: PathBuf,
    /// Where cargo would run it.
    pub(crate) directory: PathBuf,
}

impl TestProgram {
    /// `package` for unit tests, `package/target` for others.
    pub(crate) fn label(&self) -> String {
        if self.target.replace('-', "_") == self.package.replace('-', "_") {
            self.package.clone()
        } else {
            format!("{}/{}", self.package, self.target)
        }
    }

    /// The command that runs it as cargo would.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        self.surroundings(&mut command);
        command
    }

    /// The working directory and the environment that cargo would give it.
    pub(crate) fn surroundings(&self, command: &mut Command) {
        command
            .current_dir(&self.directory)
            .env("CARGO_MANIFEST_DIR", &self.directory)
            .env("CARGO_PKG_NAME", &self.package);
        if let Some(cv) = product::built_cv() {
            command.env(product::CV_VARIABLE, cv);
        }
        if let Some(tree) = setup::debian_tree() {
            command.env(setup::TREE_VARIABLE, tree);
        }
    }
}

/// Builds test programs with `cargo test --no-run` and `arguments`.
pub(crate) fn build(arguments: &[&str]) -> Result<Vec<TestProgram>> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--no-run", "--message-format", "json-render-diagnostics"]).args(arguments);
    println!("$ {}", command::shown(&cargo));
    let output = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::io("starting cargo", &error))?;
    if !output.status.success() {
        return Err(Failure::new(format!("building the tests: {}", output.status)));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter_map(|message| program(&message))
        .collect())
}

/// The test program that a message of cargo announces.
fn program(message: &Value) -> Option<TestProgram> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let directory = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    Some(TestProgram {
        package: package_name(message["package_id"].as_str()?).to_owned(),
        target: message["target"]["name"].as_str()?.to_owned(),
        executable: PathBuf::from(message["executable"].as_str()?),
        directory,
    })
}

/// The name in `path+file:///x/y/NAME#0.1.0` or `path+file:///x/y#NAME@0.1.0`.
fn package_name(id: &str) -> &str {
    let (place, rest) = id.rsplit_once('#').unwrap_or((id, ""));
    match rest.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(place),
    }
}

/// Runs a test program's command and adds its results to the report.
pub(crate) fn run(
    label: &str,
    command: &mut Command,
    filters: &[String],
    report: &mut SuiteReport,
) -> Result<()> {
    run_as(label, label, command, filters, report)
}

/// The same of a program that runs several times, each time in other surroundings: `shown` says in
/// which. What one run skips and another passes is no skip.
pub(crate) fn run_as(
    label: &str,
    shown: &str,
    command: &mut Command,
    filters: &[String],
    report: &mut SuiteReport,
) -> Result<()> {
    let again = copy(command);
    command.args(filters).arg("--show-output");
    let mut run = Run { shown: shown.to_owned(), ..Run::begin(label) };
    let ending = command::run_lines(command, PROGRAM_LIMIT, |line| run.line(line))?;
    let names = run.end(ending.success(), &ending.to_string(), report);
    if names.len() <= MOST_AGAIN {
        for name in names {
            run_again(&name, shown, copy(&again), report)?;
        }
    }
    Ok(())
}

/// More failures than this have one cause, and are none of chance.
const MOST_AGAIN: usize = 3;

/// Runs a failed test once more, alone: on a machine with much to do, some wait in vain for another
/// program. One that passes then is told of in the report.
fn run_again(name: &str, shown: &str, mut command: Command, report: &mut SuiteReport) -> Result<()> {
    println!("once more: {shown}::{name}");
    command.args(["--exact", name, "--show-output"]);
    let mut reader = Reader::default();
    let ending = command::run_lines(&mut command, PROGRAM_LIMIT, |line| {
        if reader.line(line) && worth_showing(line) {
            println!("{line}");
        }
    })?;
    if ending.success() && reader.finish().passed.contains(name) {
        report.passed_again(shown, name);
    }
    Ok(())
}

/// A command with the same program, arguments and surroundings.
fn copy(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        copy.current_dir(directory);
    }
    copy
}

/// One run of a test program, wherever it runs.
pub(crate) struct Run {
    label: String,
    /// What a person reads in its place.
    shown: String,
    reader: Reader,
    begin: Instant,
}

impl Run {
    pub(crate) fn begin(label: &str) -> Run {
        Run {
            label: label.to_owned(),
            shown: label.to_owned(),
            reader: Reader::default(),
            begin: Instant::now(),
        }
    }

    /// Takes a line of its standard output, and prints it if a person should see it.
    pub(crate) fn line(&mut self, line: &str) {
        if self.reader.line(line) && worth_showing(line) {
            println!("{line}");
        }
    }

    /// Adds the results to the report, and returns the names of failed tests. A program that dies before
    /// its closing line counts as one more failed test.
    pub(crate) fn end(mut self, success: bool, ending: &str, report: &mut SuiteReport) -> Vec<String> {
        let outcome = self.reader.finish();
        let failed = outcome.failed.iter().cloned().collect();
        let clean = success || (outcome.complete && !outcome.failed.is_empty());
        if !outcome.is_empty() {
            self.summarize(&outcome);
        }
        report.add(&self.label, &self.shown, outcome);
        if !clean {
            report.fail(format!("{}: the program: {ending}", self.shown));
        }
        failed
    }

    fn summarize(&self, outcome: &Outcome) {
        println!(
            "{:<44} passed {:>4}, failed {:>2}, skipped {:>2}, {:.1} s",
            self.shown,
            outcome.passed.len(),
            outcome.failed.len(),
            outcome.skipped.len(),
            self.begin.elapsed().as_secs_f64()
        );
    }
}

/// Tests that passed are in the count; their names would bury the others.
fn worth_showing(line: &str) -> bool {
    let passed = line.starts_with("test ") && line.ends_with(" ... ok");
    !(passed || line.is_empty() || line.starts_with("running "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_names_in_both_forms() {
        assert_eq!(package_name("path+file:///w/crates/containerv#0.1.0"), "containerv");
        assert_eq!(package_name("path+file:///w/crates/other#containerv-sys@0.1.0"), "containerv-sys");
    }

    #[test]
    fn a_test_that_passes_alone_is_told_of() {
        let mut report = SuiteReport::new("x");
        let script = "case \"$*\" in *--exact*) echo 'test a ... ok'; exit 0;; esac; \
                      echo 'test a ... FAILED'; echo 'test b ... FAILED'; echo 'test result: FAILED. x'; exit 101";
        run("flaky", Command::new("sh").args(["-c", script, "x"]), &[], &mut report).unwrap();
        assert_eq!((report.passed(), report.failed.as_slice()), (1, &["flaky::b".to_owned()][..]));
        assert_eq!(report.again, ["flaky::a"]);
    }

    #[test]
    fn a_program_that_dies_is_a_failure() {
        let mut report = SuiteReport::new("x");
        run("dies", Command::new("sh").args(["-c", "echo 'test a ... ok'; exit 7"]), &[], &mut report)
            .unwrap();
        assert_eq!(report.passed(), 1);
        assert_eq!(report.failed, ["dies: the program: exit status: 7"]);
    }
}
