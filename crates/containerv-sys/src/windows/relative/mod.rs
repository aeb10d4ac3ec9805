//! Files by the handle of their directory and one name.
//!
//! A path that somebody else can change is walked one component at a time: each is opened by the
//! handle of the directory before it, and as what it is itself, so that no junction or symbolic link
//! leads elsewhere. Names are the file system's own here: nothing drops dots at their end or makes a
//! device of them.

// UNSAFETY: calls of ntdll.dll with structures of pointers.
#![allow(unsafe_code, reason = "calls of ntdll.dll")]

mod content;
mod extended;
mod information;
mod list;
mod reparse;
mod security;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_CREATE, FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, FILE_OPEN, FILE_OPEN_FOR_BACKUP_INTENT,
    FILE_OPEN_REPARSE_POINT, FILE_SYNCHRONOUS_IO_NONALERT, NtCreateFile,
};
use windows_sys::Win32::Foundation::{NTSTATUS, OBJ_CASE_INSENSITIVE, RtlNtStatusToDosError, UNICODE_STRING};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_FLAG_BACKUP_SEMANTICS, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_READ_DATA,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_TRAVERSE, FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA, FILE_WRITE_EA, READ_CONTROL, SYNCHRONIZE, WRITE_DAC, WRITE_OWNER,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

pub use content::{allocated_ranges, set_sparse};
pub use extended::set_extended;
pub use information::{
    ATTRIBUTES_KEPT, DIRECTORY, Information, READ_ONLY, REPARSE_POINT, SPARSE, Times, allocated, changed,
    hard_link, information, remove, reparse_tag, set_attributes, set_times,
};
pub use list::{Entry, Listing, actual_name};
pub use reparse::{reparse_data, set_reparse_data};
pub use security::{security_descriptor, set_security_descriptor};

/// What a handle is good for. All of them tell attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u32);

impl Access {
    /// To look at attributes.
    pub const LOOK: Self = Self(FILE_READ_ATTRIBUTES | SYNCHRONIZE);
    /// To list a directory and to open what is in it.
    pub const LIST: Self = Self(FILE_LIST_DIRECTORY | FILE_TRAVERSE | Self::LOOK.0);
    /// To read a file.
    pub const READ: Self = Self(FILE_READ_DATA | Self::LOOK.0);
    /// To write a file, give it attributes and remove it.
    pub const WRITE: Self = Self(FILE_WRITE_DATA | Self::CHANGE.0 | DELETE);
    /// To give attributes.
    pub const CHANGE: Self = Self(FILE_WRITE_ATTRIBUTES | Self::LOOK.0);
    /// To remove.
    pub const REMOVE: Self = Self(DELETE | Self::CHANGE.0);
    /// To read the security descriptor.
    pub const READ_SECURITY: Self = Self(READ_CONTROL);
    /// To change it.
    pub const WRITE_SECURITY: Self = Self(READ_CONTROL | WRITE_DAC | WRITE_OWNER);

    /// To give extended attributes.
    pub const WRITE_EXTENDED: Self = Self(FILE_WRITE_EA);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How a name is opened.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// What for.
    pub access: Access,
    /// It has to be a directory, or must not be one.
    pub directory: Option<bool>,
    /// Make it; then it must not be there.
    pub create: bool,
    /// With the privileges of backup programs, where they are enabled, instead of what access lists say.
    pub backup: bool,
    /// Through a reparse point, where whoever owns that leads; only for a file whose
    /// identity is compared afterwards.
    pub through: bool,
}

impl How {
    /// Opens what is there.
    pub const fn open(access: Access, backup: bool) -> Self {
        Self { access, directory: None, create: false, backup, through: false }
    }

    /// Opens a directory that is there.
    pub const fn directory(access: Access, backup: bool) -> Self {
        Self { directory: Some(true), ..Self::open(access, backup) }
    }

    /// Makes a file.
    pub const fn new_file(access: Access, backup: bool) -> Self {
        Self { directory: Some(false), create: true, ..Self::open(access, backup) }
    }

    /// Makes a directory.
    pub const fn new_directory(access: Access, backup: bool) -> Self {
        Self { directory: Some(true), create: true, ..Self::open(access, backup) }
    }

