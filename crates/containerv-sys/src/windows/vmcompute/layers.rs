//! Layer folders.

// UNSAFETY: calls of vmcompute.dll with structures of pointers.
#![allow(unsafe_code, reason = "calls of vmcompute.dll")]

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;

use super::abi::{Code, DriverInfo, Info, LayerDescriptor, Text};
use super::{Vmcompute, done};
use crate::windows::error::{Error, Hresult, Result};
use crate::windows::guid::Guid;
use crate::windows::wide::{self, Wide};

/// The flavour for folders that are given with their whole path.
const FILTER_DRIVER: i32 = 1;
/// The longest path that the system has, in units.
const MAX_PATH_UNITS: usize = 32_768;

/// Attaching the filter fails in strange ways when it is done twice at the same time.
static PREPARING: Mutex<()> = Mutex::new(());

/// A layer below another one. In a list the nearest parent comes first, the base last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentLayer {
    /// What [`Vmcompute::name_to_guid`] says of the folder's name.
    pub id: Guid,
    /// The folder.
    pub path: PathBuf,
}

/// The list as the functions want it; it refers to the texts beside it.
struct Descriptors {
    raw: Vec<LayerDescriptor>,
    _paths: Vec<Wide>,
}

impl Descriptors {
    fn new(parents: &[ParentLayer]) -> Result<Self> {
        let paths = parents.iter().map(|parent| Wide::new(&parent.path)).collect::<Result<Vec<_>>>()?;
        let raw = parents.iter().zip(&paths);
        let raw = raw.map(|(parent, path)| LayerDescriptor {
            id: parent.id.to_raw(),
            flags: 0,
            path: path.as_ptr(),
        });
        Ok(Self { raw: raw.collect(), _paths: paths })
    }

    /// Null for none: an empty vector's pointer leads nowhere.
    fn as_ptr(&self) -> *const LayerDescriptor {
        if self.raw.is_empty() { std::ptr::null() } else { self.raw.as_ptr() }
    }

    fn len(&self) -> u32 {
        u32::try_from(self.raw.len()).unwrap_or(u32::MAX)
    }
}

type OnLayer = unsafe extern "system" fn(Info, Text) -> Code;

impl Vmcompute {
    /// Mounts the disk of a writable layer (`ActivateLayer`).
    ///
    /// # Errors
    ///
    /// The system's, as for all functions here.
    pub fn activate_layer(&self, layer: &Path) -> Result<()> {
        on_layer("ActivateLayer", self.table.ActivateLayer()?, layer)
    }

    /// Unmounts it (`DeactivateLayer`), after [`Vmcompute::unprepare_layer`].
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn deactivate_layer(&self, layer: &Path) -> Result<()> {
        on_layer("DeactivateLayer", self.table.DeactivateLayer()?, layer)
    }

