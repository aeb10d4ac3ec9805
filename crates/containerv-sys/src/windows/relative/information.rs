//! What a file is, its times and attributes, and its names.

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Wdk::Storage::FileSystem::{FileLinkInformation, NtSetInformationFile};
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, FILETIME,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_NOT_CONTENT_INDEXED, FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_SPARSE_FILE, FILE_ATTRIBUTE_SYSTEM, FILE_ATTRIBUTE_TAG_INFO,
    FILE_BASIC_INFO, FILE_DISPOSITION_FLAG_DELETE, FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE,
    FILE_DISPOSITION_FLAG_POSIX_SEMANTICS, FILE_DISPOSITION_INFO, FILE_DISPOSITION_INFO_EX,
    FILE_INFO_BY_HANDLE_CLASS, FILE_STANDARD_INFO, FileAttributeTagInfo, FileBasicInfo, FileDispositionInfo,
    FileDispositionInfoEx, FileStandardInfo, GetFileInformationByHandle, GetFileInformationByHandleEx,
    SetFileInformationByHandle,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::{check, checked};

/// The attribute of directories.
pub const DIRECTORY: u32 = FILE_ATTRIBUTE_DIRECTORY;
/// The attribute of links and whatever else leads elsewhere or is completed by a filter.
pub const REPARSE_POINT: u32 = FILE_ATTRIBUTE_REPARSE_POINT;
/// The attribute of files that may have holes.
pub const SPARSE: u32 = FILE_ATTRIBUTE_SPARSE_FILE;
/// The attribute that forbids to write and to remove.
pub const READ_ONLY: u32 = FILE_ATTRIBUTE_READONLY;
/// Attributes that say something of a file and nothing of how it is stored.
pub const ATTRIBUTES_KEPT: u32 = FILE_ATTRIBUTE_READONLY
    | FILE_ATTRIBUTE_HIDDEN
    | FILE_ATTRIBUTE_SYSTEM
    | FILE_ATTRIBUTE_ARCHIVE
    | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED;

/// Times in units of 100 ns since 1601; 0 leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When it was made.
    pub created: i64,
    /// When it was read last.
    pub accessed: i64,
    /// When it was written last.
    pub modified: i64,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Information {
    /// `FILE_ATTRIBUTE_...`.
    pub attributes: u32,
    /// Its times.
    pub times: Times,
    /// Bytes of content.
    pub size: u64,
    /// How many names it has.
    pub links: u32,
    /// Which file it is: number of the volume, and of the file there.
    pub id: (u64, u64),
}

/// Tells what an open file or directory is.
///
/// # Errors
///
/// The system's, as for all functions here.
pub fn information(file: BorrowedHandle<'_>) -> io::Result<Information> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the file is open; `found` takes the answer.
    let success = unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut found) };
    if success == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Information {
        attributes: found.dwFileAttributes,
        times: Times {
            created: ticks(found.ftCreationTime),
            accessed: ticks(found.ftLastAccessTime),
            modified: ticks(found.ftLastWriteTime),
        },
        size: joined(found.nFileSizeHigh, found.nFileSizeLow),
        links: found.nNumberOfLinks,
        id: (u64::from(found.dwVolumeSerialNumber), joined(found.nFileIndexHigh, found.nFileIndexLow)),
    })
}

