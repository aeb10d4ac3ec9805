//! What is measured.

use super::contender::{Action, Contender};
use super::copies;
use super::memory;
use super::place::Place;
use crate::failure::Result;

/// A metric's name, with its unit, and a value.
pub(super) type Values = Vec<(&'static str, f64)>;

pub(super) struct Case {
    pub(super) name: &'static str,
    /// Slow cases come in every n-th round only.
    every: usize,
    /// Measures once; empty when the contender cannot do it.
    pub(super) run: fn(&Place, &Contender, usize) -> Result<Values>,
}

pub(super) const CASES: &[Case] = &[
    Case { name: "run", every: 1, run: run_once },
    Case { name: "lifecycle", every: 1, run: lifecycle },
    Case { name: "exec", every: 1, run: exec },
    Case { name: "kill", every: 1, run: kill },
    Case { name: "many", every: 5, run: many },
    Case { name: "memory", every: 5, run: memory::idle },
    Case { name: "copy", every: 7, run: copies::copy },
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
    Ok(vec![("run, ms", measured.milliseconds), ("run, peak RSS, KiB", measured.peak_kib)])
}

fn lifecycle(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    if !contender.has_state() {
        return Ok(Vec::new());
    }
    let id = format!("life{round}");
    let create = contender.act(place, Action::Create("noop"), &id)?.milliseconds;
    let start = contender.act(place, Action::Start, &id)?.milliseconds;
    contender.wait_stopped(place, &id)?;
    let state = contender.act(place, Action::State, &id)?.milliseconds;
    let delete = contender.act(place, Action::Delete, &id)?.milliseconds;
    Ok(vec![
        ("create, ms", create),
        ("start, ms", start),
        ("state, ms", state),
        ("delete (stopped), ms", delete),
        ("create + start + delete, ms", create + start + delete),
    ])
}

fn exec(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    if !contender.has_state() {
        return Ok(Vec::new());
    }
    let id = format!("exec{round}");
    contender.act(place, Action::RunDetached, &id)?;
    let measured = contender.act(place, Action::Exec, &id)?;
    contender.act(place, Action::DeleteForce, &id)?;
    Ok(vec![("exec, ms", measured.milliseconds), ("exec, peak RSS, KiB", measured.peak_kib)])
}

fn kill(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    if !contender.has_state() {
        return Ok(Vec::new());
    }
    let id = format!("kill{round}");
    contender.act(place, Action::RunDetached, &id)?;
    let measured = contender.act(place, Action::DeleteForce, &id)?;
    Ok(vec![("kill + delete (running), ms", measured.milliseconds)])
}

fn many(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    let measured = contender.run_many(place, 100, 8, &format!("many{round}"))?;
    Ok(vec![("100 runs, 8 at once, ms", measured.milliseconds)])
}
