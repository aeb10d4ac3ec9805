//! What is measured.

use super::contender::{Action, Contender};
use super::copies;
use super::memory;
use super::place::Place;
use crate::failure::Result;

/// One measured value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    /// What was measured, with its unit.
    pub(super) metric: &'static str,
    /// Who did it, when that is not the contender.
    pub(super) by: Option<&'static str>,
    pub(super) value: f64,
}

pub(super) fn value(metric: &'static str, value: f64) -> Value {
    Value { metric, by: None, value }
}

pub(super) type Values = Vec<Value>;

pub(super) struct Case {
    pub(super) name: &'static str,
    /// In the order of the report.
    pub(super) metrics: &'static [&'static str],
    /// Slow cases come in every n-th round only.
    every: usize,
    /// Measures once; empty when the contender cannot do it.
    pub(super) run: fn(&Place, &Contender, usize) -> Result<Values>,
}

const RUN: &str = "run, ms";
const RUN_PEAK: &str = "run, peak RSS, KiB";
const RUN_UNFILTERED: &str = "run without seccomp, ms";
const CREATE: &str = "create, ms";
const START: &str = "start, ms";
const STATE: &str = "state, ms";
const DELETE: &str = "delete (ended), ms";
const LIFE: &str = "create + start + delete, ms";
const EXEC: &str = "exec, ms";
const SPAWN: &str = "spawn by the library, ms";
const PLAN: &str = "request to plan, µs";
const EXEC_PEAK: &str = "exec, peak RSS, KiB";
const KILL: &str = "kill + delete (running), ms";
const MANY: &str = "100 runs, 8 at once, ms";

pub(super) const CASES: &[Case] = &[
    Case { name: "run", metrics: &[RUN, RUN_PEAK], every: 1, run: run_once },
    Case { name: "unfiltered", metrics: &[RUN_UNFILTERED], every: 1, run: run_unfiltered },
    Case { name: "lifecycle", metrics: &[CREATE, START, STATE, DELETE, LIFE], every: 1, run: lifecycle },
    Case { name: "exec", metrics: &[EXEC, EXEC_PEAK, SPAWN, PLAN], every: 1, run: exec },
    Case { name: "kill", metrics: &[KILL], every: 1, run: kill },
    Case { name: "many", metrics: &[MANY], every: 5, run: many },
    Case { name: "memory", metrics: memory::METRICS, every: 5, run: memory::idle },
    Case { name: copies::CASE, metrics: copies::METRICS, every: 6, run: copies::copy },
];

impl Case {
    /// Whether it comes in this round. Fast cases come in every round; slow ones do not warm up, and
    /// come at least once.
    pub(super) fn due(&self, round: usize, warm_up: usize, rounds: usize) -> bool {
        let every = self.every.min(rounds);
        self.every == 1 || (round >= warm_up && (round - warm_up).is_multiple_of(every))
    }
}

fn run_once(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    let measured = contender.act(place, Action::Run, &format!("run{round}"))?;
    Ok(vec![value(RUN, measured.milliseconds), value(RUN_PEAK, measured.peak_kib)])
}

fn run_unfiltered(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    let measured = contender.act(place, Action::RunUnfiltered, &format!("bare{round}"))?;
    Ok(vec![value(RUN_UNFILTERED, measured.milliseconds)])
}

fn lifecycle(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    let id = format!("life{round}");
    if !contender.has_state() {
        let process = |metric| Ok(value(metric, contender.act(place, Action::State, &id)?.milliseconds));
        return [START, STATE, DELETE].into_iter().map(process).collect();
    }
    let create = contender.act(place, Action::Create("noop"), &id)?.milliseconds;
    let start = contender.act(place, Action::Start, &id)?.milliseconds;
    contender.wait_stopped(place, &id)?;
    let state = contender.act(place, Action::State, &id)?.milliseconds;
    let delete = contender.act(place, Action::Delete, &id)?.milliseconds;
    Ok(vec![
        value(CREATE, create),
        value(START, start),
        value(STATE, state),
        value(DELETE, delete),
        value(LIFE, create + start + delete),
    ])
}

fn exec(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    if !contender.has_state() {
        return Ok(Vec::new());
    }
    let id = format!("exec{round}");
    contender.act(place, Action::RunDetached, &id)?;
    let measured = contender.act(place, Action::Exec, &id)?;
    let library = contender.library(place, &id)?;
    contender.act(place, Action::DeleteForce, &id)?;
    let mut values = vec![value(EXEC, measured.milliseconds), value(EXEC_PEAK, measured.peak_kib)];
    match library {
        Some(library) => {
            values.push(value(SPAWN, library.spawn_ns / 1e6));
            values.push(value(PLAN, library.plan_ns / 1e3));
        }
        None if contender.is_ours() => {}
        // What a program that uses such a runtime has instead.
        None => values.push(value(SPAWN, measured.milliseconds)),
    }
    Ok(values)
}

fn kill(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    if !contender.has_state() {
        return Ok(Vec::new());
    }
    let id = format!("kill{round}");
    contender.act(place, Action::RunDetached, &id)?;
    let measured = contender.act(place, Action::DeleteForce, &id)?;
    Ok(vec![value(KILL, measured.milliseconds)])
}

fn many(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    let measured = contender.run_many(place, 100, 8, &format!("many{round}"))?;
    Ok(vec![value(MANY, measured.milliseconds)])
}
