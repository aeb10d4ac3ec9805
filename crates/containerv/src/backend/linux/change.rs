//! Changes of existing containers.

use containerv_spec::cgroup::GroupSet;
use containerv_spec::{ContainerId, Limits, id};

use super::store::{Directory, Entry, text};
use super::{System, cgroup, execute};
use crate::backend::events::{Announce, action};
use crate::host::generated_name;
use crate::lower;
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
        let failed =
            |problems| Error::problems(format!("cannot update container `{}`", directory.called()), problems);
        let steps = lower::cgroup::plan_update(&facts, &journal.intent.groups, &request.limits, change)
            .map_err(failed)?;
        if super::process::runs(journal.process.as_ref())? {
            cgroup::execute_all(&steps).map_err(|error| {
                error.context(format!("cannot update container `{}`", directory.called()))
            })?;
        }
        request.limits = request.limits.changed_by(change);
        store_request(&directory, &request)?;
        self.announce(&request, action::UPDATE, &[]);
        Ok(())
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

/// Writes down what a container is from now on.
pub(super) fn store_request(directory: &Directory, request: &containerv_spec::Request) -> Result<()> {
    let json = serde_json::to_vec(request)
        .map_err(|error| Error::new(ErrorKind::Other, "cannot store the request").with_source(error))?;
    directory.replace("config.json", &json)
}