    /// Shows the parents through a mounted layer (`PrepareLayer`). One at a time in this program.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn prepare_layer(&self, layer: &Path, parents: &[ParentLayer]) -> Result<()> {
        let function = self.table.PrepareLayer()?;
        let (layer, parents) = (Wide::new(layer)?, Descriptors::new(parents)?);
        let _one = PREPARING.lock().unwrap_or_else(PoisonError::into_inner);
        let call = |info| {
            // SAFETY: texts, descriptors and information outlive the call, as in all calls here.
            unsafe { function(info, layer.as_ptr(), parents.as_ptr(), parents.len()) }
        };
        done("PrepareLayer", with_driver(call))
    }

    /// Stops that (`UnprepareLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn unprepare_layer(&self, layer: &Path) -> Result<()> {
        on_layer("UnprepareLayer", self.table.UnprepareLayer()?, layer)
    }

    /// Returns the volume of a mounted layer, or a base layer's folder (`GetLayerMountPath`),
    /// without a backslash at its end.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn layer_mount_path(&self, layer: &Path) -> Result<String> {
        const FUNCTION: &str = "GetLayerMountPath";
        let function = self.table.GetLayerMountPath()?;
        let layer = Wide::new(layer)?;
        let mut units = 0_usize;
        let call = |units: &mut usize, buffer: *mut u16| {
            // SAFETY: as above; the buffer has room for the units, or is null to ask how many.
            with_driver(|info| unsafe { function(info, layer.as_ptr(), units, buffer) })
        };
        let code = Hresult::from(call(&mut units, std::ptr::null_mut()));
        if !code.is_success() && code.win32() != Some(ERROR_INSUFFICIENT_BUFFER) {
            return Err(Error::failed(FUNCTION, code, None));
        }
        if units == 0 || units > MAX_PATH_UNITS {
            return Err(Error::Answer { function: FUNCTION, problem: "the length makes no sense" });
        }
        let mut buffer = vec![0_u16; units];
        done(FUNCTION, call(&mut units, buffer.as_mut_ptr()))?;
        Ok(wide::from_buffer(&buffer))
    }

    /// Makes a writable layer with its disk (`CreateSandboxLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn create_writable_layer(&self, layer: &Path, parents: &[ParentLayer]) -> Result<()> {
        let function = self.table.CreateSandboxLayer()?;
        let (layer, parents) = (Wide::new(layer)?, Descriptors::new(parents)?);
        let call = |info| {
            // SAFETY: as above. The parent's number is not used: all parents are in the list.
            unsafe { function(info, layer.as_ptr(), 0, parents.as_ptr(), parents.len()) }
        };
        done("CreateSandboxLayer", with_driver(call))
    }

    /// Gives a writable layer's disk room for more bytes (`ExpandSandboxSize`); the volume on it
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn expand_writable_layer(&self, layer: &Path, size: u64) -> Result<()> {
        let function = self.table.ExpandSandboxSize()?;
        let layer = Wide::new(layer)?;
        // SAFETY: as above.
        done("ExpandSandboxSize", with_driver(|info| unsafe { function(info, layer.as_ptr(), size) }))
    }

    /// Makes an empty layer (`CreateLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn create_layer(&self, layer: &Path, parent: &Path) -> Result<()> {
        let function = self.table.CreateLayer()?;
        let (layer, parent) = (Wide::new(layer)?, Wide::new(parent)?);
        let call = |info| {
            // SAFETY: as above.
            unsafe { function(info, layer.as_ptr(), parent.as_ptr()) }
        };
        done("CreateLayer", with_driver(call))
    }

    /// Copies a layer (`CopyLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn copy_layer(&self, source: &Path, layer: &Path, parents: &[ParentLayer]) -> Result<()> {
        let function = self.table.CopyLayer()?;
        let (source, layer, parents) = (Wide::new(source)?, Wide::new(layer)?, Descriptors::new(parents)?);
        let call = |info| {
            // SAFETY: as above.
            unsafe { function(info, source.as_ptr(), layer.as_ptr(), parents.as_ptr(), parents.len()) }
        };
        done("CopyLayer", with_driver(call))
    }

    /// Makes a layer of a folder in transport format (`ImportLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn import_layer(&self, layer: &Path, source: &Path, parents: &[ParentLayer]) -> Result<()> {
        let function = self.table.ImportLayer()?;
        let (layer, source, parents) = (Wide::new(layer)?, Wide::new(source)?, Descriptors::new(parents)?);
        let call = |info| {
            // SAFETY: as above.
            unsafe { function(info, layer.as_ptr(), source.as_ptr(), parents.as_ptr(), parents.len()) }
        };
        done("ImportLayer", with_driver(call))
    }

    /// Makes a folder in transport format of a layer (`ExportLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn export_layer(&self, layer: &Path, folder: &Path, parents: &[ParentLayer]) -> Result<()> {
        let function = self.table.ExportLayer()?;
        let (layer, folder, parents) = (Wide::new(layer)?, Wide::new(folder)?, Descriptors::new(parents)?);
        let call = |info| {
            // SAFETY: as above.
            unsafe { function(info, layer.as_ptr(), folder.as_ptr(), parents.as_ptr(), parents.len()) }
        };
        done("ExportLayer", with_driver(call))
    }

    /// Says whether there is such a layer (`LayerExists`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn layer_exists(&self, layer: &Path) -> Result<bool> {
        let function = self.table.LayerExists()?;
        let layer = Wide::new(layer)?;
        let mut exists = 0_u32;
        let call = |info| {
            // SAFETY: as above; `exists` is room for the answer.
            unsafe { function(info, layer.as_ptr(), &raw mut exists) }
        };
        done("LayerExists", with_driver(call))?;
        Ok(exists != 0)
    }

    /// Removes a layer's folder (`DestroyLayer`), whatever stands in it. It may say that it
    /// succeeded and leave things behind.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn destroy_layer(&self, layer: &Path) -> Result<()> {
        on_layer("DestroyLayer", self.table.DestroyLayer()?, layer)
    }

    /// Finishes a base layer (`ProcessBaseImage`). Cannot be repeated after it has failed midway.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn process_base_image(&self, layer: &Path) -> Result<()> {
        let (function, layer) = (self.table.ProcessBaseImage()?, Wide::new(layer)?);
        // SAFETY: as above.
        done("ProcessBaseImage", unsafe { function(layer.as_ptr()) })
    }

    /// Finishes the virtual machine of a base layer (`ProcessUtilityImage`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn process_utility_image(&self, folder: &Path) -> Result<()> {
        let (function, folder) = (self.table.ProcessUtilityImage()?, Wide::new(folder)?);
        // SAFETY: as above.
        done("ProcessUtilityImage", unsafe { function(folder.as_ptr()) })
    }

    /// Lets a virtual machine open a file (`GrantVmAccess`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn grant_vm_access(&self, id: &str, file: &Path) -> Result<()> {
        let function = self.table.GrantVmAccess()?;
        let (id, file) = (Wide::new(id)?, Wide::new(file)?);
        // SAFETY: as above.
        done("GrantVmAccess", unsafe { function(id.as_ptr(), file.as_ptr()) })
    }
}

fn on_layer(name: &'static str, function: OnLayer, layer: &Path) -> Result<()> {
    let layer = Wide::new(layer)?;
    // SAFETY: text and information outlive the call.
    done(name, with_driver(|info| unsafe { function(info, layer.as_ptr()) }))
}

/// The functions look for a layer below a home directory, which is none for whole paths.
fn with_driver<T>(call: impl FnOnce(Info) -> T) -> T {
    let home = [0_u16];
    let info = DriverInfo { flavour: FILTER_DRIVER, home: home.as_ptr() };
    call(&raw const info)
}
