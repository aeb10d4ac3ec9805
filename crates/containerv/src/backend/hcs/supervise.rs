//! Starting a container's compute system, and tidying up after its end.

use std::sync::Arc;
use std::time::Duration;

use containerv_spec::Request;
use containerv_spec::hcs::result::CrashReport;
use containerv_spec::plan::hcs::{HcsIsolation, HcsPlan, Stage};
use containerv_spec::request::{Isolation, Lifetime};
use containerv_spec::state::Exit;

use super::execute::{self, Record};
use super::journal::{Entry, Journal};
use super::perform::{Hold, Live, Performer};
use super::probe;
use super::store::{Alive, Directory};
use super::system::System;
use super::{compute, crash};
use crate::backend::clock::now_unix_ns;
use crate::backend::events::{Announce, End};
use crate::lower::hcs::lower;
use crate::{Error, ErrorKind, Result};

/// How often a supervisor looks whether somebody else tidies up.
const ROUND: Duration = Duration::from_millis(5);

/// Exit code of a process of which nobody knows how it ended: as of one that was killed.
pub(super) const UNKNOWN: u32 = 137;

/// The end of a container now, with this exit code.
pub(super) fn exit_now(code: u32) -> Exit {
    Exit { code: code.cast_signed(), signal: None, out_of_memory: false, finished_unix_ns: now_unix_ns() }
}

/// A container's own command that this process supervises.
#[derive(Debug)]
pub(crate) struct Supervised {
    system: Arc<System>,
    directory: Directory,
    request: Request,
    alive: Alive,
    /// What was told of a crash, if that ended it.
    crash: Option<CrashReport>,
}

impl System {
    /// Lowers a request for this machine.
    pub(super) fn lower(&self, request: &Request) -> Result<HcsPlan> {
        let machine = probe::for_request(self.windows(), request)?;
        lower(request, &machine, &self.store().places(&request.id)?)
    }

    /// Runs the steps of a start. The caller holds the container.
    pub(super) fn begin(&self, directory: &Directory, request: &Request) -> Result<Live> {
        let journal = directory.journal()?;
        let not_made = || Error::new(ErrorKind::InvalidState, "it was never made completely");
        let found = journal.made.clone().ok_or_else(not_made)?;
        if journal.removing {
            return Err(Error::new(ErrorKind::InvalidState, "it is being removed"));
        }
        self.end_run(directory, &journal, None)?;
        if request.process.is_none() {
            // Nobody supervises it. The record of the run before is not this one's.
            drop(directory.supervise()?);
        }
        let mut request = request.clone();
        // As it was made, whatever the machine would choose now.
        request.isolation = match journal.isolation {
            Some(HcsIsolation::Hyperv) => Isolation::Vm,
            _ => Isolation::Process,
        };
        let plan = self.lower(&request)?;
        let mut performer =
            Performer::new(self.windows(), &request.id, Some(&request)).with_fault(self.fault());
        let mut open = || Ok(Box::new(directory.clone()) as Box<dyn Record>);
        execute::run(&plan, Stage::Start, found, &mut performer, &mut open)?;
        let live = performer.into_live();
        let process = live.info.as_ref().map(|info| info.id);
        directory.note(&Entry::Started { unix_ns: now_unix_ns(), process })?;
        self.die_after(&plan, 1);
        Ok(live)
    }

    /// For tests: a crash that much after the last step of a plan.
    pub(super) fn die_after(&self, plan: &HcsPlan, later: u32) {
        let steps = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
        super::perform::die_at(self.fault(), steps.saturating_add(later));
    }

    /// Undoes the last start, if that is not done yet. The caller holds the container.
    pub(super) fn end_run(
        &self,
        directory: &Directory,
        journal: &Journal,
        hold: Option<&Hold>,
    ) -> Result<()> {
        if !journal.open {
            return Ok(());
        }
        let mut performer = Performer::new(self.windows(), &directory.id, None);
        if let Some(hold) = hold {
            performer = performer.with_hold(hold);
        }
        let failed = execute::undo(&journal.start, &mut performer);
        self.disown(&directory.id);
        if failed.is_empty() {
            return directory.note(&Entry::Undone { stage: Stage::Start });
        }
        Err(Error::problems("some of what ran could not be removed", failed)
            .with_hint("mend the cause, then `cv system repair` removes the rest"))
    }

    /// Keeps a system that is bound to its owner.
    pub(super) fn keep_owned(&self, request: &Request, live: &mut Live) {
        if request.lifetime == Lifetime::OwnerBound
            && let Some(system) = live.system.take()
        {
            self.own(&request.id, system);
        }
    }
}

impl Supervised {
    pub(super) fn new(system: &Arc<System>, directory: Directory, request: Request, alive: Alive) -> Self {
        Self { system: Arc::clone(system), directory, request, alive, crash: None }
    }

    /// Adds why the command ended with this code, if the whole system has crashed. One that has succeeded was not
    /// ended by that.
    pub(super) fn with_crash_of(self, compute: &compute::System, code: u32) -> Self {
        // It has ended whether or not more of it can be found out.
        let crash = if code == 0 { None } else { compute.crash().unwrap_or_default() };
        Self { crash, ..self }
    }

    /// Records how the command ended. The container is held by somebody who tidies up.
    pub(crate) fn record(self, exit: &Exit) -> Result<()> {
        self.directory.record_exit(&self.alive, exit)?;
        if let Some(report) = &self.crash {
            self.system.announce_crash(&self.request, &crash::attributes(report));
        }
        self.system.announce_end(&self.request, End { started: true, exit: Some(*exit), ..End::default() });
        Ok(())
    }

    /// Returns the supervisor's hold: the command is not supervised after all.
    pub(super) fn give_up(self) -> Alive {
        self.alive
    }

    /// Records how the command ended, and removes what an ended container does not need.
    pub(crate) fn finish(self, exit: &Exit) -> Result<()> {
        self.finish_after(exit, || ())
    }

    /// The same; in between, once everybody can read the record, it is told.
    pub(super) fn finish_after(self, exit: &Exit, tell: impl FnOnce()) -> Result<()> {
        let (system, directory) = (Arc::clone(&self.system), self.directory.clone());
        let auto_remove = self.request.auto_remove;
        self.record(exit)?;
        tell();
        let Some(hold) = wait_for_hold(&directory)? else { return Ok(()) };
        let journal = directory.journal()?;
        // Somebody has removed it meanwhile, or has started it again and has undone this run.
        if journal.removing || journal.made.is_none() || directory.is_supervised()? {
            return Ok(());
        }
        if auto_remove {
            return system.dismantle(&directory, &journal, &hold);
        }
        system.end_run(&directory, &journal, Some(&hold))
    }
}

/// Waits for the hold on a container, unless somebody else removes it.
fn wait_for_hold(directory: &Directory) -> Result<Option<Hold>> {
    while directory.path.is_dir() {
        if let Some(lock) = directory.try_lock()? {
            return Ok(Some(Hold::new(lock)));
        }
        if directory.journal().is_ok_and(|journal| journal.removing) {
            return Ok(None);
        }
        std::thread::sleep(ROUND);
    }
    Ok(None)
}
