//! Volumes: their names, where they are mounted, and making them larger.

// UNSAFETY: functions for volumes, which the standard library does not have.
#![allow(unsafe_code, reason = "volumes have no safe wrapper")]

use std::fs::OpenOptions;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::path::{Path, PathBuf};
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_NAME_NORMALIZED, GetDiskFreeSpaceExW, GetFinalPathNameByHandleW,
    GetVolumeInformationW, GetVolumeNameForVolumeMountPointW, GetVolumePathNameW,
    GetVolumePathNamesForVolumeNameW,
};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    FSCTL_EXTEND_VOLUME, GET_LENGTH_INFORMATION, IOCTL_DISK_GET_LENGTH_INFO,
};

use super::wide::{self, Wide};

/// The longest path that the system has, in units.
const MAX_PATH_UNITS: usize = 32_768;
/// `\\?\Volume{GUID}\` and its NUL.
const VOLUME_NAME_UNITS: usize = 50;
const SECTOR: i64 = 512;

/// Returns where a path really leads, with all links and mounts followed: an absolute path without
/// the prefix that `GetFinalPathNameByHandleW` gives it, or with it if it needs that.
///
/// # Errors
///
/// The system's, `NotFound` if there is nothing.
pub fn final_path(path: &Path) -> io::Result<PathBuf> {
    // Directories are opened with this flag only, and no right at all is needed.
    let file = OpenOptions::new().access_mode(0).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)?;
    let mut buffer = vec![0_u16; 512];
    loop {
        // SAFETY: the file is open; the buffer is as large as said.
        let units = unsafe {
            let (start, size) = (buffer.as_mut_ptr(), buffer.len() as u32);
            GetFinalPathNameByHandleW(file.as_raw_handle(), start, size, FILE_NAME_NORMALIZED)
        };
        match units as usize {
            0 => return Err(io::Error::last_os_error()),
            units if units < buffer.len() => return Ok(plain(&wide::from_buffer(&buffer))),
            // With room for the NUL, which the answer then counts.
            units if units <= MAX_PATH_UNITS => buffer.resize(units + 1, 0),
            _ => return Err(io::Error::from(io::ErrorKind::InvalidFilename)),
        }
    }
}

