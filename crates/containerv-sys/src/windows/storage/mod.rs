//! Container storage by computestorage.dll: layers, and disks that hold writable ones.
//!
//! Everything here is synchronous, and most of it takes an administrator. `layers` is the JSON
//! text that names the parents of a layer.

// UNSAFETY: calls of computestorage.dll.
#![allow(unsafe_code, reason = "calls of computestorage.dll")]

#[cfg(test)]
mod tests;

use std::ffi::c_void;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::path::Path;
use std::sync::Arc;

use super::error::{Error, Hresult, Result};
use super::library::{Libraries, functions};
use super::wide::{Allocator, Optional, Returned, Wide};

type Code = i32;
type Text = *const u16;
type Handle = *mut c_void;

functions! {
    /// computestorage.dll.
    Computestorage = "computestorage.dll" {
        fn HcsAttachLayerStorageFilter(Text, Text) -> Code;
        fn HcsAttachOverlayFilter(Text, Text) -> Code;
        fn HcsDestroyLayer(Text) -> Code;
        fn HcsDetachLayerStorageFilter(Text) -> Code;
        fn HcsDetachOverlayFilter(Text, Text) -> Code;
        fn HcsExportLayer(Text, Text, Text, Text) -> Code;
        fn HcsExportLegacyWritableLayer(Text, Text, Text, Text) -> Code;
        fn HcsFormatWritableLayerVhd(Handle) -> Code;
        fn HcsGetLayerVhdMountPath(Handle, *mut *mut u16) -> Code;
        fn HcsImportLayer(Text, Text, Text) -> Code;
        fn HcsInitializeLegacyWritableLayer(Text, Text, Text, Text) -> Code;
        fn HcsInitializeWritableLayer(Text, Text, Text) -> Code;
        fn HcsSetupBaseOSLayer(Text, Handle, Text) -> Code;
        fn HcsSetupBaseOSVolume(Text, Text, Text) -> Code;
    }
}

/// computestorage.dll.
#[derive(Clone, Debug)]
pub struct Storage {
    table: Arc<Computestorage>,
}

impl Storage {
    /// Loads the DLL and looks up its functions.
    pub fn load(from: &Libraries) -> Self {
        Self { table: Arc::new(Computestorage::load(from)) }
    }

    /// Says whether this Windows has the DLL.
    pub fn is_loaded(&self) -> bool {
        self.table.is_loaded()
    }

    /// Says whether this Windows has a function of the DLL.
    pub fn has(&self, function: &str) -> bool {
        self.table.has(function)
    }

