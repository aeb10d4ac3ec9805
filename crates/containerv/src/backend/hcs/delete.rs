//! Removal of containers, by whom they were made, or after a crash.

use std::fs;
use std::time::Duration;

use containerv_spec::ContainerId;
use containerv_spec::plan::hcs::Call;
use containerv_spec::state::Exit;

use super::execute;
use super::journal::{Entry, Journal};
use super::monitor;
use super::perform::{Hold, Performer};
use super::store::Directory;
use super::system::System;
use crate::backend::events::{Announce, End};
use crate::host::RepairAction;
use crate::{Error, ErrorKind, Result};

/// A directory without a journal that is younger than this may belong to somebody who is just
/// about to write one.
const GRACE: Duration = Duration::from_secs(10);

impl System {
    /// Removes a container. One that runs is ended first if `force` is set, and refused otherwise.
    pub(crate) fn delete(&self, id: &ContainerId, force: bool) -> Result<()> {
        let directory = self.directory(id)?;
        self.settle(id, false, false)?;
        let hold = Hold::new(directory.lock()?);
        let journal = directory.journal()?;
        let name = directory.called();
        if !force && !journal.removing && self.running(&directory, &journal)?.is_some() {
            return Err(Error::new(ErrorKind::InvalidState, format!("container `{name}` is running"))
                .with_hint("stop it with `cv stop`, or remove it with `cv rm --force`"));
        }
        self.dismantle(&directory, &journal, &hold)
            .map_err(|error| error.context(format!("cannot remove container `{name}`")))
    }

    /// Removes a container with everything, and writes that down. The caller's hold ends with the
    /// directory.
    pub(super) fn dismantle(&self, directory: &Directory, journal: &Journal, hold: &Hold) -> Result<()> {
        // One that was never finished was not told either.
        let request = if journal.made.is_some() { directory.request().ok() } else { None };
        let exit = self.remove_all(directory, journal, hold)?;
        if let Some(request) = request {
            let started = journal.started_unix_ns.is_some();
            self.announce_end(&request, End { started, exit, kills: None, destroyed: true });
        }
        Ok(())
    }

    /// Ends a container and removes everything that was made for it. Each step may find its work
    /// done. Returns how its last run ended.
    pub(super) fn remove_all(
        &self,
        directory: &Directory,
        journal: &Journal,
        hold: &Hold,
    ) -> Result<Option<Exit>> {
        directory.note(&Entry::Removing)?;
        let mut performer = Performer::new(self.windows(), &directory.id, None)
            .with_hold(hold)
            .with_removal_fault(self.fault());
        let failed = execute::undo(&journal.start, &mut performer);
        self.disown(&directory.id);
        check(failed)?;
        // The supervisor sees the end of its process, and writes its record; with the container on its way
        // out it has nothing left to do.
        self.settle(&directory.id, true, true)?;
        if !journal.open && directory.is_supervised()? {
            monitor::dismiss(directory);
        }
        let exit = directory.wait_exit()?;
        check(execute::undo(&journal.create, &mut performer))?;
        Ok(exit)
    }

    /// Removes what crashes have left behind: containers that were never finished, that were on their
    /// way out, or that should have removed themselves; what runs left of those that stay; and what the
    /// services still have of those whose directory is gone.
    pub(crate) fn repair(&self, dry_run: bool) -> Result<Vec<RepairAction>> {
        let (mut actions, mut failures) = (Vec::new(), Vec::new());
        for id in self.store().ids()? {
            let Some(directory) = self.store().find(&id) else { continue };
            self.settle(&id, false, false)?;
            if let Err(error) = self.repair_one(&directory, dry_run, &mut actions) {
                failures.push(error);
            }
        }
        failures.extend(self.remove_leaks(dry_run, &mut actions)?);
        for path in self.store().dangling_names() {
            let object = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            actions
                .push(RepairAction { object, action: "release the name; its container is gone".to_owned() });
            if !dry_run {
                let _ = fs::remove_file(&path);
            }
        }
        match failures.is_empty() {
            true => Ok(actions),
            false => Err(Error::problems("some of what is left could not be removed", failures)),
        }
    }

    fn repair_one(
        &self,
        directory: &Directory,
        dry_run: bool,
        actions: &mut Vec<RepairAction>,
    ) -> Result<()> {
        // Whoever has the hold is alive and knows what it does.
        let Some(lock) = directory.try_lock_any()? else { return Ok(()) };
        let hold = Hold::new(lock);
        let read = directory.journal();
        let readable = read.is_ok();
        let journal = read.unwrap_or_else(|_| directory.salvaged_journal());
        let mut note = |call: &Call| {
            let object = directory.id.short().to_owned();
            actions.push(RepairAction { object, action: call.name().to_owned() });
        };
        if readable && journal.made.is_some() && !journal.removing {
            let running = directory.is_supervised()? || self.running(directory, &journal)?.is_some();
            let auto_remove = directory.request().is_ok_and(|request| request.auto_remove);
            match (running, auto_remove) {
                (true, _) => return Ok(()),
                (false, false) => {
                    journal.start.iter().for_each(note);
                    return if dry_run { Ok(()) } else { self.end_run(directory, &journal, Some(&hold)) };
                }
                (false, true) => {}
            }
        }
        if journal == Journal::default() && !is_old(directory) {
            return Ok(());
        }
        let whole = Call::RemoveDirectory { path: directory.path.to_string_lossy().into_owned().into() };
        let create = if journal.create.is_empty() { vec![whole] } else { journal.create.clone() };
        journal.start.iter().chain(&create).for_each(&mut note);
        if dry_run { Ok(()) } else { self.dismantle(directory, &Journal { create, ..journal }, &hold) }
    }
}

fn check(failed: Vec<Error>) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::problems("something of it could not be removed", failed)
        .with_hint("mend the cause, then `cv system repair` removes the rest"))
}

/// Without a journal, age has to tell whether somebody is at work.
fn is_old(directory: &Directory) -> bool {
    let age = fs::metadata(&directory.path).and_then(|metadata| metadata.modified());
    age.ok().and_then(|time| time.elapsed().ok()).is_some_and(|age| age > GRACE)
}