fn joined(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn ticks(time: FILETIME) -> i64 {
    joined(time.dwHighDateTime, time.dwLowDateTime).cast_signed()
}

/// Says what kind of reparse point it is; 0 for other files.
///
/// # Errors
///
/// The system's.
pub fn reparse_tag(file: BorrowedHandle<'_>) -> io::Result<u32> {
    let mut found = FILE_ATTRIBUTE_TAG_INFO::default();
    query(file, FileAttributeTagInfo, &mut found)?;
    Ok(if found.FileAttributes & REPARSE_POINT == 0 { 0 } else { found.ReparseTag })
}

/// Tells when anything of a file changed last, in units of 100 ns since 1601.
///
/// # Errors
///
/// The system's.
pub fn changed(file: BorrowedHandle<'_>) -> io::Result<i64> {
    let mut found = FILE_BASIC_INFO::default();
    query(file, FileBasicInfo, &mut found)?;
    Ok(found.ChangeTime)
}

/// Tells how many bytes a file takes on the disk.
///
/// # Errors
///
/// The system's.
pub fn allocated(file: BorrowedHandle<'_>) -> io::Result<u64> {
    let mut found = FILE_STANDARD_INFO::default();
    query(file, FileStandardInfo, &mut found)?;
    Ok(found.AllocationSize.try_into().unwrap_or(0))
}

fn query<T>(file: BorrowedHandle<'_>, class: FILE_INFO_BY_HANDLE_CLASS, found: &mut T) -> io::Result<()> {
    let size = size_of::<T>() as u32;
    // SAFETY: the file is open; `found` is the structure of this class, as large as said.
    let success =
        unsafe { GetFileInformationByHandleEx(file.as_raw_handle(), class, (&raw mut *found).cast(), size) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn set<T>(file: BorrowedHandle<'_>, class: FILE_INFO_BY_HANDLE_CLASS, value: &T) -> io::Result<()> {
    let size = size_of::<T>() as u32;
    // SAFETY: as above; the structure is only read.
    let success =
        unsafe { SetFileInformationByHandle(file.as_raw_handle(), class, (&raw const *value).cast(), size) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets times, and of the attributes those that are kept.
///
/// # Errors
///
/// The system's.
pub fn set_times(file: BorrowedHandle<'_>, times: &Times, attributes: u32) -> io::Result<()> {
    // No attribute at all would mean to leave them as they are.
    let attributes = attributes & ATTRIBUTES_KEPT
        | if attributes & ATTRIBUTES_KEPT == 0 { FILE_ATTRIBUTE_NORMAL } else { 0 };
    let value = FILE_BASIC_INFO {
        CreationTime: times.created,
        LastAccessTime: times.accessed,
        LastWriteTime: times.modified,
        ChangeTime: 0,
        FileAttributes: attributes,
    };
    set(file, FileBasicInfo, &value)
}

/// Sets attributes and leaves times as they are.
///
/// # Errors
///
/// The system's.
pub fn set_attributes(file: BorrowedHandle<'_>, attributes: u32) -> io::Result<()> {
    set_times(file, &Times::default(), attributes)
}

/// Removes the name by which a file or empty directory was opened, at once where the system can do
/// that, although others have it open, and although it is read-only.
///
/// # Errors
///
/// The system's; `DirectoryNotEmpty`.
pub fn remove(file: BorrowedHandle<'_>) -> io::Result<()> {
    let flags = FILE_DISPOSITION_FLAG_DELETE
        | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS
        | FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE;
    match set(file, FileDispositionInfoEx, &FILE_DISPOSITION_INFO_EX { Flags: flags }) {
        // Windows before 10, and file systems other than NTFS.
        Err(error) if is_unknown(&error) => {}
        outcome => return outcome,
    }
    let attributes = information(file)?.attributes;
    if attributes & READ_ONLY != 0 {
        set_attributes(file, attributes & !READ_ONLY)?;
    }
    set(file, FileDispositionInfo, &FILE_DISPOSITION_INFO { DeleteFile: true })
}

fn is_unknown(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(i32::cast_unsigned);
    matches!(number, Some(ERROR_INVALID_PARAMETER | ERROR_NOT_SUPPORTED | ERROR_INVALID_FUNCTION))
}

/// `FILE_LINK_INFORMATION`, without the name at its end.
#[repr(C)]
struct LinkHead {
    replace: u32,
    directory: usize,
    name_bytes: u32,
}

/// Gives a file one more name.
///
/// # Errors
///
/// `AlreadyExists`; `InvalidFilename` as [`super::open`]; else the system's.
pub fn hard_link(file: BorrowedHandle<'_>, directory: BorrowedHandle<'_>, name: &[u16]) -> io::Result<()> {
    const NAME: usize = std::mem::offset_of!(LinkHead, name_bytes) + size_of::<u32>();
    check(name)?;
    let bytes =
        u32::try_from(size_of_val(name)).map_err(|_| io::Error::from(io::ErrorKind::InvalidFilename))?;
    // In units of eight bytes, because the head has a pointer.
    let mut buffer = vec![0_u64; (NAME + size_of_val(name)).max(size_of::<LinkHead>()).div_ceil(8)];
    let head = LinkHead { replace: 0, directory: directory.as_raw_handle() as usize, name_bytes: bytes };
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: the buffer is aligned and has room for the head and the name behind its fields.
    unsafe {
        let start = buffer.as_mut_ptr();
        start.cast::<LinkHead>().write(head);
        std::ptr::copy_nonoverlapping(name.as_ptr(), start.cast::<u8>().add(NAME).cast::<u16>(), name.len());
    }
    let length = (buffer.len() * 8) as u32;
    // SAFETY: the file is open and the directory borrowed; the buffer has as many bytes as said.
    let code = unsafe {
        let start = buffer.as_ptr().cast();
        NtSetInformationFile(file.as_raw_handle(), &raw mut status, start, length, FileLinkInformation)
    };
    checked(code)
}
