//! Executes plans for Windows: in order, the undo list on disk first, and backwards after a failure.

use containerv_spec::plan::hcs::{Call, HcsPlan, HcsStep, Stage};

use super::explain::Failure;
use super::found::Values;
use super::journal::Entry;
use crate::{Error, Result};

/// Does single calls; the system itself, or a test's model of it.
pub(crate) trait Perform {
    /// Does a call in which everything is known, and returns what it has found.
    fn perform(&mut self, call: &Call) -> Result<Vec<String>, Failure>;

    /// For tests of crashes: step `number` of the plan, counted from 1, is done.
    fn done(&mut self, _number: u32) {}

    /// The same of a call that undoes.
    fn undone(&mut self) {}
}

/// Where intentions are written before anything is done.
pub(crate) trait Record {
    /// Writes an entry, and returns after it is on the disk.
    fn record(&mut self, entry: &Entry) -> Result<()>;
}

/// Executes the steps of a stage. The first step of creation makes the directory that the journal
/// is in, so that nothing can be written before it; it is undone by itself.
///
/// # Errors
///
/// The failed step's, after everything was undone; what could not be undone is told along.
pub(crate) fn run(
    plan: &HcsPlan,
    stage: Stage,
    mut values: Values,
    performer: &mut impl Perform,
    open_journal: &mut impl FnMut() -> Result<Box<dyn Record>>,
) -> Result<Values> {
    let mut journal = (stage == Stage::Start).then(&mut *open_journal).transpose()?;
    let steps: Vec<(usize, &HcsStep)> =
        plan.steps.iter().enumerate().filter(|(_, step)| step.stage == stage).collect();
    let begun = Entry::Begun { stage, isolation: plan.isolation, undo: undo_of(plan, stage) };
    if let Some(journal) = &mut journal {
        journal.record(&begun)?;
    }
    for (place, (number, step)) in steps.iter().enumerate() {
        let outcome = one(step, &mut values, performer).and_then(|()| {
            if journal.is_none() {
                journal.insert(open_journal()?).record(&begun)?;
            }
            Ok(())
        });
        if let Err(error) = outcome {
            // An open file would keep the directory that creation has made.
            journal = journal.filter(|_| stage == Stage::Start);
            // The failed step may have done a part of its work.
            let done = steps[..=place].iter().rev().flat_map(|(_, step)| &step.undo);
            let left = undo(done, performer);
            if let (Some(journal), true) = (&mut journal, left.is_empty()) {
                journal.record(&Entry::Undone { stage })?;
            }
            let error = error.context(format!("step {} of the plan", number + 1));
            return Err(with_leftovers(error, &left));
        }
        performer.done(u32::try_from(number + 1).unwrap_or(u32::MAX));
    }
    if let Some(journal) = &mut journal {
        journal.record(&Entry::Done { stage, found: values.clone() })?;
    }
    Ok(values)
}

fn one(step: &HcsStep, values: &mut Values, performer: &mut impl Perform) -> Result<()> {
    let call = values.fill(&step.call)?;
    let found = performer.perform(&call).map_err(|failure| match call {
        Call::CreateProcess { .. } | Call::CreateProcessV1 { .. } => failure.explain_start(call.name()),
        _ => failure.explain(call.name()),
    })?;
    values.keep(&call, found)
}

/// Returns what undoes a stage, the last step first.
pub(crate) fn undo_of(plan: &HcsPlan, stage: Stage) -> Vec<Call> {
    let steps = plan.steps.iter().filter(|step| step.stage == stage);
    steps.rev().flat_map(|step| step.undo.clone()).collect()
}

/// Undoes what may have been done, all of it whatever fails, and returns what failed. What is not
/// there is undone. The container's directory stays if anything failed.
pub(crate) fn undo<'a>(
    calls: impl IntoIterator<Item = &'a Call>,
    performer: &mut impl Perform,
) -> Vec<Error> {
    let mut failed = Vec::new();
    for call in calls {
        // The directory has the journal, which tells a repair what is left.
        if matches!(call, Call::RemoveDirectory { .. }) && !failed.is_empty() {
            continue;
        }
        match performer.perform(call) {
            Err(failure) if !is_gone(call, &failure) => failed.push(failure.explain(call.name())),
            _ => {}
        }
        performer.undone();
    }
    failed
}

pub(crate) fn with_leftovers(error: Error, left: &[Error]) -> Error {
    if left.is_empty() {
        return error;
    }
    let list: Vec<String> = left.iter().map(Error::to_string).collect();
    error
        .context(format!("some of it could not be undone ({})", list.join("; ")))
        .with_hint("mend the cause, then `cv system repair` removes the rest")
}

/// Codes that say that there is nothing to undo.
fn is_gone(call: &Call, failure: &Failure) -> bool {
    const NO_FILE: u32 = 0x8007_0002;
    const NO_PATH: u32 = 0x8007_0003;
    const NOT_FOUND: u32 = 0x8007_0490;
    let codes: &[u32] = match call {
        Call::RemoveDirectory { .. } | Call::ReleaseName { .. } | Call::DestroyLayer { .. } => &[],
        // Not attached: a device that is not ready, or no device.
        Call::DeactivateLayer { .. } | Call::UnprepareLayer { .. } => &[0x8007_0015, 0x8007_048F],
        Call::DeleteEndpoint { .. } => &[0x803B_0002],
        Call::DeleteNamespace { .. } | Call::CloseSystem { .. } | Call::CloseSystemV1 { .. } => &[],
        Call::ModifyNamespace { .. } => &[0x803B_0002, 0x803B_0034],
        Call::TerminateSystem { .. } | Call::TerminateSystemV1 { .. } => &[0x8037_010E, 0x8037_0110],
        Call::ModifyServiceSettings { .. } => &[],
        _ => return false,
    };
    codes.iter().chain(&[NO_FILE, NO_PATH, NOT_FOUND]).any(|code| failure.is(*code))
}

#[cfg(test)]
#[path = "execute_tests.rs"]
mod tests;
