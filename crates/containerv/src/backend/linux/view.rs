//! The file system of a container, whether it runs or not.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use containerv_spec::plan::Phase;
use containerv_spec::request::{IdRange, Overlay, Request, Root};
use containerv_spec::{ContainerId, OsText};
use rustix::process::Signal;

use super::encode::Handles;
use super::execute::{self, Run};
use super::running::root_of;
use super::store::{Directory, Lock};
use super::{System, probe, process, store, transfer};
use crate::copy::{Change, ChangeKind, CopyOptions, CopySummary};
use crate::lower::linux::{
    HOST_IMAGE_PATHS, SYSTEM_DIRECTORIES, layer_directory, layer_name, mount_points, view,
};
use crate::{Error, ErrorKind, Result};

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
    pub(super) fn root(&self) -> transfer::Root<'_> {
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
        let record = journal.process.as_ref();
        match process::open_running(record)?.zip(record) {
            Some((_pinned, record)) => Ok(View { root: root_of(record.pid)?, keeper: None, uids, gids }),
            None => {
                let (root, keeper) = self.mount_view(&directory, &directory.request()?)?;
                Ok(View { root, keeper: Some(keeper), uids, gids })
            }
        }
    }

    fn mount_view(&self, directory: &Directory, request: &Request) -> Result<(OwnedFd, (OwnedFd, Lock))> {
        // While the view exists nobody may start the container, whose layers must not be mounted twice.
        let lock = directory.lock()?;
        let machine = probe::for_existing(request, &directory.journal()?)?;
        let plan = view(request, &machine, &self.store.places(request))?;
        for (_, action) in plan.phase(Phase::Host) {
            execute::host_action(action, request)?;
        }
        let mut handles = Handles::default();
        execute::open_handles(&plan, &mut handles)?;
        let run = Run { plan: &plan, handles, fault: None };
        let started = execute::start(&run, self.stage()?, &mut |_, _| Ok(())).map_err(|error| {
            error.context(format!("cannot mount the root of container `{}`", request.called()))
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
        transfer::upload(&view.root(), from, to, options).map_err(|error| self.in_container(error, id))
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
        transfer::download(&view.root(), from, to, options).map_err(|error| self.in_container(error, id))
    }
}

impl System {
    /// Lists what a container changed in its root.
    pub(crate) fn changes(&self, id: &ContainerId) -> Result<Vec<Change>> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let failed = |error: Error| {
            error.context(format!("cannot compare container `{}` with its image", request.called()))
        };
        let scratch = scratch_of(&directory, &request).map_err(failed)?;
        layers(&request, &directory.path, &scratch)
            .and_then(|layers| {
                let (mut changes, points) = (Vec::new(), mount_points(&request));
                for (lower, upper, prefix) in layers {
                    let lower: Vec<_> = lower.iter().map(AsFd::as_fd).collect();
                    // Mount points are named from the root, which a layer of a directory in it is not.
                    let points = if prefix.as_bytes() == b"/" { &points[..] } else { &[] };
                    let found = transfer::changes(&lower, upper.as_fd(), points)?;
                    changes.extend(found.into_iter().map(|change| below(&prefix, change)));
                }
                if request.root == Root::Host {
                    changes.retain(|change| !is_prepared(change));
                }
                changes.sort_by(|a, b| a.path.cmp(&b.path));
                changes.dedup();
                Ok(changes)
            })
            .map_err(failed)
    }
}

/// Where a container's changes are, if they are kept apart.
pub(super) fn scratch_of(directory: &Directory, request: &Request) -> Result<PathBuf> {
    match &request.overlay {
        Overlay::Kept(path) => Ok(store::path(path).to_owned()),
        Overlay::Container => Ok(directory.path.join("scratch")),
        Overlay::Default if !matches!(request.root, Root::Directory(_)) => Ok(directory.path.join("scratch")),
        Overlay::Default | Overlay::None | Overlay::Memory => {
            let message = "its changes are not kept apart: the root is used in place, or writes go to memory";
            let error = Error::new(ErrorKind::Unsupported, message);
            Err(error.with_hint("create the container with `--overlay container`"))
        }
    }
}

/// The layers of a root: what is below, what was written, and where both are in the container.
pub(super) type Layers = Vec<(Vec<File>, File, OsText)>;

pub(super) fn layers(request: &Request, own: &Path, scratch: &Path) -> Result<Layers> {
    if let Root::Directory(lower) = &request.root {
        return Ok(vec![(vec![open(store::path(lower))?], open(&scratch.join("upper"))?, "/".into())]);
    }
    if let Root::Layers(image) = &request.root {
        let lower = image.folders.iter().map(|folder| open(store::path(folder))).collect::<Result<_>>()?;
        return Ok(vec![(lower, open(&scratch.join("upper"))?, "/".into())]);
    }
    let mut layers = vec![(Vec::new(), open(&scratch.join("root"))?, "/".into())];
    let unreadable = |error| Error::io(error, format!("cannot read the layers in `{}`", scratch.display()));
    for entry in fs::read_dir(scratch).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(place) = layer_directory(name.as_bytes()) else { continue };
        let copy = own.join(store::path(&layer_name("lower", &place)));
        let lower = if copy.is_dir() { &copy } else { store::path(&place) };
        layers.push((vec![open(lower)?], open(&scratch.join(&name))?, place));
    }
    Ok(layers)
}

/// Says whether a change is a mount point or directory that every container of the built-in image
/// is given.
fn is_prepared(change: &Change) -> bool {
    let path = change.path.to_str().unwrap_or_default();
    change.kind == ChangeKind::Added
        && (HOST_IMAGE_PATHS.contains(&path)
            || SYSTEM_DIRECTORIES.iter().any(|name| path.strip_prefix('/') == Some(name)))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::io(error, format!("cannot open the layer `{}`", path.display())))
}

fn below(prefix: &OsText, change: Change) -> Change {
    if prefix.as_bytes() == b"/" { change } else { Change { path: prefix.join(&change.path), ..change } }
}

impl System {
    /// Unpacks an archive in a container.
    pub(crate) fn upload_tar(
        &self,
        id: &ContainerId,
        archive: impl Read,
        to: &OsText,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        let view = self.view(id)?;
        transfer::upload_tar(&view.root(), archive, to, options).map_err(|error| self.in_container(error, id))
    }

    /// Packs a file or tree of a container.
    pub(crate) fn download_tar(
        &self,
        id: &ContainerId,
        from: &OsText,
        archive: impl Write,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        let view = self.view(id)?;
        transfer::download_tar(&view.root(), from, archive, options)
            .map_err(|error| self.in_container(error, id))
    }
}

impl System {
    fn in_container(&self, error: Error, id: &ContainerId) -> Error {
        let name = self.directory(id).map_or_else(|_| id.short().to_owned(), |directory| directory.called());
        error.context(format!("cannot copy files of container `{name}`"))
    }
}
