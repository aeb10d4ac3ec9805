//! Mounts that come and go while a container exists.

use containerv_spec::plan::Phase;
use containerv_spec::request::{Mount, Request};
use containerv_spec::{ContainerId, OsText};
use containerv_sys::linux::process::Ended;
use rustix::io::Errno;

use super::change::store_request;
use super::encode::Handles;
use super::execute::{self, Run};
use super::{System, probe, process};
use crate::backend::events::{Announce, action};
use crate::lower::linux::{Remount, add_mount, remove_mount};
use crate::{Error, ErrorKind, Result};

impl System {
    /// Adds a mount, to the running container and for its next start.
    pub(crate) fn add_mount(&self, id: &ContainerId, mount: &Mount) -> Result<()> {
        self.remount(id, |request, running| {
            let (machine, places) = (probe::for_request(request)?, self.store.places(request));
            add_mount(request, mount, &machine, &places, running)
        })
    }

    /// Takes the mount at a target away, from the running container and for its next start.
    pub(crate) fn remove_mount(&self, id: &ContainerId, target: &OsText) -> Result<()> {
        self.remount(id, |request, running| {
            let (machine, places) = (probe::for_request(request)?, self.store.places(request));
            remove_mount(request, target, &machine, &places, running)
        })
    }

    /// Changes the request of a container, which is held meanwhile, and what runs of it, or neither: what is stored
    /// can be taken back.
    fn remount(&self, id: &ContainerId, lower: impl FnOnce(&Request, bool) -> Result<Remount>) -> Result<()> {
        let directory = self.directory(id)?;
        let _lock = directory.lock()?;
        let request = directory.request()?;
        let running = process::runs(directory.journal()?.process.as_ref())?;
        let remount = lower(&request, running)?;
        store_request(&directory, &remount.request)?;
        if running && let Err(error) = self.run_beside(&remount, &request) {
            let error = error.context(format!("cannot update container `{}`", request.called()));
            return Err(match store_request(&directory, &request) {
                Ok(()) => error,
                Err(left) => left.context(format!("{error}; what is stored could not be taken back")),
            });
        }
        self.announce(&remount.request, action::UPDATE, &[]);
        Ok(())
    }

    /// Runs a process that joins the container, does its part and ends.
    fn run_beside(&self, remount: &Remount, request: &Request) -> Result<()> {
        for (_, action) in remount.plan.phase(Phase::Host) {
            execute::host_action(action, request)?;
        }
        let first = process::first_of(&self.store, &request.id)?;
        let handles = Handles { own: Some(execute::duplicate(&first.pidfd)?), ..Handles::default() };
        let run = Run { plan: &remount.plan, handles, fault: None };
        let started = execute::start(&run, self.stage()?, &mut |_, _| Ok(()))?;
        match containerv_sys::linux::process::wait(&started.pidfd, true) {
            Ok(Some(Ended::Code(0))) => Ok(()),
            // A program that waits for any child has taken it. It had nothing to report.
            Err(error) if error.raw_os_error() == Some(Errno::CHILD.raw_os_error()) => Ok(()),
            Ok(_) => Err(Error::new(ErrorKind::Other, "the process that changes its mounts was ended")),
            Err(error) => Err(Error::io(error, "cannot wait for the process that changes its mounts")),
        }
    }
}
