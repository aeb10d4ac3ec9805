//! Changes of existing containers.

use containerv_spec::plan::hcs::Call;
use containerv_spec::{ContainerId, OsText, id};

use super::execute::{self, Perform};
use super::journal::Entry;
use super::perform::Performer;
use super::system::System;
use crate::backend::events::{Announce, action};
use crate::host::generated_name;
use crate::{Error, ErrorKind, Result};

impl System {
    /// Stops every process of the container where it is.
    pub(crate) fn pause(&self, id: &ContainerId) -> Result<()> {
        let (directory, running) = self.running_now(id)?;
        let _lock = directory.lock()?;
        let request = directory.request()?;
        let name = request.called();
        if running.paused {
            let message = format!("container `{name}` is paused already");
            return Err(Error::new(ErrorKind::InvalidState, message));
        }
        let paused = running.system.pause();
        paused.map_err(|failure| failure.explain(&format!("cannot pause container `{name}`")))?;
        self.announce(&request, action::PAUSE, &[]);
        Ok(())
    }

    /// Lets it go on.
    pub(crate) fn resume(&self, id: &ContainerId) -> Result<()> {
        let (directory, running) = self.running_now(id)?;
        let _lock = directory.lock()?;
        let request = directory.request()?;
        let name = request.called();
        if !running.paused {
            let message = format!("container `{name}` is not paused");
            return Err(Error::new(ErrorKind::InvalidState, message));
        }
        let resumed = running.system.resume();
        resumed.map_err(|failure| failure.explain(&format!("cannot resume container `{name}`")))?;
        self.announce(&request, action::UNPAUSE, &[]);
        Ok(())
    }

    /// The failure that another container has a name, if one has it.
    pub(super) fn taken(&self, name: &str) -> Option<Error> {
        let other = self.store().named(name)?;
        let message = format!("the name `{name}` is already used by container {}", other.short());
        Some(
            Error::new(ErrorKind::AlreadyExists, message)
                .with_hint(format!("choose another name, or remove that container with `cv rm {name}`")),
        )
    }

    /// Gives the container another name.
    pub(crate) fn rename(&self, id: &ContainerId, name: &str) -> Result<()> {
        if !id::is_valid_name(name) {
            return Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` is not a container name"))
                .with_hint("use 2 to 128 of `[a-zA-Z0-9_.-]`, beginning with a letter or digit"));
        }
        let directory = self.directory(id)?;
        let _lock = directory.lock()?;
        let request = directory.request()?;
        let old = request.name.clone();
        if old.as_deref() == Some(name) {
            return Ok(());
        }
        let path = |name: &str| OsText::from(self.store().names().join(name).to_string_lossy().into_owned());
        let mut performer = Performer::new(self.windows(), id, Some(&request));
        performer.perform(&Call::ReserveName { path: path(name) }).map_err(|failure| {
            let failed = failure.explain(&format!("cannot rename container `{}`", request.called()));
            if failed.kind() != ErrorKind::AlreadyExists {
                return failed;
            }
            self.taken(name).unwrap_or(failed)
        })?;
        let undo = Box::new(Call::ReleaseName { path: path(name) });
        if let Err(error) = directory.note(&Entry::Renamed { name: name.to_owned(), undo: undo.clone() }) {
            execute::undo([&*undo], &mut performer);
            return Err(error);
        }
        let release = old.as_deref().map(|old| Call::ReleaseName { path: path(old) });
        if let Some(error) = execute::undo(&release, &mut performer).pop() {
            return Err(error);
        }
        let old = old.unwrap_or_else(|| generated_name(id));
        self.announce(&directory.request()?, action::RENAME, &[("oldName", old)]);
        Ok(())
    }
}
