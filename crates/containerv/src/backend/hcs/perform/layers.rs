//! Layers and their disks.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containerv_spec::OsText;
use containerv_spec::hcs::Text;
use containerv_spec::hcs::system::Layer;
use containerv_sys::windows::error::Error as SystemError;
use containerv_sys::windows::retry::{Backoff, Momentary};
use containerv_sys::windows::token::{self, Privilege};
use containerv_sys::windows::virtdisk::Attachment;
use containerv_sys::windows::vmcompute::ParentLayer;
use containerv_sys::windows::volume;

use super::files::path;
use super::{Performer, Result, Windows};
use crate::backend::hcs::explain::Failure;

/// The disk of a writable layer, in its folder.
const DISK: &str = "sandbox.vhdx";
/// What Windows' own client allows a disk to appear.
const APPEARING: Backoff =
    Backoff { attempts: 5, first: Duration::from_millis(100), longest: Duration::from_millis(100) };

impl Performer<'_> {
    pub(super) fn name_to_guid(&self, name: &str) -> Result<String> {
        Ok(self.windows.vmcompute.name_to_guid(name)?.to_string())
    }

    pub(super) fn create_layer(&self, layer: &OsText, parents: &[Layer]) -> Result<()> {
        let (layer, parents) = (path(layer)?, parents_of(parents)?);
        let vmcompute = &self.windows.vmcompute;
        privileged(|| Ok(vmcompute.create_writable_layer(layer, &parents)?))
    }

    pub(super) fn destroy_layer(&self, layer: &OsText) -> Result<()> {
        self.windows.destroy_layer(path(layer)?)
    }

    /// Writes what an active writable layer holds into a new folder, in transport format.
    pub(crate) fn export_layer(&self, layer: &OsText, folder: &Path, parents: &[Layer]) -> Result<()> {
        let (layer, parents) = (path(layer)?, parents_of(parents)?);
        let vmcompute = &self.windows.vmcompute;
        privileged(|| Ok(vmcompute.export_layer(layer, folder, &parents)?))
    }

    pub(super) fn expand_layer(&self, layer: &OsText, bytes: u64) -> Result<()> {
        Ok(self.windows.vmcompute.expand_writable_layer(path(layer)?, bytes)?)
    }

    pub(super) fn extend_volume(&self, layer: &OsText) -> Result<()> {
        let layer = path(layer)?;
        let disk = self.windows.virtdisk.open(&layer.join(DISK), false)?;
        // Detached when it is dropped.
        disk.attach(Attachment { read_only: false, permanent: false })?;
        let name = self.windows.vmcompute.layer_mount_path(layer)?;
        let volume = OpenOptions::new().read(true).write(true).open(&name);
        volume
            .and_then(|volume| volume::extend(volume.as_handle()))
            .map_err(|error| Failure::io("DeviceIoControl", error))
    }

    pub(super) fn activate_layer(&self, layer: &OsText) -> Result<()> {
        let layer = path(layer)?;
        APPEARING
            .retry(|_| self.windows.vmcompute.activate_layer(layer))
            .map_err(|error| self.windows.held(layer, error.into()))
    }

    pub(super) fn deactivate_layer(&self, layer: &OsText) -> Result<()> {
        let layer = path(layer)?;
        self.release(layer, |layer| self.windows.vmcompute.deactivate_layer(layer))
    }

    /// A disk that is not ready is detached and attached once more.
    pub(super) fn prepare_layer(&self, layer: &OsText, parents: &[Layer]) -> Result<()> {
        let (layer, parents) = (path(layer)?, parents_of(parents)?);
        let vmcompute = &self.windows.vmcompute;
        let prepared = APPEARING.retry(|attempt| {
            if attempt > 0 {
                // It may not be attached any more.
                let _ = vmcompute.deactivate_layer(layer);
                vmcompute.activate_layer(layer)?;
            }
            vmcompute.prepare_layer(layer, &parents)
        });
        prepared.map_err(|error| self.windows.held(layer, error.into()))
    }

    pub(super) fn unprepare_layer(&self, layer: &OsText) -> Result<()> {
        let layer = path(layer)?;
        self.release(layer, |layer| self.windows.vmcompute.unprepare_layer(layer))
    }

    /// The volume, with the backslash that documents want.
    pub(super) fn layer_volume(&self, layer: &OsText) -> Result<String> {
        let volume = self.windows.vmcompute.layer_mount_path(path(layer)?)?;
        Ok(format!("{}\\", volume.trim_end_matches('\\')))
    }

    /// What an ending system has open goes away in a moment; a disk that is not there has gone.
    fn release(
        &self,
        layer: &Path,
        release: impl Fn(&Path) -> containerv_sys::windows::error::Result<()>,
    ) -> Result<()> {
        let busy = |error: &SystemError| error.is_momentary() && !is_detached(error);
        Backoff::BUSY
            .retry_if(busy, |_| release(layer))
            .map_err(|error| self.windows.held(layer, error.into()))
    }
}

