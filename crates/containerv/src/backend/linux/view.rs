//! The file system of a container, whether it runs or not.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use containerv_spec::request::{IdRange, Request};
use containerv_spec::{ContainerId, OsText};
use rustix::process::Signal;

use super::encode::Handles;
use super::execute::{self, Run};
use super::running::root_of;
use super::store::{Directory, Lock};
use super::{System, probe, process, transfer};
use crate::copy::{CopyOptions, CopySummary};
use crate::lower::linux::view;
use crate::{Error, Result};

/// A container's root, and what keeps it mounted.
pub(crate) struct View {
    root: OwnedFd,
    keeper: Option<(OwnedFd, Lock)>,
    uids: Vec<IdRange>,
    gids: Vec<IdRange>,
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some((keeper, _)) = &self.keeper {
            let _ = rustix::process::pidfd_send_signal(keeper, Signal::KILL);
            let _ = containerv_sys::linux::process::wait(keeper, true);
        }
    }
}

impl View {
    fn root(&self) -> transfer::Root<'_> {
        transfer::Root { directory: self.root.as_fd(), uids: &self.uids, gids: &self.gids }
    }
}

impl System {
    /// Opens the root of a container. One that does not run is mounted for the time, in a mount
    /// namespace that nobody else sees.
    pub(crate) fn view(&self, id: &ContainerId) -> Result<View> {
        let directory = self.directory(id)?;
        let journal = directory.journal()?;
        let (uids, gids) =
            journal.intent.maps.clone().map_or_else(Default::default, |maps| (maps.uids, maps.gids));
        match journal.process.as_ref().and_then(|record| Some((process::open(record)?, record.pid))) {
            Some((_pinned, pid)) => Ok(View { root: root_of(pid)?, keeper: None, uids, gids }),
            None => {
                let (root, keeper) = self.mount_view(&directory, &directory.request()?)?;
                Ok(View { root, keeper: Some(keeper), uids, gids })
            }
        }
    }

    fn mount_view(&self, directory: &Directory, request: &Request) -> Result<(OwnedFd, (OwnedFd, Lock))> {
        // While the view exists nobody may start the container, whose layers must not be mounted twice.
        let lock = directory.lock()?;
        let machine = probe::for_request(request)?;
        let plan = view(request, &machine, &self.store.places(request))?;
        let mut handles = Handles::default();
        execute::open_handles(&plan, &mut handles)?;
        let run = Run { plan: &plan, handles, fault: None };
        let started = execute::start(&run, self.stage()?, &mut |_, _| Ok(())).map_err(|error| {
            error.context(format!("cannot mount the root of container `{}`", request.id.short()))
        })?;
        Ok((root_of(started.pid)?, (started.pidfd, lock)))
    }

    /// Copies into a container.
    pub(crate) fn upload(
        &self,
        id: &ContainerId,
        from: &Path,
        to: &OsText,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        let view = self.view(id)?;
        transfer::upload(&view.root(), from, to, options).map_err(|error| in_container(error, id))
    }

    /// Copies out of a container.
    pub(crate) fn download(
        &self,
        id: &ContainerId,
        from: &OsText,
        to: &Path,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        let view = self.view(id)?;
        transfer::download(&view.root(), from, to, options).map_err(|error| in_container(error, id))
    }
}

fn in_container(error: Error, id: &ContainerId) -> Error {
    error.context(format!("cannot copy files of container `{}`", id.short()))
}
