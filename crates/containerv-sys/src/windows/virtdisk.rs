//! Virtual disks by virtdisk.dll.

// UNSAFETY: calls of virtdisk.dll.
#![allow(unsafe_code, reason = "calls of virtdisk.dll")]

use std::ffi::c_void;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows_sys::Win32::Storage::Vhd::{
    ATTACH_VIRTUAL_DISK_FLAG_NO_DRIVE_LETTER, ATTACH_VIRTUAL_DISK_FLAG_PERMANENT_LIFETIME,
    ATTACH_VIRTUAL_DISK_FLAG_READ_ONLY, ATTACH_VIRTUAL_DISK_PARAMETERS, ATTACH_VIRTUAL_DISK_VERSION_1,
    CREATE_VIRTUAL_DISK_PARAMETERS, CREATE_VIRTUAL_DISK_PARAMETERS_0_1, CREATE_VIRTUAL_DISK_VERSION_2,
    EXPAND_VIRTUAL_DISK_PARAMETERS, EXPAND_VIRTUAL_DISK_VERSION_1, OPEN_VIRTUAL_DISK_PARAMETERS,
    OPEN_VIRTUAL_DISK_PARAMETERS_0_1, OPEN_VIRTUAL_DISK_VERSION_2, VIRTUAL_DISK_ACCESS_NONE,
    VIRTUAL_STORAGE_TYPE, VIRTUAL_STORAGE_TYPE_DEVICE_VHDX, VIRTUAL_STORAGE_TYPE_VENDOR_MICROSOFT,
};

use super::error::{Error, Hresult, Result};
use super::library::{Libraries, functions};
use super::wide::{self, Wide};

type Handle = *mut c_void;
type Text = *const u16;
type Overlapped = *const c_void;

functions! {
    /// virtdisk.dll. Its functions return Win32 error numbers.
    VirtdiskTable = "virtdisk.dll" {
        fn AttachVirtualDisk(Handle, *mut c_void, i32, u32, *const c_void, Overlapped) -> u32;
        fn CreateVirtualDisk(
            *const c_void, Text, i32, *mut c_void, i32, u32, *const c_void, Overlapped, *mut Handle,
        ) -> u32;
        fn DetachVirtualDisk(Handle, i32, u32) -> u32;
        fn ExpandVirtualDisk(Handle, i32, *const c_void, Overlapped) -> u32;
        fn GetVirtualDiskPhysicalPath(Handle, *mut u32, *mut u16) -> u32;
        fn OpenVirtualDisk(*const c_void, Text, i32, i32, *const c_void, *mut Handle) -> u32;
    }
}

/// The longest path that the system has, in units.
const MAX_PATH_UNITS: u32 = 32_768;

/// virtdisk.dll.
#[derive(Clone, Debug)]
pub struct Virtdisk {
    table: Arc<VirtdiskTable>,
}

/// What a new disk is like.
#[derive(Clone, Debug)]
pub struct NewDisk<'a> {
    /// The file, which must not exist; its name ends in `.vhdx`.
    pub path: &'a Path,
    /// Bytes that fit on it; zero for those of the parent.
    pub size: u64,
    /// Bytes that are allocated at a time; zero lets the system choose.
    pub block_size: u32,
    /// The disk that it only holds the differences to.
    pub parent: Option<&'a Path>,
}

/// How a disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// It cannot be written.
    pub read_only: bool,
    /// It stays when all its handles are closed, until it is detached or the system ends.
    pub permanent: bool,
}

impl Virtdisk {
    /// Loads the DLL and looks up its functions.
    pub fn load(from: &Libraries) -> Self {
        Self { table: Arc::new(VirtdiskTable::load(from)) }
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
        VirtdiskTable::EXPORTS.iter().copied().filter(|function| !self.has(function)).collect()
    }