impl Windows {
    /// Removes a layer's folder. Renamed first, so that a half removed layer is not taken for a whole one.
    pub(crate) fn destroy_layer(&self, layer: &Path) -> Result<()> {
        const FUNCTION: &str = "DestroyLayer";
        let mut leaving = layer.as_os_str().to_owned();
        leaving.push("-removing");
        let leaving = PathBuf::from(leaving);
        if layer.exists() && !leaving.exists() {
            let renamed = Backoff::BUSY.retry(|_| fs::rename(layer, &leaving));
            renamed.map_err(|error| self.held(layer, Failure::io("MoveFileExW", error)))?;
        }
        for folder in [&leaving, layer].into_iter().filter(|folder| folder.exists()) {
            let vmcompute = &self.vmcompute;
            privileged(|| {
                Backoff::BUSY
                    .retry(|_| vmcompute.destroy_layer(folder))
                    .map_err(|error| self.held(folder, error.into()))
            })?;
            // Success is reported of trees that remain.
            match folder.try_exists() {
                Ok(false) => {}
                _ => return Err(Failure::words(FUNCTION, format!("`{}` is still there", folder.display()))),
            }
        }
        Ok(())
    }

    /// Makes a layer of a folder in transport format; `parents` topmost first.
    pub(crate) fn import_layer(&self, layer: &Path, source: &Path, parents: &[PathBuf]) -> Result<()> {
        let parent = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Ok(ParentLayer { id: self.vmcompute.name_to_guid(&name)?, path: path.clone() })
        };
        let parents = parents.iter().map(parent).collect::<Result<Vec<_>>>()?;
        Ok(self.vmcompute.import_layer(layer, source, &parents)?)
    }

    /// Finishes a base layer whose files are all there. It cannot be done twice.
    pub(crate) fn process_base_image(&self, layer: &Path) -> Result<()> {
        Ok(self.vmcompute.process_base_image(layer)?)
    }

    /// Finishes the virtual machine of a layer; `folder` is its `UtilityVM`.
    pub(crate) fn process_utility_image(&self, folder: &Path) -> Result<()> {
        Ok(self.vmcompute.process_utility_image(folder)?)
    }

    /// Adds who has the layer's disk open, if that is what is wrong.
    fn held(&self, layer: &Path, failure: Failure) -> Failure {
        const SHARING_VIOLATION: u32 = 0x8007_0020;
        if !failure.is(SHARING_VIOLATION) {
            return failure;
        }
        let holders = self.restart_manager.holders(&layer.join(DISK)).unwrap_or_default();
        let list: Vec<String> =
            holders.iter().map(|holder| format!("`{}` ({})", holder.name, holder.process)).collect();
        if list.is_empty() {
            return failure;
        }
        Failure { remark: Some(format!("held by {}", list.join(", "))), ..failure }
    }
}

fn is_detached(error: &SystemError) -> bool {
    const NOT_READY: u32 = 21;
    const NOT_CONNECTED: u32 = 1167;
    error.code().and_then(|code| code.win32()).is_some_and(|code| matches!(code, NOT_READY | NOT_CONNECTED))
}

fn parents_of(layers: &[Layer]) -> Result<Vec<ParentLayer>> {
    let parent = |layer: &Layer| {
        let id = match &layer.id {
            Text::Known(id) => id.parse().ok(),
            Text::Found(_) => None,
        };
        let id = id.ok_or_else(|| Failure::words("layer", format!("`{}` is no GUID", layer.id)))?;
        Ok(ParentLayer { id, path: layer.path.clone().into() })
    };
    layers.iter().map(parent).collect()
}

/// With the privileges of backup programs, which layers need; some of it works without them too, so
/// that it is tried.
pub(crate) fn privileged<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    const NOT_HELD: i32 = 1300;
    let mut run = Some(run);
    let mut once = || run.take().map_or_else(|| Err(Failure::words("privileges", "done twice")), |run| run());
    match token::with_privileges(&[Privilege::Backup, Privilege::Restore], &mut once) {
        Err(error) if error.raw_os_error() == Some(NOT_HELD) => once(),
        outcome => outcome.map_err(|error: io::Error| Failure::io("AdjustTokenPrivileges", error))?,
    }
}
