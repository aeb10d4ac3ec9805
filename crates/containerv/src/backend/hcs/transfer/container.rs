//! The files of a container, wherever it is in its life.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use containerv_spec::hcs::Found;
use containerv_spec::hcs::path::on_host;
use containerv_spec::hcs::system::Layer;
use containerv_spec::plan::hcs::{Call, HcsIsolation, Stage};
use containerv_spec::request::{Mount, MountSource, Request, Root as RequestRoot};
use containerv_spec::{ContainerId, OsText};
use containerv_sys::windows::lock::Lock;

use super::files::{self, Mapping, Root};
use super::guest::Guest;
use super::{layer, path};
use crate::backend::hcs::execute::Perform;
use crate::backend::hcs::explain::Failure;
use crate::backend::hcs::journal::{Entry, Journal};
use crate::backend::hcs::monitor;
use crate::backend::hcs::perform::Performer;
use crate::backend::hcs::store::Directory;
use crate::backend::hcs::system::System;
use crate::copy::{Change, CopyOptions, CopyProgress, CopySummary};
use crate::images::windows::write_exported;
use crate::{Error, ErrorKind, Result};

/// How the files of a container are reached.
enum Access {
    /// Through the volume of its layers.
    Volume(Root),
    /// Through a program in it.
    Guest(Guest),
}

/// A container's root, and what keeps it mounted.
struct View<'a> {
    access: Access,
    directory: Directory,
    resting: Option<Resting<'a>>,
    /// Nobody starts the container, and nobody unmounts the layers of one that ends, before the copy is
    /// done.
    _lock: Lock,
}

/// The layers of a container that does not run, mounted for the time of a copy.
struct Resting<'a> {
    system: &'a System,
    directory: Directory,
}

impl Resting<'_> {
    fn unmount(&self) -> Result<()> {
        self.system.end_run(&self.directory, &self.directory.journal()?, None)
    }
}

impl View<'_> {
    /// Runs a copy, and takes away what was mounted for it.
    fn run<T>(self, run: impl FnOnce(&Access) -> Result<T>) -> Result<T> {
        let outcome = run(&self.access);
        let left = match self.access {
            // An open file of the volume would keep it mounted.
            Access::Volume(root) => {
                drop(root);
                Ok(())
            }
            Access::Guest(guest) => guest.leave(&self.directory),
        };
        let unmounted = self.resting.map_or(Ok(()), |resting| resting.unmount()).and(left);
        let outcome = outcome?;
        unmounted.map(|()| outcome)
    }
}

impl System {
    /// Copies into a container.
    pub(crate) fn upload(
        &self,
        id: &ContainerId,
        from: &Path,
        to: &OsText,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        self.copying(id, |access| match access {
            Access::Volume(root) => files::upload(root, from, to, options),
            Access::Guest(guest) => guest.upload(from, to, options),
        })
    }

    /// Copies out of a container.
    pub(crate) fn download(
        &self,
        id: &ContainerId,
        from: &OsText,
        to: &Path,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        self.copying(id, |access| match access {
            Access::Volume(root) => files::download(root, from, to, options),
            Access::Guest(guest) => guest.download(from, to, options),
        })
    }

    /// Unpacks an archive in a container.
    pub(crate) fn upload_tar(
        &self,
        id: &ContainerId,
        archive: impl Read,
        to: &OsText,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        self.copying(id, |access| match access {
            Access::Volume(root) => files::upload_tar(root, archive, to, options),
            Access::Guest(guest) => guest.upload_tar(archive, to, options),
        })
    }

    /// Packs a file or tree of a container.
    pub(crate) fn download_tar(
        &self,
        id: &ContainerId,
        from: &OsText,
        archive: impl Write,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        self.copying(id, |access| match access {
            Access::Volume(root) => files::download_tar(root, from, archive, options),
            Access::Guest(guest) => guest.download_tar(from, archive, options),
        })
    }

