//! `computestorage.dll`, `virtdisk.dll` and `wslapi.dll` for tests.

use std::fs::File;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::ptr;

use windows_sys::Win32::Foundation::HANDLE;

use crate::api::{taken, wide};
use crate::call;

/// Creates a virtual disk of the second version's parameters: code of Win32, and the open disk.
pub fn create_disk(path: &str) -> (u32, Option<File>) {
    let path = wide(path);
    let (kind, mut parameters) = ([0_u8; 20], [0_u64; 16]);
    parameters[0] = 2;
    let mut disk: HANDLE = ptr::null_mut();
    let code = call!("virtdisk", "CreateVirtualDisk",
        (*const u8, *const u16, u32, *const u8, u32, u32, *const u64, *mut u8, *mut HANDLE) -> u32,
        kind.as_ptr(), path.as_ptr(), 0, ptr::null(), 0, 0, parameters.as_ptr(), ptr::null_mut(), &mut disk);
    // SAFETY: handed to us, once.
    (code, (code == 0).then(|| unsafe { File::from_raw_handle(disk.cast()) }))
}

pub fn attach(disk: &File) -> u32 {
    call!("virtdisk", "AttachVirtualDisk", (HANDLE, *const u8, u32, u32, *const u8, *mut u8) -> u32,
        disk.as_raw_handle().cast(), ptr::null(), 0, 0, ptr::null(), ptr::null_mut())
}

pub fn detach(disk: &File) -> u32 {
    call!("virtdisk", "DetachVirtualDisk", (HANDLE, u32, u32) -> u32, disk.as_raw_handle().cast(), 0, 0)
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
