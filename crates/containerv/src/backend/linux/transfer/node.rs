//! What stat(2) says of a file, as far as a copy needs it.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Stat, Timespec, Timestamps};
use rustix::io::Errno;

/// Permission bits with set-user-ID, set-group-ID and sticky.
pub(crate) const ALL_BITS: u32 = 0o7777;
/// The set-user-ID bit.
pub(crate) const SET_USER_ID: u32 = 0o4000;
/// The set-group-ID bit.
pub(crate) const SET_GROUP_ID: u32 = 0o2000;

pub(crate) use crate::backend::transfer::FileId;

/// Type, owner, times and size of one file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: FileType,
    /// Lower twelve bits of the mode.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) id: FileId,
    pub(crate) links: u64,
    pub(crate) size: u64,
    /// Allocated blocks of 512 bytes.
    pub(crate) blocks: u64,
    /// Device number of a device node.
    pub(crate) device: u64,
    pub(crate) accessed: Timespec,
    pub(crate) modified: Timespec,
}

impl Node {
    pub(crate) fn of(file: impl AsFd) -> Result<Self, Errno> {
        rustix::fs::fstat(file).map(Self::from)
    }

    /// Looks at `name` itself when it is a symbolic link.
    pub(crate) fn at(directory: impl AsFd, name: impl rustix::path::Arg) -> Result<Self, Errno> {
        rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(Self::from)
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// Says whether the file has holes, judged by the blocks it occupies.
    pub(crate) fn is_sparse(&self) -> bool {
        self.blocks.saturating_mul(512) < self.size
    }

    pub(crate) fn times(&self) -> Timestamps {
        Timestamps { last_access: self.accessed, last_modification: self.modified }
    }
}

impl From<Stat> for Node {
    #[allow(clippy::unnecessary_cast, reason = "the fields' types differ between architectures")]
    fn from(stat: Stat) -> Self {
        let time = |seconds: i64, nanoseconds: u64| Timespec {
            tv_sec: seconds,
            tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
        };
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            mode: stat.st_mode & ALL_BITS,
            uid: stat.st_uid,
            gid: stat.st_gid,
            id: (stat.st_dev as u64, stat.st_ino as u64),
            links: stat.st_nlink as u64,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            blocks: stat.st_blocks as u64,
            device: stat.st_rdev as u64,
            accessed: time(stat.st_atime as i64, stat.st_atime_nsec as u64),
            modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        }
    }
}