/// Takes the prefix off where the rest is a path that every function understands.
fn plain(path: &str) -> PathBuf {
    /// `MAX_PATH`, its NUL included.
    const SHORT: usize = 260;
    let drive = path.strip_prefix(r"\\?\").filter(|rest| rest.as_bytes().get(1) == Some(&b':'));
    match (path.strip_prefix(r"\\?\UNC\"), drive) {
        (Some(share), _) if share.len() + 2 < SHORT => format!(r"\\{share}").into(),
        (None, Some(rest)) if rest.len() < SHORT => rest.into(),
        _ => path.into(),
    }
}

/// Returns the path below which a file's volume is mounted, such as `C:\`.
///
/// # Errors
///
/// The system's.
pub fn mount_of(path: &Path) -> io::Result<PathBuf> {
    let path = Wide::path(path)?;
    let mut buffer = vec![0_u16; MAX_PATH_UNITS];
    // SAFETY: the path outlives the call; the buffer is as large as said.
    let success = unsafe { GetVolumePathNameW(path.as_ptr(), buffer.as_mut_ptr(), buffer.len() as u32) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(wide::from_buffer(&buffer).into()) }
}

/// Returns how many bytes the caller can still write below a directory.
///
/// # Errors
///
/// The system's.
pub fn free_bytes(directory: &Path) -> io::Result<u64> {
    let directory = Wide::path(directory)?;
    let mut free = 0;
    // SAFETY: the path outlives the call, and the number takes the answer; the others are not wanted.
    let success =
        unsafe { GetDiskFreeSpaceExW(directory.as_ptr(), &raw mut free, ptr::null_mut(), ptr::null_mut()) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(free) }
}

/// Returns the file system of what is mounted at a path that [`mount_of`] returns, such as `NTFS`.
///
/// # Errors
///
/// The system's.
pub fn file_system(mount: &Path) -> io::Result<String> {
    let mount = Wide::path(mount)?;
    let mut name = [0_u16; 64];
    // SAFETY: the path outlives the call; the buffer is as large as said; the rest is not wanted.
    let success = unsafe {
        GetVolumeInformationW(
            mount.as_ptr(),
            ptr::null_mut(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            name.as_mut_ptr(),
            name.len() as u32,
        )
    };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(wide::from_buffer(&name)) }
}

/// Returns the name of the volume that is mounted at a path: `\\?\Volume{GUID}\`, with the
/// backslash.
///
/// # Errors
///
/// The system's.
pub fn name_of_mount(mount: &Path) -> io::Result<String> {
    let mut mount = mount.as_os_str().to_owned();
    if !mount.as_encoded_bytes().ends_with(b"\\") {
        mount.push("\\");
    }
    let mount = Wide::path(mount.as_ref())?;
    let mut name = [0_u16; VOLUME_NAME_UNITS];
    // SAFETY: the path outlives the call; the buffer is as large as said.
    let success =
        unsafe { GetVolumeNameForVolumeMountPointW(mount.as_ptr(), name.as_mut_ptr(), name.len() as u32) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(wide::from_buffer(&name)) }
}

/// Returns where a volume is mounted: drive letters and directories.
///
/// # Errors
///
/// The system's.
pub fn mounts_of(volume: &str) -> io::Result<Vec<PathBuf>> {
    let volume = Wide::path(volume.as_ref())?;
    let mut buffer = vec![0_u16; 512];
    loop {
        let mut units = 0;
        // SAFETY: the name outlives the call; the buffer is as large as said.
        let success = unsafe {
            let (start, size) = (buffer.as_mut_ptr(), buffer.len() as u32);
            GetVolumePathNamesForVolumeNameW(volume.as_ptr(), start, size, &raw mut units)
        };
        if success != 0 {
            return Ok(list(&buffer));
        }
        let error = io::Error::last_os_error();
        let more = error.raw_os_error() == Some(ERROR_MORE_DATA.cast_signed());
        if !more || !(buffer.len() + 1..=MAX_PATH_UNITS).contains(&(units as usize)) {
            return Err(error);
        }
        buffer.resize(units as usize, 0);
    }
}

/// Texts that each end with a NUL, the last of them empty.
fn list(units: &[u16]) -> Vec<PathBuf> {
    let texts = units.split(|unit| *unit == 0).take_while(|text| !text.is_empty());
    texts.map(|text| std::ffi::OsString::from_wide(text).into()).collect()
}

/// Makes a volume's file system as large as its partition, after the disk below has grown.
///
/// # Errors
///
/// The system's.
pub fn extend(volume: BorrowedHandle<'_>) -> io::Result<()> {
    let mut length = GET_LENGTH_INFORMATION::default();
    let size = size_of::<GET_LENGTH_INFORMATION>() as u32;
    // SAFETY: the structure has room for `size` bytes.
    unsafe { control(volume, IOCTL_DISK_GET_LENGTH_INFO, (ptr::null::<u8>(), 0), (&raw mut length, size))? };
    let sectors = length.Length / SECTOR;
    let input = (&raw const sectors, size_of::<i64>() as u32);
    // SAFETY: the number has as many bytes as said.
    unsafe { control(volume, FSCTL_EXTEND_VOLUME, input, (ptr::null_mut::<u8>(), 0)) }
}

/// # Safety
///
/// Each pointer leads to as many bytes as the number beside it says.
unsafe fn control<I, O>(
    device: BorrowedHandle<'_>,
    code: u32,
    input: (*const I, u32),
    output: (*mut O, u32),
) -> io::Result<()> {
    let mut used = 0;
    // SAFETY: as the caller promises; the handle is borrowed, and the call waits for its end.
    let success = unsafe {
        DeviceIoControl(
            device.as_raw_handle(),
            code,
            input.0.cast(),
            input.1,
            output.0.cast(),
            output.1,
            &raw mut used,
            ptr::null_mut(),
        )
    };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::windows::io::AsHandle;

    use super::*;

    #[test]
    fn the_programs_volume_has_a_mount_and_a_name() {
        let mount = mount_of(Path::new(r"C:\windows\system32")).unwrap();
        assert_eq!(mount, Path::new(r"C:\"));
        let name = name_of_mount(&mount).unwrap();
        assert!(name.starts_with(r"\\?\Volume{") && name.ends_with(r"}\"), "{name}");
        assert_eq!(name_of_mount(Path::new("C:")).unwrap(), name);
        let mounts = mounts_of(&name).unwrap();
        assert!(mounts.contains(&mount), "{mounts:?}");
        assert_eq!(file_system(&mount).unwrap(), "NTFS");
        assert!(free_bytes(&mount).unwrap() > 0);
        free_bytes(Path::new(r"C:\containerv-none\x")).unwrap_err();
    }

    #[test]
    fn paths_lead_to_what_is_there() {
        let path = std::env::temp_dir().join(r"nothing\..\.").join("containerv-none");
        assert_eq!(final_path(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let directory = final_path(Path::new(r"C:\windows\.\system32\..")).unwrap();
        assert!(directory.to_string_lossy().eq_ignore_ascii_case(r"C:\windows"), "{directory:?}");
        let file = final_path(&std::env::current_exe().unwrap()).unwrap();
        assert!(file.is_absolute() && file.is_file());
    }

    #[test]
    fn prefixes_stay_where_they_are_needed() {
        assert_eq!(plain(r"\\?\C:\data"), Path::new(r"C:\data"));
        assert_eq!(plain(r"\\?\UNC\server\share"), Path::new(r"\\server\share"));
        let volume = r"\\?\Volume{baac0fd5-16b7-405b-9621-112aa8e3d973}\data";
        assert_eq!(plain(volume), Path::new(volume));
        let long = format!(r"\\?\C:\{}", "x".repeat(300));
        assert_eq!(plain(&long), Path::new(&long));
    }

    #[test]
    fn lists_end_with_an_empty_text() {
        let units: Vec<u16> = "C:\\\0D:\\x\\\0\0rubbish".encode_utf16().collect();
        assert_eq!(list(&units), [Path::new(r"C:\"), Path::new(r"D:\x\")]);
        assert!(list(&[0, 0]).is_empty() && list(&[]).is_empty());
    }

    #[test]
    fn a_file_is_no_volume() {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        extend(file.as_handle()).unwrap_err();
    }
}