    /// Packs all files of a container that does not run, with what Windows knows of each. Nothing is mapped then.
    pub(crate) fn export_root(
        &self,
        id: &ContainerId,
        archive: impl Write,
        progress: Option<CopyProgress>,
    ) -> Result<CopySummary> {
        let directory = self.directory(id)?;
        let lock = directory.lock()?;
        let (journal, request) = (directory.journal()?, directory.request()?);
        if self.running(&directory, &journal)?.is_some() {
            let message = "Windows keeps files of it to itself while it runs";
            return Err(Error::new(ErrorKind::InvalidState, message).with_hint("stop the container first"));
        }
        let layers = self.layers(&directory, &journal, &request)?;
        let options = CopyOptions { keep_owner: true, progress, ..CopyOptions::default() };
        let everything = OsText::from(r"C:\");
        self.rest(directory, lock, &journal, &layers, Vec::new())?.run(|access| match access {
            Access::Volume(root) => files::download_tar(root, &everything, archive, &options),
            Access::Guest(guest) => guest.download_tar(&everything, archive, &options),
        })
    }

    fn copying<T>(&self, id: &ContainerId, run: impl FnOnce(&Access) -> Result<T>) -> Result<T> {
        let directory = self.directory(id)?;
        let name = directory.called();
        self.view(directory)
            .and_then(|view| view.run(run))
            .map_err(|error| error.context(format!("cannot copy files of container `{name}`")))
    }

    /// Opens the root of a container: the volume of its layers, which is mounted while it runs in process
    /// isolation, and for the time of the copy when it does not run. While it runs in a virtual machine, a
    /// program in it copies.
    fn view(&self, directory: Directory) -> Result<View<'_>> {
        let lock = directory.lock()?;
        let journal = directory.journal()?;
        let request = directory.request()?;
        let running = self.running(&directory, &journal)?;
        let mapped = mappings(&request);
        let layers = self.layers(&directory, &journal, &request)?;
        if let Some(running) = running {
            let access = match journal.isolation {
                Some(HcsIsolation::Hyperv) if running.paused => {
                    let message = "its disk belongs to its virtual machine, which is paused";
                    return Err(Error::new(ErrorKind::InvalidState, message)
                        .with_hint("resume the container with `cv unpause`, or stop it"));
                }
                Some(HcsIsolation::Hyperv) => {
                    Access::Guest(Guest::enter(running.system, &directory, &monitor::program(self)?)?)
                }
                _ => Access::Volume(self.volume_of(&directory, &layers, mapped)?),
            };
            return Ok(View { access, directory, resting: None, _lock: lock });
        }
        self.rest(directory, lock, &journal, &layers, mapped)
    }

    /// Opens the root of a container that does not run.
    fn rest(
        &self,
        directory: Directory,
        lock: Lock,
        journal: &Journal,
        layers: &Layers,
        mapped: Vec<Mapping>,
    ) -> Result<View<'_>> {
        self.end_run(&directory, journal, None)?;
        let resting = self.begin_rest(&directory, journal, layers)?;
        let mounted =
            self.mount(&directory, layers).and_then(|()| self.volume_of(&directory, layers, mapped));
        match mounted {
            Ok(root) => {
                Ok(View { access: Access::Volume(root), directory, resting: Some(resting), _lock: lock })
            }
            Err(error) => {
                resting.unmount()?;
                Err(error)
            }
        }
    }

    /// Writes down how to unmount the layers of a container that does not run, before they are mounted.
    fn begin_rest(&self, directory: &Directory, journal: &Journal, layers: &Layers) -> Result<Resting<'_>> {
        let isolation = journal.isolation.unwrap_or(HcsIsolation::Process);
        let undo = vec![
            Call::UnprepareLayer { layer: layers.scratch.clone() },
            Call::DeactivateLayer { layer: layers.scratch.clone() },
        ];
        directory.note(&Entry::Begun { stage: Stage::Start, isolation, undo })?;
        Ok(Resting { system: self, directory: directory.clone() })
    }

    fn mount(&self, directory: &Directory, layers: &Layers) -> Result<()> {
        let mut performer = Performer::new(self.windows(), &directory.id, None);
        let (layer, parents) = (layers.scratch.clone(), layers.parents.clone());
        let prepare = Call::PrepareLayer { layer: layer.clone(), parents };
        for call in [Call::ActivateLayer { layer }, prepare] {
            performer.perform(&call).map_err(|failure| failure.explain("cannot mount its layers"))?;
        }
        Ok(())
    }

    fn volume_of(&self, directory: &Directory, layers: &Layers, mapped: Vec<Mapping>) -> Result<Root> {
        let failed = |failure: Failure| failure.explain("cannot find the volume of its layers");
        let mut performer = Performer::new(self.windows(), &directory.id, None);
        let call = Call::GetLayerMountPath { layer: layers.scratch.clone(), found: Found::ScratchVolume };
        let volume = performer.perform(&call).map_err(failed)?.pop().unwrap_or_default();
        Root::open_at(Path::new(&volume), mapped)
            .map_err(|error| super::failure::explain(error, format!("open the volume `{volume}`")))
    }

    /// The layers that a container was made of.
    fn layers(&self, directory: &Directory, journal: &Journal, request: &Request) -> Result<Layers> {
        let not_made = || Error::new(ErrorKind::InvalidState, "it was never made completely");
        if journal.removing {
            return Err(Error::new(ErrorKind::InvalidState, "it is being removed"));
        }
        let values = journal.made.as_ref().ok_or_else(not_made)?;
        let RequestRoot::Layers(layers) = &request.root else { return Err(not_made()) };
        let scratch = self.store().places(&directory.id)?.scratch();
        let parent = |(number, folder): (u16, &OsText)| {
            let folder = on_host(folder.to_str().unwrap_or_default()).map_err(|_| not_made())?;
            Ok(Layer { id: Found::LayerId(number).into(), path: folder.trim_end_matches('\\').to_owned() })
        };
        let parents = (0..).zip(&layers.folders).map(parent).collect::<Result<Vec<_>>>()?;
        match values.fill(&Call::PrepareLayer { layer: scratch, parents })? {
            Call::PrepareLayer { layer, parents } => Ok(Layers { scratch: layer, parents }),
            _ => Err(not_made()),
        }
    }
}

