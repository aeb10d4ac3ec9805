//! `computestorage.dll`, `virtdisk.dll` and `wslapi.dll` for tests.

use std::fs::File;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::ptr;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{FSCTL_EXTEND_VOLUME, IOCTL_DISK_GET_LENGTH_INFO};

use crate::api::{taken, wide};
use crate::call;

/// Creates a virtual disk of the second version's parameters: code of Win32, and the open disk.
pub fn create_disk(path: &str, size: u64, parent: Option<&str>) -> (u32, Option<File>) {
    let (path, parent) = (wide(path), parent.map(wide));
    let (kind, mut parameters) = ([0_u8; 20], [0_u64; 16]);
    parameters[0] = 2;
    parameters[3] = size;
    parameters[6] = parent.as_ref().map_or(0, |parent| parent.as_ptr() as u64);
    let mut disk: HANDLE = ptr::null_mut();
    let code = call!("virtdisk", "CreateVirtualDisk",
        (*const u8, *const u16, u32, *const u8, u32, u32, *const u64, *mut u8, *mut HANDLE) -> u32,
        kind.as_ptr(), path.as_ptr(), 0, ptr::null(), 0, 0, parameters.as_ptr(), ptr::null_mut(), &mut disk);
    (code, file(code, disk))
}

pub fn open_disk(path: &str) -> (u32, Option<File>) {
    let (path, kind) = (wide(path), [0_u8; 20]);
    let mut disk: HANDLE = ptr::null_mut();
    let code = call!("virtdisk", "OpenVirtualDisk",
        (*const u8, *const u16, u32, u32, *const u8, *mut HANDLE) -> u32,
        kind.as_ptr(), path.as_ptr(), 0, 0, ptr::null(), &mut disk);
    (code, file(code, disk))
}

fn file(code: u32, disk: HANDLE) -> Option<File> {
    // SAFETY: handed to us, once.
    (code == 0).then(|| unsafe { File::from_raw_handle(disk.cast()) })
}

/// Attaches it for as long as it is open, or for good.
pub fn attach(disk: &File, permanent: bool) -> u32 {
    call!("virtdisk", "AttachVirtualDisk", (HANDLE, *const u8, u32, u32, *const u8, *mut u8) -> u32,
        disk.as_raw_handle().cast(), ptr::null(), if permanent { 4 } else { 0 }, 0, ptr::null(), ptr::null_mut())
}

pub fn detach(disk: &File) -> u32 {
    call!("virtdisk", "DetachVirtualDisk", (HANDLE, u32, u32) -> u32, disk.as_raw_handle().cast(), 0, 0)
}

pub fn expand(disk: &File, size: u64) -> u32 {
    let parameters = [1, size];
    call!("virtdisk", "ExpandVirtualDisk", (HANDLE, u32, *const u64, *mut u8) -> u32,
        disk.as_raw_handle().cast(), 0, parameters.as_ptr(), ptr::null_mut())
}

/// The path of the disk device for a buffer of so many bytes: the code, the bytes of the path, the path.
pub fn physical_path(disk: &File, room: u32) -> (u32, u32, String) {
    let (mut buffer, mut size) = ([0_u16; 64], room);
    let code = call!("virtdisk", "GetVirtualDiskPhysicalPath", (HANDLE, *mut u32, *mut u16) -> u32,
        disk.as_raw_handle().cast(), &mut size, buffer.as_mut_ptr());
    let end = buffer.iter().position(|unit| *unit == 0).unwrap();
    (code, size, String::from_utf16_lossy(&buffer[..end]))
}

/// What the disk below the volume has, in bytes.
pub fn length(volume: &File) -> std::io::Result<u64> {
    let mut length = 0_u64;
    control(volume, IOCTL_DISK_GET_LENGTH_INFO, &[], Some(&mut length)).map(|()| length)
}

/// Makes the volume's file system so many bytes.
pub fn extend(volume: &File, size: u64) -> std::io::Result<()> {
    control(volume, FSCTL_EXTEND_VOLUME, &(size / 512).to_le_bytes(), None)
}

fn control(volume: &File, code: u32, input: &[u8], output: Option<&mut u64>) -> std::io::Result<()> {
    let (output, size) = output.map_or((ptr::null_mut(), 0), |output| (ptr::from_mut(output), 8));
    let mut used = 0;
    // SAFETY: an open file, and buffers of these sizes.
    let done = unsafe {
        DeviceIoControl(
            volume.as_raw_handle().cast(),
            code,
            input.as_ptr().cast(),
            input.len() as u32,
            output.cast(),
            size,
            &mut used,
            ptr::null_mut(),
        )
    };
    if done == 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

pub fn setup_volume(layer: &str, volume: &str, options: &str) -> u32 {
    let (layer, volume, options) = (wide(layer), wide(volume), wide(options));
    call!("computestorage", "HcsSetupBaseOSVolume", (*const u16, *const u16, *const u16) -> u32,
        layer.as_ptr(), volume.as_ptr(), options.as_ptr())
}

pub fn format(disk: &File) -> u32 {
    call!("computestorage", "HcsFormatWritableLayerVhd", (HANDLE) -> u32, disk.as_raw_handle().cast())
}

pub fn mount_path(disk: &File) -> (u32, Option<String>) {
    let mut text = ptr::null_mut();
    let code = call!("computestorage", "HcsGetLayerVhdMountPath", (HANDLE, *mut *mut u16) -> u32,
        disk.as_raw_handle().cast(), &mut text);
    // SAFETY: the library's text.
    (code, unsafe { taken(text) })
}

pub fn initialize(volume: &str, data: &str) -> u32 {
    let (volume, data) = (wide(volume), wide(data));
    call!("computestorage", "HcsInitializeWritableLayer", (*const u16, *const u16, *const u16) -> u32,
        volume.as_ptr(), data.as_ptr(), ptr::null())
}

pub fn attach_filter(volume: &str, data: &str) -> u32 {
    let (volume, data) = (wide(volume), wide(data));
    call!("computestorage", "HcsAttachLayerStorageFilter", (*const u16, *const u16) -> u32, volume.as_ptr(), data.as_ptr())
}

pub fn detach_filter(volume: &str) -> u32 {
    let volume = wide(volume);
    call!("computestorage", "HcsDetachLayerStorageFilter", (*const u16) -> u32, volume.as_ptr())
}

pub fn destroy(layer: &str) -> u32 {
    let layer = wide(layer);
    call!("computestorage", "HcsDestroyLayer", (*const u16) -> u32, layer.as_ptr())
}

pub fn is_distribution(name: &str) -> bool {
    let name = wide(name);
    call!("wslapi", "WslIsDistributionRegistered", (*const u16) -> i32, name.as_ptr()) != 0
}
