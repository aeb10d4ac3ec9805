//! Removes what crashes have left behind.

use std::fs;
use std::time::Duration;

use super::System;
use super::change::take_back;
use super::dismantle::{self, Removal};
use super::journal::Journal;
use super::process;
use super::store::Directory;
use crate::host::RepairAction;
use crate::{Error, Result};

/// A directory without a journal that is younger than this may belong to somebody who is just
/// about to write one.
const GRACE: Duration = Duration::from_secs(10);

impl System {
    /// Looks at every container; removes those that were never finished, that were on their way
    /// out, or that should have removed themselves.
    pub(crate) fn repair(&self, dry_run: bool) -> Result<Vec<RepairAction>> {
        let mut actions = Vec::new();
        let mut failures = Vec::new();
        for id in self.store.ids()? {
            let Some(directory) = self.store.find(&id)? else { continue };
            if let Err(error) = self.repair_one(&directory, dry_run, &mut actions) {
                failures.push(error);
            }
        }
        for path in self.store.dangling_names()? {
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
}

impl System {
    fn repair_one(
        &self,
        directory: &Directory,
        dry_run: bool,
        actions: &mut Vec<RepairAction>,
    ) -> Result<()> {
        // Whoever holds the lock is alive and knows what it does.
        let Some(_lock) = directory.try_lock()? else { return Ok(()) };
        let journal = directory.journal();
        let readable = journal.is_ok();
        let journal = journal.unwrap_or_else(|_| directory.salvaged_journal());
        let object = directory.name().get(..12).unwrap_or_default().to_owned();
        let mut note = |action: String| actions.push(RepairAction { object: object.clone(), action });
        let alive = directory.is_supervised()? || process::runs(journal.process.as_ref())?;
        let finished = journal.ready || journal.started_unix_ns.is_some();
        let stays = finished || journal.again;
        if readable && stays && !journal.removing {
            let auto_remove = directory.request().is_ok_and(|request| request.auto_remove);
            match (finished && alive, auto_remove) {
                (true, _) => return self.repair_running(directory, &journal, dry_run, &mut note),
                (false, false) => return self.repair_ended(directory, &journal, dry_run, &mut note),
                (false, true) => {}
            }
        }
        if !stays && !known_or_old(directory, &journal) {
            return Ok(());
        }
        for removal in dismantle::removals(&journal) {
            note(removal.to_string());
        }
        if !dry_run {
            self.dismantle_and_tell(directory, &journal, directory.request().ok().as_ref(), None)?;
        }
        Ok(())
    }

    /// Of a container that runs, a change of its limits that was never finished is taken back.
    fn repair_running(
        &self,
        directory: &Directory,
        journal: &Journal,
        dry_run: bool,
        note: &mut dyn FnMut(String),
    ) -> Result<()> {
        for further in &journal.adding {
            note(format!(
                "take its processes out of the control group `{}`, and remove that",
                further.group.path
            ));
        }
        if dry_run { Ok(()) } else { take_back(directory, journal) }
    }

    /// A container that has ended, or whose new start was never finished, keeps no process, no
    /// control group and no interface.
    fn repair_ended(
        &self,
        directory: &Directory,
        journal: &Journal,
        dry_run: bool,
        note: &mut dyn FnMut(String),
    ) -> Result<()> {
        let first_runs = process::runs(journal.process.as_ref())?;
        let left = |removal: &Removal| match removal {
            Removal::KillFirst => first_runs,
            Removal::Groups(groups) => {
                groups.groups.iter().any(|group| super::store::path(&group.path).exists())
            }
            Removal::Interface(name) => super::veth::is_ours(name, &directory.name()),
            _ => false,
        };
        let found: Vec<Removal> = dismantle::removals(journal).into_iter().filter(left).collect();
        for removal in &found {
            note(removal.to_string());
        }
        if found.is_empty() || dry_run { Ok(()) } else { self.end_run(directory, journal) }
    }
}

/// A journal tells that its writer got beyond making the directory; without one, age has to do.
fn known_or_old(directory: &Directory, journal: &Journal) -> bool {
    let has_intent = *journal != Journal::default();
    let age = fs::metadata(&directory.path).and_then(|metadata| metadata.modified());
    has_intent || age.ok().and_then(|time| time.elapsed().ok()).is_some_and(|age| age > GRACE)
}
