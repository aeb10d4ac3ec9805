//! Counts over all suites, and the skips that are allowed.

use std::fmt;
use std::time::Duration;

use super::libtest::Outcome;
use crate::failure::Result;
use crate::workspace;

/// Tests that an automatic run may skip: a line each, `PATTERN  # reason`, where the pattern is
/// `PROGRAM::TEST` and may end in `*`.
pub(super) const ALLOWED_SKIPS: &str = ".ci/allowed-skips";

/// A test that could not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    suite: &'static str,
    test: String,
    reason: String,
}

impl Skip {
    pub(super) fn matches(&self, pattern: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(prefix) => self.test.starts_with(prefix),
            None => self.test == pattern,
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} [{}]: {}", self.test, self.suite, self.reason)
    }
}

/// What one suite came to.
#[derive(Debug)]
pub(crate) struct SuiteReport {
    pub(super) name: &'static str,
    pub(super) took: Duration,
    passed: Vec<String>,
    pub(super) failed: Vec<String>,
    /// Those of the passed tests that failed first.
    pub(super) again: Vec<String>,
    skipped: Vec<Skip>,
}

impl SuiteReport {
    pub(super) fn new(name: &'static str) -> SuiteReport {
        SuiteReport {
            name,
            took: Duration::ZERO,
            passed: Vec::new(),
            failed: Vec::new(),
            again: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Adds the results of the test program `label`; its failures are told of `shown`.
    pub(super) fn add(&mut self, label: &str, shown: &str, outcome: Outcome) {
        let full = |test: &String| format!("{label}::{test}");
        self.passed.extend(outcome.passed.iter().map(full));
        self.failed.extend(outcome.failed.iter().map(|test| format!("{shown}::{test}")));
        outcome.skipped.iter().for_each(|(test, reason)| self.skip(full(test), reason));
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.failed.push(what);
    }

    /// A failed test has passed when it ran alone.
    pub(super) fn passed_again(&mut self, shown: &str, test: &str) {
        let full = format!("{shown}::{test}");
        self.failed.retain(|failed| *failed != full);
        self.passed.push(full.clone());
        self.again.push(full);
    }

    pub(crate) fn skip(&mut self, test: String, reason: impl Into<String>) {
        self.skipped.push(Skip { suite: self.name, test, reason: reason.into() });
    }

    pub(crate) fn passed(&self) -> usize {
        self.passed.len()
    }

    /// Words other than those of the closing line, which has to be the only one of its form.
    pub(super) fn summary(&self) -> String {
        format!("passed {}, failed {}, skipped {}", self.passed.len(), self.failed.len(), self.skipped.len())
    }
}

/// What the whole run came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) suites: Vec<SuiteReport>,
}

impl Report {
    pub(super) fn passed(&self) -> usize {
        self.suites.iter().map(SuiteReport::passed).sum()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.suites
            .iter()
            .flat_map(|suite| suite.failed.iter().map(|test| format!("{test} [{}]", suite.name)))
            .collect()
    }

    /// The tests that failed, and passed when they ran alone.
    pub(super) fn again(&self) -> Vec<String> {
        self.suites
            .iter()
            .flat_map(|suite| suite.again.iter().map(|test| format!("{test} [{}]", suite.name)))
            .collect()
    }

    /// The tests that ran nowhere: what one suite skips and another passes is no skip. So a test
    /// that needs an ordinary user, or cgroup v2, may skip wherever it does not find them.
    pub(super) fn skips(&self) -> Vec<Skip> {
        let ran = |skip: &&Skip| self.suites.iter().any(|suite| suite.passed.contains(&skip.test));
        let all: Vec<&Skip> = self.suites.iter().flat_map(|suite| &suite.skipped).collect();
        let mut skips: Vec<Skip> = Vec::new();
        for skip in all.into_iter().filter(|skip| !ran(skip)) {
            if !skips.iter().any(|known| known.test == skip.test) {
                skips.push(skip.clone());
            }
        }
        skips
    }
}

/// The patterns of the skips that an automatic run may have.
pub(super) fn allowed_skips() -> Result<Vec<String>> {
    let text = workspace::read(&workspace::root().join(ALLOWED_SKIPS))?;
    let patterns = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim().to_owned());
    Ok(patterns.filter(|pattern| !pattern.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(passed: &[&str], skipped: &[&str]) -> Outcome {
        Outcome {
            passed: passed.iter().map(|name| (*name).to_owned()).collect(),
            skipped: skipped.iter().map(|name| ((*name).to_owned(), "needs root".to_owned())).collect(),
            ..Outcome::default()
        }
    }

    #[test]
    fn a_skip_that_another_suite_passed_is_none() {
        let mut root = SuiteReport::new("workspace");
        root.add("containerv", "containerv", outcome(&["a"], &["b"]));
        let mut user = SuiteReport::new("user");
        user.add("containerv", "containerv", outcome(&[], &["a", "b"]));
        let report = Report { suites: vec![root, user] };
        let skips = report.skips();
        assert_eq!(
            skips.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["containerv::b [workspace]: needs root"]
        );
        assert_eq!(report.passed(), 1);
    }

    #[test]
    fn patterns() {
        let skip = Skip { suite: "x", test: "cv/run::tests::pty".into(), reason: String::new() };
        assert!(skip.matches("cv/run::tests::pty"));
        assert!(skip.matches("cv/run::*"));
        assert!(!skip.matches("cv/run"));
    }
}
