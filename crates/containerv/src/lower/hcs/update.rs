//! Changes of limits, of containers that run and of others.
//!
//! A job of a process-isolated container takes another limit of memory, and on newer builds of processor
//! time. Everything else, and all that a virtual machine has, is as it was when the system was made.

use containerv_spec::Limits;
use containerv_spec::hcs::machine::WindowsMachine;
use containerv_spec::hcs::request::{ModifyContainer, ModifyV1, RequestType};
use containerv_spec::hcs::system::Processor;
use containerv_spec::plan::hcs::HcsIsolation;
use containerv_spec::request::Request;
use serde::Serialize;

use super::resources::{Rates, WHOLE};
use super::{DATA_ROOT, Draft, Places, check};
use crate::ErrorKind::{Unavailable, Unsupported};
use crate::{Error, Result};

/// The first build that changes processor time of what runs.
const CHANGES_PROCESSORS: u32 = 19042;

/// Something that a running system is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LiveChange {
    /// The option that asks for it.
    pub(crate) option: &'static str,
    pub(crate) set: Modification,
    /// What takes it back; nothing where there was no limit, which only the last change may be.
    pub(crate) undo: Option<Modification>,
}

/// The document that a running system of either generation is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Modification {
    /// For computecore.dll.
    Current(ModifyContainer),
    /// For vmcompute.dll.
    First(ModifyV1),
}

impl Modification {
    /// Says whether something goes by it: what is gone already is as good.
    pub(crate) fn takes_away(&self) -> bool {
        match self {
            Self::Current(change) => {
                matches!(change, ModifyContainer::RemoveDirectory(_) | ModifyContainer::RemovePipe(_))
            }
            Self::First(change) => change.request_type == RequestType::Remove,
        }
    }
}

/// Works out the limits after a change, and what is told to the system if it runs, in order.
///
/// # Errors
///
/// Everything that is wrong with the limits, or cannot be changed now; each by the name of its option.
pub(crate) fn update(
    request: &Request,
    change: &Limits,
    machine: &WindowsMachine,
    isolation: HcsIsolation,
    running: bool,
) -> Result<(Limits, Vec<LiveChange>)> {
    let limits = changed(&request.limits, change);
    let (old, _) = amounts(request, machine, isolation);
    let new_request = Request { limits: limits.clone(), ..request.clone() };
    let (new, mut problems) = amounts(&new_request, machine, isolation);
    let mut live = Vec::new();
    if running {
        let changer = Changer { name: request.called(), machine, isolation };
        match changer.processor(old.processor, new.processor, change) {
            Ok(change) => live.extend(change),
            Err(error) => problems.push(error),
        }
        problems.extend(changer.rates(old.rates, new.rates));
        match changer.memory(old.memory, new.memory) {
            Ok(change) => live.extend(change),
            Err(error) => problems.push(error),
        }
    }
    if problems.is_empty() {
        return Ok((limits, live));
    }
    Err(Error::problems(format!("cannot update container `{}`", request.called()), problems))
}

/// As [`Limits::changed_by`], but that Windows has one limit of processor time: a new one takes the
/// place of the one before, of whatever kind that was.
fn changed(limits: &Limits, change: &Limits) -> Limits {
    let kinds = |limits: &Limits| {
        [
            limits.cpu_quota.is_some(),
            limits.cpu_count.is_some(),
            limits.cpu_percent.is_some(),
            limits.cpu_shares.is_some(),
        ]
    };
    let mut limits = limits.clone();
    if kinds(change).contains(&true) && kinds(change) != kinds(&limits) {
        (limits.cpu_quota, limits.cpu_period) = (None, None);
        (limits.cpu_count, limits.cpu_percent, limits.cpu_shares) = (None, None, None);
    }
    limits.changed_by(change)
}

/// Limits as documents have them.
struct Amounts {
    memory: Option<u64>,
    processor: Processor,
    rates: Rates,
}

fn amounts(request: &Request, machine: &WindowsMachine, isolation: HcsIsolation) -> (Amounts, Vec<Error>) {
    let places = Places::below(DATA_ROOT, &request.id);
    let mut draft = Draft::new(request, machine, &places, isolation);
    check::limits(&mut draft);
    let amounts = Amounts { memory: draft.memory(), processor: draft.processor(), rates: draft.rates() };
    (amounts, draft.problems)
}

/// Knows what can be changed of a system that runs.
struct Changer<'a> {
    name: &'a str,
    machine: &'a WindowsMachine,
    isolation: HcsIsolation,
}

impl Changer<'_> {
    fn stop_first(&self) -> String {
        let name = self.name;
        format!("end it first: `cv stop {name}`, `cv update`, `cv start {name}`")
    }

    fn refuse_machine(&self, option: &str) -> Result<()> {
        if self.isolation == HcsIsolation::Process {
            return Ok(());
        }
        let message = format!("`{option}`: a Hyper-V isolated container cannot be changed while it runs");
        Err(Error::new(Unsupported, message).with_hint(self.stop_first()))
    }

    fn processor(&self, old: Processor, new: Processor, change: &Limits) -> Result<Option<LiveChange>> {
        if old == new {
            return Ok(None);
        }
        let option = match change {
            Limits { cpu_count: Some(_), .. } => "--cpu-count",
            Limits { cpu_percent: Some(_), .. } => "--cpu-percent",
            Limits { cpu_shares: Some(_), .. } => "--cpu-shares",
            Limits { cpu_quota: Some(_), .. } => "--cpus",
            _ => "--cpu-period",
        };
        self.refuse_machine(option)?;
        let build = self.machine.build;
        if build < CHANGES_PROCESSORS {
            let message =
                format!("`{option}`: Windows of build {build} cannot change it while the container runs");
            return Err(Error::new(Unavailable, message).with_hint(self.stop_first()));
        }
        let set = |processor| Modification::Current(ModifyContainer::Processor(or_all(processor)));
        Ok(Some(LiveChange { option, set: set(new), undo: Some(set(old)) }))
    }

    fn memory(&self, old: Option<u64>, new: Option<u64>) -> Result<Option<LiveChange>> {
        const OPTION: &str = "--memory";
        if old == new {
            return Ok(None);
        }
        self.refuse_machine(OPTION)?;
        let Some(mebibytes) = new else {
            let message = format!("`{OPTION}`: the limit cannot be lifted while the container runs");
            let hint = format!("give a larger one, or {}", self.stop_first());
            return Err(Error::new(Unsupported, message).with_hint(hint));
        };
        let set = |mebibytes| Modification::Current(ModifyContainer::Memory(mebibytes));
        Ok(Some(LiveChange { option: OPTION, set: set(mebibytes), undo: old.map(set) }))
    }

    fn rates(&self, old: Rates, new: Rates) -> Vec<Error> {
        let changed = [
            (old.operations != new.operations, "--io-maxiops"),
            (old.bytes != new.bytes, "--io-maxbandwidth"),
        ];
        let refused = changed.into_iter().filter(|entry| entry.0).map(|(_, option)| {
            let message = format!("`{option}`: Windows cannot change it while the container runs");
            Error::new(Unsupported, message).with_hint(self.stop_first())
        });
        refused.collect()
    }
}

/// A document cannot say that there is no limit; all of the processors is as much.
fn or_all(processor: Processor) -> Processor {
    if processor == Processor::default() {
        return Processor { maximum: Some(WHOLE), ..Processor::default() };
    }
    processor
}
