//! From rules to what happens for each number of each table.

use std::collections::BTreeMap;

use containerv_spec::seccomp::{Comparison, Condition};

use super::abi::{Abi, X32_OWN};
use super::multiplex::{MULTIPLEXERS, Multiplexer};
use super::narrow;
use super::rules::Rules;
use super::verdict::Verdict;

/// A comparison of one argument, as the program makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// 0 to 5.
    pub(super) argument: u8,
    /// The upper half of the argument is taken as zero.
    pub(super) narrow: bool,
    pub(super) comparison: Comparison,
    pub(super) value: u64,
    pub(super) value_two: u64,
}

/// Tests that must all hold, and what then happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) tests: Vec<Test>,
    pub(super) verdict: Verdict,
}

/// What happens to a call by its arguments: the first clause whose tests hold decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) clauses: Vec<Clause>,
    pub(super) otherwise: Verdict,
}

/// What happens to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// One call.
    Call(Decision),
    /// Another call each by the first argument, of which only `mask` counts.
    Multiplexer { mask: u32, members: BTreeMap<u32, Decision>, otherwise: Decision },
}

/// Outcomes by the first number that each is for, from 0 on; neighbours differ.
pub(super) type Segments = Vec<(u32, Outcome)>;

impl Decision {
    fn always(verdict: Verdict) -> Self {
        Self { clauses: Vec::new(), otherwise: verdict }
    }

    /// Puts the strictest clause first. Behind one without tests nothing is reached.
    fn new(mut clauses: Vec<Clause>, mut otherwise: Verdict) -> Self {
        clauses.sort_by_key(|clause| clause.verdict.precedence());
        if let Some(last) = clauses.iter().position(|clause| clause.tests.is_empty()) {
            otherwise = clauses[last].verdict;
            clauses.truncate(last);
        }
        Self { clauses, otherwise }
    }

    /// Returns the strictest that can happen.
    fn strictest(&self) -> Verdict {
        match self.clauses.first() {
            Some(clause) => clause.verdict.stricter(self.otherwise),
            None => self.otherwise,
        }
    }

    /// Returns the decision that is nowhere laxer than `verdict`.
    fn at_least(&self, verdict: Verdict) -> Self {
        let raise = |clause: &Clause| Clause { verdict: clause.verdict.stricter(verdict), ..clause.clone() };
        Self::new(self.clauses.iter().map(raise).collect(), self.otherwise.stricter(verdict))
    }
}

/// Works out the numbers of programs in 64-bit mode, x32 among them: [`X32_BIT`](super::abi::X32_BIT)
/// is to be cleared, because both tables agree where they overlap.
///
/// Old kernels took numbers of the one for the other, so each gets what its call gets in either.
pub(super) fn segments_64(rules: &Rules<'_>) -> Segments {
    let clauses = clauses_by_name(rules);
    let mut outcomes = BTreeMap::new();
    for (name, clauses) in &clauses {
        let own = Abi::X32.number(name).filter(|number| X32_OWN.contains(number) && rules.covers(Abi::X32));
        for number in Abi::X86_64.number(name).into_iter().chain(own) {
            outcomes.insert(number, Outcome::Call(Decision::new(clauses.clone(), rules.default)));
        }
    }
    let mut limits = newer_from(rules, Abi::X86_64);
    if !limits.is_empty() {
        limits.extend([(X32_OWN.start, false), (X32_OWN.end, true)]);
    }
    fill(&outcomes, &Unlisted::new(rules, limits))
}

/// Works out the i386 table.
pub(super) fn segments_32(rules: &Rules<'_>) -> Segments {
    if !rules.covers(Abi::I386) {
        return vec![(0, Outcome::Call(Decision::always(Verdict::KILL_PROCESS)))];
    }
    let clauses = clauses_by_name(rules);
    let mut outcomes = BTreeMap::new();
    for (name, clauses) in &clauses {
        if let Some(number) = Abi::I386.number(name) {
            outcomes.insert(number, Outcome::Call(Decision::new(clauses.clone(), rules.default)));
        }
    }
    for multiplexer in MULTIPLEXERS {
        if let Some(number) = Abi::I386.number(multiplexer.name) {
            outcomes.insert(number, behind(multiplexer, &clauses, rules.default));
        }
    }
    fill(&outcomes, &Unlisted::new(rules, newer_from(rules, Abi::I386)))
}

