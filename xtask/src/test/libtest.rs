//! Reads what a Rust test program prints with `--show-output`.
//!
//! A test that cannot run prints a line `skipped: REASON` and returns. The program counts it as
//! passed, and shows what it printed; that is where skips are found. An ignored test is a skip too.

use std::mem;

/// What one test program said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) passed: Vec<String>,
    pub(super) failed: Vec<String>,
    /// Test and reason.
    pub(super) skipped: Vec<(String, String)>,
    /// Whether the program came to its closing line.
    pub(super) complete: bool,
}

/// Takes the lines one after the other.
#[derive(Debug, Default)]
pub(super) struct Reader {
    outcome: Outcome,
    section: Section,
    /// The test whose output is being shown.
    shown: Option<String>,
}

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
                self.section = Section::Results;
                self.outcome.complete = true;
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
        if result.starts_with("ok") {
            self.outcome.passed.push(name);
        } else if result.starts_with("FAILED") {
            self.outcome.failed.push(name);
        } else if let Some(reason) = result.strip_prefix("ignored") {
            let reason = reason.trim_start_matches(", ");
            let reason = if reason.is_empty() { "ignored without a reason" } else { reason };
            self.outcome.skipped.push((name, reason.to_owned()));
        }
    }

    fn skip(&mut self, reason: &str) {
        let Some(name) = self.shown.clone() else { return };
        let known = self.outcome.skipped.iter().any(|(skipped, _)| *skipped == name);
        if self.section == Section::Successes && !known {
            self.outcome.passed.retain(|passed| *passed != name);
            self.outcome.skipped.push((name, reason.to_owned()));
        }
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
        assert_eq!(outcome.passed, ["a::passes", "a::panics"]);
        assert_eq!(outcome.failed, ["b::fails"]);
        let skipped: Vec<_> =
            outcome.skipped.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect();
        assert_eq!(skipped, [("b::waits", "needs a week"), ("a::skips", "/dev/kvm: Permission denied")]);
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
        assert_eq!(outcome.passed, ["a"]);
    }
}