/// The writable layer, and those below it, the nearest first.
struct Layers {
    scratch: OsText,
    parents: Vec<Layer>,
}

impl Layers {
    fn folders(&self) -> Vec<PathBuf> {
        self.parents.iter().map(|parent| PathBuf::from(&parent.path)).collect()
    }
}

/// What a container sees in the place of its own files.
fn mappings(request: &Request) -> Vec<Mapping> {
    let mapping = |mount: &Mount| match &mount.source {
        MountSource::Bind { path, .. } => {
            let host = PathBuf::from(path.to_string());
            // Lowering has refused what is no path on the container's drive.
            path::parse(&mount.target).ok().map(|target| Mapping {
                names: target.names,
                host: Some(host),
                read_only: mount.read_only,
            })
        }
        _ => None,
    };
    request.mounts.iter().filter_map(mapping).collect()
}

impl System {
    /// Lists what a container that does not run changed in its root.
    pub(crate) fn changes(&self, id: &ContainerId) -> Result<Vec<Change>> {
        let directory = self.directory(id)?;
        let name = directory.called();
        self.compare(&directory)
            .map_err(|error| error.context(format!("cannot compare container `{name}` with its image")))
    }

    fn compare(&self, directory: &Directory) -> Result<Vec<Change>> {
        self.with_exported(directory, |target, layers| layer::changes(target, &layers.folders()))
    }

    /// Writes what a container that does not run has changed as the archive of a layer.
    ///
    /// # Errors
    ///
    /// It runs; what the system says; a file that no layer can have.
    pub(crate) fn write_changes(&self, id: &ContainerId, to: impl Write) -> Result<CopySummary> {
        let directory = self.directory(id)?;
        self.with_exported(&directory, |target, _| write_exported(target, to))
    }

    /// Exports the writable layer into the container's directory for as long as somebody looks at it.
    fn with_exported<T>(
        &self,
        directory: &Directory,
        look: impl FnOnce(&Path, &Layers) -> Result<T>,
    ) -> Result<T> {
        let _lock = directory.lock()?;
        let journal = directory.journal()?;
        let request = directory.request()?;
        if self.running(directory, &journal)?.is_some() {
            let message = "its layer cannot be exported while it runs";
            return Err(Error::new(ErrorKind::InvalidState, message).with_hint("stop the container first"));
        }
        let layers = self.layers(directory, &journal, &request)?;
        self.end_run(directory, &journal, None)?;
        let target = directory.path.join("changes");
        remove_export(&target)?;
        let resting = self.begin_rest(directory, &journal, &layers)?;
        let exported = self.export_layers(directory, &layers, &target);
        let unmounted = resting.unmount();
        let looked = exported.and_then(|()| look(&target, &layers));
        remove_export(&target)?;
        let looked = looked?;
        unmounted.map(|()| looked)
    }

    fn export_layers(&self, directory: &Directory, layers: &Layers, target: &Path) -> Result<()> {
        let failed = |failure: Failure| failure.explain("cannot export its layer");
        let mut performer = Performer::new(self.windows(), &directory.id, None);
        performer.perform(&Call::ActivateLayer { layer: layers.scratch.clone() }).map_err(failed)?;
        performer.export_layer(&layers.scratch, target, &layers.parents).map_err(failed)
    }

    /// Returns how much the container's directory takes on disk, in bytes.
    pub(crate) fn disk_usage(&self, id: &ContainerId) -> Result<u64> {
        Ok(layer::disk_usage(&self.directory(id)?.path))
    }
}

/// Removes what was exported, also by somebody who did not come to the end.
fn remove_export(target: &Path) -> Result<()> {
    match std::fs::remove_dir_all(target) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(super::failure::explain(error, format!("remove `{}`", target.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
