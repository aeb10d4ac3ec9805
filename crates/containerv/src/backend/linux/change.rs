//! Changes of existing containers.

use containerv_spec::cgroup::{CgroupStep, GroupSet};
use containerv_spec::facts::CgroupFacts;
use containerv_spec::{ContainerId, Limits, id};

use super::execute::die_at;
use super::journal::{Entry, Further, Journal};
use super::store::{Directory, text};
use super::{System, cgroup, execute};
use crate::backend::events::{Announce, action};
use crate::host::generated_name;
use crate::lower;
use crate::lower::cgroup::Update;
use crate::{Error, ErrorKind, Result};

impl System {
    fn running_groups(&self, id: &ContainerId) -> Result<(Directory, GroupSet)> {
        let directory = self.directory(id)?;
        let journal = directory.journal()?;
        super::process::first_in(&directory, &journal)?;
        Ok((directory, journal.intent.groups))
    }

    /// Freezes the container.
    pub(crate) fn pause(&self, id: &ContainerId) -> Result<()> {
        let (directory, groups) = self.running_groups(id)?;
        let _lock = directory.lock()?;
        if cgroup::is_frozen(&groups)? {
            return Err(Error::new(
                ErrorKind::InvalidState,
                format!("container `{}` is paused already", directory.called()),
            ));
        }
        cgroup::freeze(&groups)
            .map_err(|error| error.context(format!("cannot pause container `{}`", directory.called())))?;
        self.announce(&directory.request()?, action::PAUSE, &[]);
        Ok(())
    }

    /// Thaws it.
    pub(crate) fn resume(&self, id: &ContainerId) -> Result<()> {
        let (directory, groups) = self.running_groups(id)?;
        let _lock = directory.lock()?;
        if !cgroup::is_frozen(&groups)? {
            return Err(Error::new(
                ErrorKind::InvalidState,
                format!("container `{}` is not paused", directory.called()),
            ));
        }
        cgroup::thaw(&groups)
            .map_err(|error| error.context(format!("cannot resume container `{}`", directory.called())))?;
        self.announce(&directory.request()?, action::UNPAUSE, &[]);
        Ok(())
    }

    /// Changes limits, of the running container and for its next start.
    pub(crate) fn update(&self, id: &ContainerId, change: &Limits) -> Result<()> {
        let directory = self.directory(id)?;
        let _lock = directory.lock()?;
        let mut request = directory.request()?;
        let journal = directory.journal()?;
        let facts = cgroup::probe_for(change)?;
        let failed = || format!("cannot update container `{}`", directory.called());
        let update = lower::cgroup::plan_update(&facts, &journal.intent.groups, &request.limits, change)
            .map_err(|problems| Error::problems(failed(), problems))?;
        if super::process::runs(journal.process.as_ref())? {
            self.change_groups(&directory, &journal, &facts, &update)
                .map_err(|error| error.context(failed()))?;
        }
        request.limits = request.limits.changed_by(change);
        store_request(&directory, &request)?;
        self.announce(&request, action::UPDATE, &[]);
        Ok(())
    }

    /// Changes the groups of a container that runs, as a whole or not at all.
    fn change_groups(
        &self,
        directory: &Directory,
        journal: &Journal,
        facts: &CgroupFacts,
        update: &Update,
    ) -> Result<()> {
        // What a change left that was killed.
        take_back(directory, journal)?;
        if update.made.is_empty() {
            return cgroup::execute_all(&update.steps, |step| die_at(self.fault, step));
        }
        let from = |group| journal.process.and_then(|first| cgroup::present_group(first.pid, facts, group));
        let further = |group| Further { group: Clone::clone(group), from: from(group) };
        let file = directory.open_journal()?;
        directory.note(&file, &Entry::Adding { groups: update.made.iter().map(further).collect() })?;
        die_at(self.fault, 1);
        if let Err(error) = cgroup::execute_all(&update.steps, |step| die_at(self.fault, step + 1)) {
            // If that fails too, the next change or a repair does it; the error to tell is the first one.
            let _ = directory.journal().and_then(|journal| take_back(directory, &journal));
            return Err(error);
        }
        directory.note(&file, &Entry::Added)?;
        die_at(self.fault, update.steps.len() as u32 + 2);
        // A process that was started meanwhile did not know of the groups. One that is started from now on does,
        // or finds that the journal has changed.
        let mut gathers = update.steps.iter().filter(|step| matches!(step, CgroupStep::Gather { .. }));
        gathers.try_for_each(cgroup::execute)
    }

    /// Gives another name: the new one is reserved before the old one is released.
    pub(crate) fn rename(&self, container: &ContainerId, name: &str) -> Result<()> {
        if !id::is_valid_name(name) {
            return Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}`: not a container name"))
                .with_hint("use 2 to 128 of `[a-zA-Z0-9_.-]`, the first a letter or digit"));
        }
        let directory = self.directory(container)?;
        let _lock = directory.lock()?;
        let mut request = directory.request()?;
        let path = self.store.names().join(name);
        let reserve = containerv_spec::plan::Action::ReserveName { path: text(&path) };
        execute::host_action(&reserve, &request)?;
        let old = request.name.replace(name.to_owned());
        store_request(&directory, &request)?;
        if let Some(old) = &old {
            let _ = std::fs::remove_file(self.store.names().join(old));
        }
        let file = directory.open_journal()?;
        directory.note(&file, &Entry::Renamed { name: text(&path) })?;
        let old = old.unwrap_or_else(|| generated_name(container));
        self.announce(&request, action::RENAME, &[("oldName", old)]);
        Ok(())
    }
}

/// Takes back control groups that were being added to a container that runs.
pub(super) fn take_back(directory: &Directory, journal: &Journal) -> Result<()> {
    if journal.adding.is_empty() {
        return Ok(());
    }
    for further in &journal.adding {
        cgroup::take_back(&further.group.path, further.from.as_ref())?;
    }
    directory.note(&directory.open_journal()?, &Entry::TakenBack)
}

/// Writes down what a container is from now on.
pub(super) fn store_request(directory: &Directory, request: &containerv_spec::Request) -> Result<()> {
    let json = serde_json::to_vec(request)
        .map_err(|error| Error::new(ErrorKind::Other, "cannot store the request").with_source(error))?;
    directory.replace("config.json", &json)
}