    /// Makes a VHDX file and opens it (`CreateVirtualDisk`).
    ///
    /// # Errors
    ///
    /// The system's, as for all functions here.
    pub fn create(&self, disk: &NewDisk<'_>) -> Result<Disk> {
        const FUNCTION: &str = "CreateVirtualDisk";
        let function = self.table.CreateVirtualDisk()?;
        let path = Wide::new(disk.path)?;
        let parent = disk.parent.map(Wide::new).transpose()?;
        let mut parameters =
            CREATE_VIRTUAL_DISK_PARAMETERS { Version: CREATE_VIRTUAL_DISK_VERSION_2, ..Default::default() };
        parameters.Anonymous.Version2 = CREATE_VIRTUAL_DISK_PARAMETERS_0_1 {
            MaximumSize: disk.size,
            BlockSizeInBytes: disk.block_size,
            ParentPath: parent.as_ref().map_or(ptr::null(), Wide::as_ptr),
            ..Default::default()
        };
        let mut raw = ptr::null_mut();
        // SAFETY: type, texts and parameters outlive the call; the parameters are of the version
        // that they name, which takes no access; neither security nor overlapped work is asked
        // for; `raw` takes the handle.
        let code = unsafe {
            function(
                (&raw const VHDX).cast(),
                path.as_ptr(),
                VIRTUAL_DISK_ACCESS_NONE,
                ptr::null_mut(),
                0,
                0,
                (&raw const parameters).cast(),
                ptr::null(),
                &raw mut raw,
            )
        };
        done(FUNCTION, code)?;
        self.disk(FUNCTION, raw)
    }

    /// Opens a disk (`OpenVirtualDisk`), to attach, detach or expand it.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn open(&self, path: &Path, read_only: bool) -> Result<Disk> {
        const FUNCTION: &str = "OpenVirtualDisk";
        let function = self.table.OpenVirtualDisk()?;
        let path = Wide::new(path)?;
        let mut parameters =
            OPEN_VIRTUAL_DISK_PARAMETERS { Version: OPEN_VIRTUAL_DISK_VERSION_2, ..Default::default() };
        parameters.Anonymous.Version2 =
            OPEN_VIRTUAL_DISK_PARAMETERS_0_1 { ReadOnly: i32::from(read_only), ..Default::default() };
        let mut raw = ptr::null_mut();
        // SAFETY: as for `create`.
        let code = unsafe {
            function(
                (&raw const ANY).cast(),
                path.as_ptr(),
                VIRTUAL_DISK_ACCESS_NONE,
                0,
                (&raw const parameters).cast(),
                &raw mut raw,
            )
        };
        done(FUNCTION, code)?;
        self.disk(FUNCTION, raw)
    }

    fn disk(&self, function: &'static str, raw: Handle) -> Result<Disk> {
        if raw.is_null() {
            return Err(Error::Answer { function, problem: "no handle was returned" });
        }
        // SAFETY: the system has opened the handle for the caller, who closes it.
        let handle = unsafe { OwnedHandle::from_raw_handle(raw) };
        Ok(Disk { virtdisk: self.clone(), handle })
    }
}

static VHDX: VIRTUAL_STORAGE_TYPE = VIRTUAL_STORAGE_TYPE {
    DeviceId: VIRTUAL_STORAGE_TYPE_DEVICE_VHDX,
    VendorId: VIRTUAL_STORAGE_TYPE_VENDOR_MICROSOFT,
};

/// Windows finds the format by the file's name and content.
static ANY: VIRTUAL_STORAGE_TYPE =
    VIRTUAL_STORAGE_TYPE { DeviceId: 0, VendorId: windows_sys::core::GUID::from_u128(0) };

/// An open virtual disk. What was attached by it, and not for good, is detached when it is dropped.
#[derive(Debug)]
pub struct Disk {
    virtdisk: Virtdisk,
    handle: OwnedHandle,
}