fn clauses_by_name<'a>(rules: &Rules<'a>) -> BTreeMap<&'a str, Vec<Clause>> {
    let mut by_name: BTreeMap<&str, Vec<Clause>> = BTreeMap::new();
    for rule in &rules.applied {
        for name in &rule.names {
            let tests = rule.conditions.iter().map(|condition| test(name, condition)).collect();
            let clause = Clause { tests, verdict: rule.verdict };
            let clauses = by_name.entry(name).or_default();
            if !clauses.contains(&clause) {
                clauses.push(clause);
            }
        }
    }
    by_name
}

fn test(name: &str, condition: &Condition) -> Test {
    // `Rules` has checked that it is below 6.
    let argument = condition.index as u8;
    let narrow = narrow::is_narrow(name, argument);
    let operand = |value| if narrow { narrow::operand(value) } else { value };
    Test {
        argument,
        narrow,
        comparison: condition.op,
        value: operand(condition.value),
        value_two: operand(condition.value_two),
    }
}

/// Lets each call behind a multiplexer have the strictest that its own name can get. A rule for the
/// multiplexer itself counts too, and again the stricter one wins.
fn behind(multiplexer: &Multiplexer, clauses: &BTreeMap<&str, Vec<Clause>>, default: Verdict) -> Outcome {
    let of = |name| clauses.get(name).map(|clauses| Decision::new(clauses.clone(), default));
    let own = of(multiplexer.name);
    let member = |name| {
        let strictest = of(name).map_or(default, |decision| decision.strictest());
        match &own {
            Some(own) => own.at_least(strictest),
            None => Decision::always(strictest),
        }
    };
    let members = multiplexer.members.iter().map(|(number, name)| (*number, member(name))).collect();
    let otherwise = own.clone().unwrap_or_else(|| Decision::always(default));
    Outcome::Multiplexer { mask: multiplexer.mask, members, otherwise }
}

/// Returns the number behind the last one that the profile names, if it names any.
fn newer_from(rules: &Rules<'_>, abi: Abi) -> Vec<(u32, bool)> {
    let last = rules.mentioned.iter().filter_map(|name| abi.number(name)).max();
    last.map(|number| (number + 1, true)).into_iter().collect()
}

/// What happens to numbers without a rule.
struct Unlisted {
    default: Verdict,
    newer: Verdict,
    /// From which number on calls are newer than the profile, and are not.
    limits: Vec<(u32, bool)>,
}

impl Unlisted {
    fn new(rules: &Rules<'_>, limits: Vec<(u32, bool)>) -> Self {
        let newer = if rules.default.denies() { Verdict::ENOSYS } else { rules.default };
        Self { default: rules.default, newer, limits }
    }

    fn verdict(&self, number: u32) -> Verdict {
        match self.limits.iter().rfind(|limit| limit.0 <= number) {
            Some((_, true)) => self.newer,
            _ => self.default,
        }
    }
}

/// Closes the gaps between listed numbers, and joins neighbours that are equal.
fn fill(listed: &BTreeMap<u32, Outcome>, unlisted: &Unlisted) -> Segments {
    let mut starts: Vec<u32> = vec![0];
    starts.extend(listed.keys().flat_map(|number| [*number, number + 1]));
    starts.extend(unlisted.limits.iter().map(|limit| limit.0));
    starts.sort_unstable();
    starts.dedup();
    let mut segments = Segments::new();
    for start in starts {
        let outcome = match listed.get(&start) {
            Some(outcome) => outcome.clone(),
            None => Outcome::Call(Decision::always(unlisted.verdict(start))),
        };
        if segments.last().is_none_or(|last| last.1 != outcome) {
            segments.push((start, outcome));
        }
    }
    segments
}
