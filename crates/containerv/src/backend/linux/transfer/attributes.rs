//! Owner, mode, times and extended attributes of what was made.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Gid, Mode, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::make::{Obstacle, chmod_opened};
use super::owners::Belonging;
use crate::archive::Attribute;

/// Largest list of names and largest value that the kernel hands out, from linux/limits.h.
const LARGEST: usize = 64 * 1024;

/// Which extended attributes are copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    /// `security.capability`: only root may set it, and it gives power like a set-user-ID bit.
    pub(crate) capabilities: bool,
    /// POSIX access control lists, which name users and groups by number.
    pub(crate) lists: bool,
    /// Others of the namespaces `trusted` and `security`, which are the machine's administrator's.
    pub(crate) privileged: bool,
}

impl Carried {
    /// Says whether the attribute of this name is copied.
    pub(crate) fn carries(self, name: &[u8]) -> bool {
        match name {
            b"security.capability" => self.capabilities,
            b"system.posix_acl_access" | b"system.posix_acl_default" => self.lists,
            // A label of this machine's policy.
            b"security.selinux" => false,
            // An overlay's own marks mean nothing elsewhere, and in another layer something else.
            _ if name.starts_with(b"user.overlay.") || name.starts_with(b"trusted.overlay.") => false,
            _ if name.starts_with(b"trusted.") || name.starts_with(b"security.") => self.privileged,
            _ => name.starts_with(b"user."),
        }
    }
}

/// Says whether an open file has extended attributes.
pub(crate) fn are_there(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    match rustix::fs::flistxattr(file, &mut [0u8; 1]) {
        // No name fits.
        Err(Errno::RANGE) => Ok(true),
        Ok(bytes) => Ok(bytes > 0),
        Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Reads the attributes of an open file or directory that are to be copied.
pub(crate) fn read(file: BorrowedFd<'_>, carried: Carried) -> Result<Vec<Attribute>, Errno> {
    // Most files have none, which one call with a small buffer says.
    let mut small = [0u8; 512];
    let large;
    let names = match rustix::fs::flistxattr(file, &mut small) {
        Ok(count) => &small[..count],
        Err(Errno::RANGE) => {
            large = fill(|buffer| rustix::fs::flistxattr(file, buffer))?;
            &large[..]
        }
        Err(Errno::OPNOTSUPP | Errno::PERM) => return Ok(Vec::new()),
        Err(errno) => return Err(errno),
    };
    let mut found = Vec::new();
    for name in names.split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if !carried.carries(name.to_bytes()) {
            continue;
        }
        match fill(|buffer| rustix::fs::fgetxattr(file, name, buffer)) {
            Ok(value) => found.push((name.to_bytes().to_vec(), value)),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

fn fill(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; LARGEST];
    let count = call(&mut buffer)?;
    buffer.truncate(count);
    buffer.shrink_to_fit();
    Ok(buffer)
}

/// Sets attributes; false if the file system cannot hold one of them, or the caller may not set it.
pub(crate) fn write(file: BorrowedFd<'_>, attributes: &[Attribute]) -> Result<bool, Obstacle> {
    let mut complete = true;
    for (name, value) in attributes {
        match rustix::fs::fsetxattr(file, &name[..], value, XattrFlags::empty()) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE | Errno::PERM) => {
                complete = false;
            }
            Err(errno) => return Err(Obstacle::System("set an extended attribute of", errno)),
        }
    }
    Ok(complete)
}

/// Gives an open file or directory its owner, mode, attributes and times; false if an attribute
/// could not be held.
///
/// The order matters: chown(2) clears set-user-ID bits and capabilities, setting an access control
/// list changes the mode's group bits to the same value, and everything changes times.
pub(crate) fn give(
    file: BorrowedFd<'_>,
    belonging: &Belonging,
    attributes: &[Attribute],
    times: &Timestamps,
) -> Result<bool, Obstacle> {
    let (owner, group) = (Some(Uid::from_raw(belonging.uid)), Some(Gid::from_raw(belonging.gid)));
    rustix::fs::fchown(file, owner, group).map_err(owned)?;
    let mode = Mode::from_raw_mode(belonging.mode);
    rustix::fs::fchmod(file, mode).map_err(|errno| Obstacle::System("set the mode of", errno))?;
    let complete = write(file, attributes)?;
    rustix::fs::futimens(file, times).map_err(stamped)?;
    Ok(complete)
}

/// Gives a symbolic link, FIFO or node, opened with `O_PATH`, its owner, mode and times.
pub(crate) fn give_opened(
    file: BorrowedFd<'_>,
    belonging: &Belonging,
    is_link: bool,
    times: &Timestamps,
) -> Result<(), Obstacle> {
    let (owner, group) = (Some(Uid::from_raw(belonging.uid)), Some(Gid::from_raw(belonging.gid)));
    rustix::fs::chownat(file, c"", owner, group, AtFlags::EMPTY_PATH).map_err(owned)?;
    if !is_link {
        chmod_opened(file, belonging.mode).map_err(|errno| Obstacle::System("set the mode of", errno))?;
    }
    rustix::fs::utimensat(file, c"", times, AtFlags::EMPTY_PATH).map_err(stamped)
}

fn owned(errno: Errno) -> Obstacle {
    Obstacle::System("set the owner of", errno)
}

fn stamped(errno: Errno) -> Obstacle {
    Obstacle::System("set the times of", errno)
}