impl Disk {
    /// Makes it a disk of this machine (`AttachVirtualDisk`), without a drive letter.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn attach(&self, how: Attachment) -> Result<()> {
        let function = self.virtdisk.table.AttachVirtualDisk()?;
        let mut flags = ATTACH_VIRTUAL_DISK_FLAG_NO_DRIVE_LETTER;
        if how.read_only {
            flags |= ATTACH_VIRTUAL_DISK_FLAG_READ_ONLY;
        }
        if how.permanent {
            flags |= ATTACH_VIRTUAL_DISK_FLAG_PERMANENT_LIFETIME;
        }
        let parameters =
            ATTACH_VIRTUAL_DISK_PARAMETERS { Version: ATTACH_VIRTUAL_DISK_VERSION_1, ..Default::default() };
        // SAFETY: the handle is open; the parameters outlive the call; the security is the file's.
        let code = unsafe {
            function(
                self.handle.as_raw_handle(),
                ptr::null_mut(),
                flags,
                0,
                (&raw const parameters).cast(),
                ptr::null(),
            )
        };
        done("AttachVirtualDisk", code)
    }

    /// Takes it away from this machine (`DetachVirtualDisk`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn detach(&self) -> Result<()> {
        let function = self.virtdisk.table.DetachVirtualDisk()?;
        // SAFETY: the handle is open; there are no flags.
        done("DetachVirtualDisk", unsafe { function(self.handle.as_raw_handle(), 0, 0) })
    }

    /// Gives it room for more bytes (`ExpandVirtualDisk`); the volume on it stays as it is.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn expand(&self, size: u64) -> Result<()> {
        let function = self.virtdisk.table.ExpandVirtualDisk()?;
        let mut parameters =
            EXPAND_VIRTUAL_DISK_PARAMETERS { Version: EXPAND_VIRTUAL_DISK_VERSION_1, ..Default::default() };
        parameters.Anonymous.Version1.NewSize = size;
        let handle = self.handle.as_raw_handle();
        // SAFETY: the handle is open; the parameters, of the version that they name, outlive the
        // call.
        let code = unsafe { function(handle, 0, (&raw const parameters).cast(), ptr::null()) };
        done("ExpandVirtualDisk", code)
    }

    /// Returns where it is attached, such as `\\.\PhysicalDrive2` (`GetVirtualDiskPhysicalPath`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn physical_path(&self) -> Result<PathBuf> {
        const FUNCTION: &str = "GetVirtualDiskPhysicalPath";
        let function = self.virtdisk.table.GetVirtualDiskPhysicalPath()?;
        let mut buffer = vec![0_u16; 128];
        loop {
            let mut bytes = u32::try_from(buffer.len() * 2).unwrap_or(u32::MAX);
            // SAFETY: the handle is open, and the buffer has room for the bytes.
            let code = unsafe { function(self.handle.as_raw_handle(), &raw mut bytes, buffer.as_mut_ptr()) };
            let units = bytes.div_ceil(2);
            if code == ERROR_INSUFFICIENT_BUFFER && (buffer.len() as u32..MAX_PATH_UNITS).contains(&units) {
                buffer.resize(units as usize + 1, 0);
                continue;
            }
            done(FUNCTION, code)?;
            return Ok(PathBuf::from(wide::from_buffer(&buffer)));
        }
    }
}

impl AsHandle for Disk {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

fn done(function: &'static str, code: u32) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(Error::failed(function, Hresult::from_win32(code), None)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::signatures::compare;

    #[test]
    fn functions_are_as_in_the_metadata() {
        let unknown = compare!(VirtdiskTable, windows_sys::Win32::Storage::Vhd;
            AttachVirtualDisk(_, _, _, _, _, _);
            CreateVirtualDisk(_, _, _, _, _, _, _, _, _);
            DetachVirtualDisk(_, _, _);
            ExpandVirtualDisk(_, _, _, _);
            GetVirtualDiskPhysicalPath(_, _, _);
            OpenVirtualDisk(_, _, _, _, _, _);
        );
        assert!(unknown.is_empty());
    }

    #[test]
    fn structures_are_as_in_the_current_sdk() {
        use std::mem::offset_of;
        type Version2 = CREATE_VIRTUAL_DISK_PARAMETERS_0_1;
        // Older headers lack the physical sector size, and have all that follows elsewhere.
        assert_eq!(offset_of!(Version2, ParentPath) + 8, 48);
        assert_eq!(offset_of!(Version2, ResiliencyGuid) + 8, 108);
        assert_eq!(size_of::<Version2>() + 8, 128);
        assert_eq!(VHDX.VendorId.data1, 0xec98_4aec);
    }
}