    fn options(self) -> u32 {
        let mut options = FILE_SYNCHRONOUS_IO_NONALERT;
        options |= match self.directory {
            Some(true) => FILE_DIRECTORY_FILE,
            Some(false) => FILE_NON_DIRECTORY_FILE,
            None => 0,
        };
        options |= if self.backup { FILE_OPEN_FOR_BACKUP_INTENT } else { 0 };
        options | if self.through { 0 } else { FILE_OPEN_REPARSE_POINT }
    }
}

/// Opens a file or directory by a path, through every link in it: for paths of the caller's own.
///
/// # Errors
///
/// The system's.
pub fn open_path(path: &Path, access: Access) -> io::Result<OwnedHandle> {
    let mut options = OpenOptions::new();
    options.access_mode(access.0).share_mode(ALL).custom_flags(FILE_FLAG_BACKUP_SEMANTICS);
    options.open(path).map(OwnedHandle::from)
}

const ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// Opens or makes `name`, in UTF-16, in a directory.
///
/// # Errors
///
/// `InvalidFilename` for what is no single name, such as `..`, `a\b` and `a:b`; else the system's.
/// `AlreadyExists` if it was to be made.
pub fn open(directory: BorrowedHandle<'_>, name: &[u16], how: How) -> io::Result<OwnedHandle> {
    check(name)?;
    call(directory, name, how)
}

/// Opens or makes a stream of `name`, which is there, in a directory.
///
/// # Errors
///
/// As [`open`]; also for a stream's name that is none.
pub fn open_stream(
    directory: BorrowedHandle<'_>,
    name: &[u16],
    stream: &[u16],
    how: How,
) -> io::Result<OwnedHandle> {
    check(name)?;
    check(stream)?;
    call(directory, &[name, &[u16::from(b':')], stream].concat(), how)
}

/// Opens a file or directory once more, for something else.
///
/// # Errors
///
/// The system's.
pub fn reopen(file: BorrowedHandle<'_>, how: How) -> io::Result<OwnedHandle> {
    call(file, &[], how)
}

fn call(directory: BorrowedHandle<'_>, name: &[u16], how: How) -> io::Result<OwnedHandle> {
    let name = unicode(name)?;
    let object = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: directory.as_raw_handle(),
        ObjectName: &raw const name,
        Attributes: OBJ_CASE_INSENSITIVE,
        SecurityDescriptor: ptr::null(),
        SecurityQualityOfService: ptr::null(),
    };
    let (mut handle, mut status) = (ptr::null_mut(), IO_STATUS_BLOCK::default());
    let disposition = if how.create { FILE_CREATE } else { FILE_OPEN };
    // SAFETY: the structures and what they point to outlive the call, which waits for its end; the
    // directory is borrowed; `handle` takes the answer.
    let code = unsafe {
        NtCreateFile(
            &raw mut handle,
            how.access.0,
            &raw const object,
            &raw mut status,
            ptr::null(),
            0,
            ALL,
            disposition,
            how.options(),
            ptr::null(),
            0,
        )
    };
    checked(code)?;
    // SAFETY: the call opened it just now, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A name as the kernel wants it; it refers to `name`.
fn unicode(name: &[u16]) -> io::Result<UNICODE_STRING> {
    let length =
        u16::try_from(size_of_val(name)).map_err(|_| io::Error::from(io::ErrorKind::InvalidFilename))?;
    Ok(UNICODE_STRING { Length: length, MaximumLength: length, Buffer: name.as_ptr().cast_mut() })
}

/// One component: the file system would read a separator as a way down, and a colon as a stream.
fn check(name: &[u16]) -> io::Result<()> {
    const DOT: u16 = b'.' as u16;
    let special = |unit: &u16| matches!(u8::try_from(*unit), Ok(b'\\' | b'/' | b':' | 0));
    match name {
        [] | [DOT] | [DOT, DOT] => Err(io::ErrorKind::InvalidFilename.into()),
        name if name.iter().any(special) => Err(io::ErrorKind::InvalidFilename.into()),
        _ => Ok(()),
    }
}

fn checked(code: NTSTATUS) -> io::Result<()> {
    if code >= 0 {
        return Ok(());
    }
    // SAFETY: a translation of numbers.
    let number = unsafe { RtlNtStatusToDosError(code) };
    Err(io::Error::from_raw_os_error(number.cast_signed()))
}