    /// Returns the functions that this Windows lacks.
    pub fn missing(&self) -> Vec<&'static str> {
        Computestorage::EXPORTS.iter().copied().filter(|function| !self.has(function)).collect()
    }

    /// Makes a layer folder of a folder in transport format (`HcsImportLayer`).
    ///
    /// # Errors
    ///
    /// The system's, as for all functions here.
    pub fn import_layer(&self, layer: &Path, source: &Path, layers: &str) -> Result<()> {
        let function = self.table.HcsImportLayer()?;
        let texts = [Wide::new(layer)?, Wide::new(source)?, Wide::new(layers)?];
        let [layer, source, layers] = texts.each_ref().map(Wide::as_ptr);
        // SAFETY: the texts outlive the call, as in all calls here.
        done("HcsImportLayer", unsafe { function(layer, source, layers) })
    }

    /// Makes a folder in transport format of a layer (`HcsExportLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn export_layer(&self, layer: &Path, folder: &Path, layers: &str, options: &str) -> Result<()> {
        let function = self.table.HcsExportLayer()?;
        let texts = [Wide::new(layer)?, Wide::new(folder)?, Wide::new(layers)?, Wide::new(options)?];
        let [layer, folder, layers, options] = texts.each_ref().map(Wide::as_ptr);
        // SAFETY: as above.
        done("HcsExportLayer", unsafe { function(layer, folder, layers, options) })
    }

    /// The same for the writable layer of a folder that is mounted (`HcsExportLegacyWritableLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn export_legacy_writable_layer(
        &self,
        mount: &Path,
        layer: &Path,
        folder: &Path,
        layers: &str,
    ) -> Result<()> {
        let function = self.table.HcsExportLegacyWritableLayer()?;
        let texts = [Wide::new(mount)?, Wide::new(layer)?, Wide::new(folder)?, Wide::new(layers)?];
        let [mount, layer, folder, layers] = texts.each_ref().map(Wide::as_ptr);
        // SAFETY: as above.
        done("HcsExportLegacyWritableLayer", unsafe { function(mount, layer, folder, layers) })
    }

    /// Removes a layer folder (`HcsDestroyLayer`), with every privilege that this takes. Whatever
    /// the path names is removed, and it may say that it succeeded and leave things behind.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn destroy_layer(&self, layer: &Path) -> Result<()> {
        let function = self.table.HcsDestroyLayer()?;
        let layer = Wide::new(layer)?;
        // SAFETY: as above.
        done("HcsDestroyLayer", unsafe { function(layer.as_ptr()) })
    }

    /// Prepares a base layer, or with an attached disk the layer's virtual machine
    /// (`HcsSetupBaseOSLayer`); `options` tells which.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_up_base_layer(
        &self,
        layer: &Path,
        disk: Option<BorrowedHandle<'_>>,
        options: &str,
    ) -> Result<()> {
        let function = self.table.HcsSetupBaseOSLayer()?;
        let (layer, options) = (Wide::new(layer)?, Wide::new(options)?);
        let disk = disk.map_or(std::ptr::null_mut(), |disk| disk.as_raw_handle());
        // SAFETY: as above; the handle is borrowed, or null where none is wanted.
        done("HcsSetupBaseOSLayer", unsafe { function(layer.as_ptr(), disk, options.as_ptr()) })
    }

    /// The same with a mounted volume (`HcsSetupBaseOSVolume`, which older versions lack).
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function; the system's.
    pub fn set_up_base_volume(&self, layer: &Path, volume: &Path, options: &str) -> Result<()> {
        let function = self.table.HcsSetupBaseOSVolume()?;
        let texts = [Wide::new(layer)?, Wide::new(volume)?, Wide::new(options)?];
        let [layer, volume, options] = texts.each_ref().map(Wide::as_ptr);
        // SAFETY: as above.
        done("HcsSetupBaseOSVolume", unsafe { function(layer, volume, options) })
    }

    /// Makes a mounted volume a writable layer (`HcsInitializeWritableLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn initialize_writable_layer(&self, layer: &Path, layers: &str, options: Option<&str>) -> Result<()> {
        let function = self.table.HcsInitializeWritableLayer()?;
        let texts = [Wide::new(layer)?, Wide::new(layers)?];
        let [layer, layers] = texts.each_ref().map(Wide::as_ptr);
        let options: Optional = Wide::optional(options)?;
        // SAFETY: as above.
        done("HcsInitializeWritableLayer", unsafe { function(layer, layers, options.as_ptr()) })
    }

    /// The same with a folder of its own for the registry (`HcsInitializeLegacyWritableLayer`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn initialize_legacy_writable_layer(
        &self,
        mount: &Path,
        layer: &Path,
        layers: &str,
        options: Option<&str>,
    ) -> Result<()> {
        let function = self.table.HcsInitializeLegacyWritableLayer()?;
        let texts = [Wide::new(mount)?, Wide::new(layer)?, Wide::new(layers)?];
        let [mount, layer, layers] = texts.each_ref().map(Wide::as_ptr);
        let options: Optional = Wide::optional(options)?;
        // SAFETY: as above.
        let code = unsafe { function(mount, layer, layers, options.as_ptr()) };
        done("HcsInitializeLegacyWritableLayer", code)
    }

    /// Shows the parents through a mounted writable layer (`HcsAttachLayerStorageFilter`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn attach_filter(&self, layer: &Path, layers: &str) -> Result<()> {
        let function = self.table.HcsAttachLayerStorageFilter()?;
        let (layer, layers) = (Wide::new(layer)?, Wide::new(layers)?);
        // SAFETY: as above.
        done("HcsAttachLayerStorageFilter", unsafe { function(layer.as_ptr(), layers.as_ptr()) })
    }

    /// Stops that (`HcsDetachLayerStorageFilter`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn detach_filter(&self, layer: &Path) -> Result<()> {
        let function = self.table.HcsDetachLayerStorageFilter()?;
        let layer = Wide::new(layer)?;
        // SAFETY: as above.
        done("HcsDetachLayerStorageFilter", unsafe { function(layer.as_ptr()) })
    }

    /// Shows the parents through a volume by another filter (`HcsAttachOverlayFilter`, which older
    /// versions lack).
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function; the system's.
    pub fn attach_overlay(&self, volume: &Path, layers: &str) -> Result<()> {
        let function = self.table.HcsAttachOverlayFilter()?;
        let (volume, layers) = (Wide::new(volume)?, Wide::new(layers)?);
        // SAFETY: as above.
        done("HcsAttachOverlayFilter", unsafe { function(volume.as_ptr(), layers.as_ptr()) })
    }

    /// Stops that (`HcsDetachOverlayFilter`, which older versions lack).
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function; the system's.
    pub fn detach_overlay(&self, volume: &Path, layers: &str) -> Result<()> {
        let function = self.table.HcsDetachOverlayFilter()?;
        let (volume, layers) = (Wide::new(volume)?, Wide::new(layers)?);
        // SAFETY: as above.
        done("HcsDetachOverlayFilter", unsafe { function(volume.as_ptr(), layers.as_ptr()) })
    }

    /// Makes a partition and a file system on a disk that is not mounted
    /// (`HcsFormatWritableLayerVhd`). Windows Server 2019 wants the handle of the file, later
    /// versions that of the virtual disk.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn format_writable_layer(&self, disk: BorrowedHandle<'_>) -> Result<()> {
        let function = self.table.HcsFormatWritableLayerVhd()?;
        // SAFETY: the handle is borrowed.
        done("HcsFormatWritableLayerVhd", unsafe { function(disk.as_raw_handle()) })
    }

    /// Returns the volume of an attached disk (`HcsGetLayerVhdMountPath`), without a backslash at
    /// its end.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn mount_path(&self, disk: BorrowedHandle<'_>) -> Result<String> {
        const FUNCTION: &str = "HcsGetLayerVhdMountPath";
        let function = self.table.HcsGetLayerVhdMountPath()?;
        let mut path = Returned::new(Allocator::Local);
        // SAFETY: the handle is borrowed, and the slot takes a pointer.
        done(FUNCTION, unsafe { function(disk.as_raw_handle(), path.slot()) })?;
        path.required(FUNCTION)
    }
}

fn done(function: &'static str, code: Code) -> Result<()> {
    let code = Hresult::from(code);
    if code.is_success() { Ok(()) } else { Err(Error::failed(function, code, None)) }
}
