//! Mounts that come and go while a container exists.

use containerv_spec::request::Mount;
use containerv_spec::{ContainerId, OsText, Request};

use crate::backend::hcs::execute::Perform;
use crate::backend::hcs::perform::Performer;
use crate::backend::hcs::system::System;
use crate::lower::hcs::{MountChange, add_mount, remove_mount};
use crate::{Error, Result};

impl System {
    /// Adds a mount, to the running container and for its next start.
    pub(crate) fn add_mount(&self, id: &ContainerId, mount: &Mount) -> Result<()> {
        self.change(id, |now| {
            let change = add_mount(now.request, mount, &now.machine, now.isolation, now.running)?;
            let live = match now.running {
                true => vec![change.comes(&self.source_of(&change, now.request)?)],
                false => Vec::new(),
            };
            Ok((change.request, live))
        })
    }

    /// Takes the mount at a target away, from the running container and for its next start.
    pub(crate) fn remove_mount(&self, id: &ContainerId, target: &OsText) -> Result<()> {
        self.change(id, |now| {
            let change = remove_mount(now.request, target, &now.machine, now.isolation, now.running)?;
            let live = if now.running { vec![change.goes()] } else { Vec::new() };
            Ok((change.request, live))
        })
    }

    /// Finds where the source of a mount really leads: the service follows no links.
    fn source_of(&self, change: &MountChange, request: &Request) -> Result<String> {
        let failed = |error: Error| error.context(format!("cannot update container `{}`", request.called()));
        let mut performer = Performer::new(self.windows(), &request.id, Some(request));
        let mut found = Vec::new();
        for call in change.look_up() {
            found = performer.perform(&call).map_err(|failure| failed(failure.explain(&call.to_string())))?;
        }
        Ok(found.pop().unwrap_or_default())
    }
}
