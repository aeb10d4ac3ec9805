//! Reads what a Rust test program prints with `--show-output`.
//!
//! A test that cannot run prints a line `skipped: REASON` and returns. The program counts it as
//! passed, and shows what it printed; that is where skips are found. An ignored test is a skip too.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

/// What one test program said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) passed: BTreeSet<String>,
    pub(super) failed: BTreeSet<String>,
    /// Test and reason.
    pub(super) skipped: BTreeMap<String, String>,
    /// Whether the program came to its closing line.
    pub(super) complete: bool,
}

impl Outcome {
    /// Whether the program has no test that was selected.
    pub(super) fn is_empty(&self) -> bool {
        self.passed.is_empty() && self.failed.is_empty() && self.skipped.is_empty()
    }
}

/// Takes the lines one after the other.
///
/// A test may run its own program again, with other tests selected; what that one prints stands
/// among the lines, and counts no test a second time.
#[derive(Debug, Default)]
pub(super) struct Reader {
    outcome: Outcome,
    section: Section,
    /// The test whose output is being shown.
    shown: Option<String>,
}

/// Results come first. Then what tests have printed, and from there nothing is a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Results,
    Successes,
    Failures,
}

const SKIPPED: &str = "skipped: ";

impl Reader {
    /// Takes a line; returns whether a person should see it: what tests that passed have printed is
    /// left out.
    pub(super) fn line(&mut self, line: &str) -> bool {
        match line {
            "successes:" => self.section = Section::Successes,
            "failures:" => self.section = Section::Failures,
            _ if line.starts_with("test result: ") => {
                self.outcome.complete = true;
                return false;
            }
            _ => {
                if let Some(name) = block_start(line) {
                    self.shown = Some(name.to_owned());
                } else if let Some(reason) = line.strip_prefix(SKIPPED) {
                    self.skip(reason);
                } else if self.section == Section::Results {
                    self.result(line);
                }
            }
        }
        self.section != Section::Successes
    }

    /// A line `test NAME ... ok`, `FAILED` or `ignored, REASON`.
    fn result(&mut self, line: &str) {
        let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        else {
            return;
        };
        let name = name.strip_suffix(" - should panic").unwrap_or(name).to_owned();
        if result.starts_with("FAILED") {
            self.outcome.passed.remove(&name);
            self.outcome.failed.insert(name);
        } else if result.starts_with("ok") && !self.outcome.failed.contains(&name) {
            self.outcome.passed.insert(name);
        } else if let Some(reason) = result.strip_prefix("ignored") {
            let reason = reason.trim_start_matches(", ");
            let reason = if reason.is_empty() { "ignored without a reason" } else { reason };
            self.outcome.skipped.insert(name, reason.to_owned());
        }
    }

    /// The shown test was counted as passed until here.
    fn skip(&mut self, reason: &str) {
        let Some(name) = self.shown.clone().filter(|_| self.section == Section::Successes) else { return };
        self.outcome.passed.remove(&name);
        self.outcome.skipped.entry(name).or_insert_with(|| reason.to_owned());
    }

    pub(super) fn finish(&mut self) -> Outcome {
        mem::take(&mut self.outcome)
    }
}

/// The test's name in `---- NAME stdout ----`.
fn block_start(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Outcome, Vec<&str>) {
        let mut reader = Reader::default();
        let shown = text.lines().filter(|line| reader.line(line)).collect();
        (reader.finish(), shown)
    }

    const OUTPUT: &str = "running 5 tests
test a::passes ... ok
test a::skips ... ok
test a::panics - should panic ... ok
test b::fails ... FAILED
test b::waits ... ignored, needs a week

successes:

---- a::passes stdout ----
noise

---- a::skips stdout ----
skipped: /dev/kvm: Permission denied


successes:
    a::passes

failures:

---- b::fails stdout ----
skipped: not really

failures:
    b::fails

test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn results_are_counted_and_skips_are_not_passes() {
        let (outcome, _) = read(OUTPUT);
        assert!(outcome.passed.iter().eq(["a::panics", "a::passes"]), "{outcome:?}");
        assert!(outcome.failed.iter().eq(["b::fails"]), "{outcome:?}");
        assert_eq!(outcome.skipped["b::waits"], "needs a week");
        assert_eq!(outcome.skipped["a::skips"], "/dev/kvm: Permission denied");
        assert!(outcome.complete);
    }

    #[test]
    fn the_output_of_passed_tests_is_not_shown_and_that_of_failed_ones_is() {
        let (_, shown) = read(OUTPUT);
        assert!(!shown.contains(&"noise"));
        assert!(shown.contains(&"skipped: not really"));
        assert!(shown.contains(&"test a::passes ... ok"));
    }

    #[test]
    fn a_program_that_died_is_not_complete() {
        let (outcome, _) = read("running 2 tests\ntest a ... ok\n");
        assert!(!outcome.complete);
        assert_eq!(outcome.passed.len(), 1);
    }

    #[test]
    fn what_a_program_inside_a_test_prints_counts_nothing_twice() {
        let inner = "running 1 test\ntest a ... ok\ntest result: ok. 1 passed\n";
        let text = format!(
            "running 2 tests\n{inner}test b ... ok\ntest a ... ok\nsuccesses:\n---- b stdout ----\n{inner}{inner}\n"
        );
        let (outcome, shown) = read(&text);
        assert!(outcome.passed.iter().eq(["a", "b"]), "{outcome:?}");
        assert_eq!(shown.iter().filter(|line| line.starts_with("running")).count(), 2);
    }
}
