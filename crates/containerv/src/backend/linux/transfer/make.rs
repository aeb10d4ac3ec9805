//! Making files, directories, links and nodes under a name, replacing what may be replaced.
//!
//! Every function takes the directory as a descriptor and the name in it, and follows no link.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dev, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::node::Node;
use super::owners::Unmapped;
use super::place::{LOOK, is_kernel_file_system, unlink};
use crate::{Error, ErrorKind};

/// How often a name is cleared for a new file, when somebody keeps taking it.
const MOST_TRIES: usize = 100;

/// Why an entry could not be made, for the caller to say of which entry.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// A system call on the destination failed.
    System(&'static str, Errno),
    /// Reading the source failed.
    Read(Errno),
    /// The name belongs to a directory, and what is copied is none.
    Directory,
    /// The name belongs to something else, and what is copied is a directory.
    NotDirectory,
    /// The name belongs to a device node, and what is copied is none.
    Device,
    /// The name belongs to a file system of the kernel.
    KernelFileSystem,
    /// The owner does not exist on the other side.
    Unmapped(Unmapped),
}

impl Obstacle {
    /// Writes the failure of copying `source` to `destination`, both ready to print.
    pub(crate) fn into_error(self, source: &str, destination: &str) -> Error {
        let invalid = |text: String| Error::new(ErrorKind::InvalidArgument, text);
        match self {
            Self::System(step, errno) => {
                let error = Error::os(errno.raw_os_error(), format!("{step} {destination}"));
                hint_for(errno, error)
            }
            Self::Read(errno) => Error::os(errno.raw_os_error(), format!("read {source}")),
            Self::Directory => {
                invalid(format!("cannot overwrite directory {destination} with non-directory {source}"))
            }
            Self::NotDirectory => {
                invalid(format!("cannot overwrite non-directory {destination} with directory {source}"))
            }
            Self::Device => invalid(format!("cannot overwrite device {destination} with {source}"))
                .with_hint("remove the device first, or copy to a directory or a regular file"),
            Self::KernelFileSystem => invalid(format!(
                "{destination} is on a file system of the kernel, where writing is a command"
            ))
            .with_hint("write it from a process in the container"),
            Self::Unmapped(unmapped) => {
                let (what, id) = match unmapped {
                    Unmapped::User(id) => ("user", id),
                    Unmapped::Group(id) => ("group", id),
                };
                invalid(format!(
                    "keep the owner of {source}: {what} id {id} is not in the container's mapping"
                ))
                .with_hint("copy without keeping owners, or give the container a mapping with this id")
            }
        }
    }
}

fn hint_for(errno: Errno, error: Error) -> Error {
    match errno {
        Errno::BUSY => error.with_hint("it is a mount point; copy to the mount's source on the host"),
        Errno::ROFS => error.with_hint("the container's root or this mount is read-only"),
        Errno::STALE => error.with_hint("a process moved the directory meanwhile; copy again"),
        Errno::EXIST => error.with_hint("a process keeps making this name; stop or pause the container"),
        _ => error,
    }
}

/// Runs `make`, and removes the file that has the name already until it succeeds. Only another
/// device node takes the place of a device node: `/dev/null` must not become a file by accident.
fn replacing<T>(
    parent: BorrowedFd<'_>,
    name: &CStr,
    kind: FileType,
    mut make: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Obstacle> {
    let is_device = |kind| matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
    for _ in 0..MOST_TRIES {
        match make() {
            Err(Errno::EXIST) => {
                let found = Node::at(parent, name).map(|node| node.kind);
                if !is_device(kind) && found.is_ok_and(is_device) {
                    return Err(Obstacle::Device);
                }
                clear(parent, name)?;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Obstacle::System("create", errno)),
            Ok(made) => return Ok(made),
        }
    }
    Err(Obstacle::System("replace", Errno::EXIST))
}

fn clear(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Obstacle> {
    match unlink(parent, name) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => Err(Obstacle::Directory),
        Err(errno) => Err(Obstacle::System("replace", errno)),
    }
}

/// Makes an empty regular file, open for writing. `mode` is subject to the umask.
///
/// A file that is there gives its name to the new one, so other names of it, and who has it open,
/// keep the old content. One that is a mount point is written in place.
pub(crate) fn file(parent: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<OwnedFd, Obstacle> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(mode);
    let made =
        replacing(parent, name, FileType::RegularFile, || rustix::fs::openat(parent, name, flags, mode));
    match made {
        Err(Obstacle::System(_, Errno::BUSY)) => mounted_file(parent, name),
        other => other,
    }
}

fn mounted_file(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Obstacle> {
    let busy = Obstacle::System("replace", Errno::BUSY);
    let looked = Node::at(parent, name).map_err(|errno| Obstacle::System("stat", errno))?;
    if looked.kind != FileType::RegularFile {
        return Err(busy);
    }
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = |errno| Obstacle::System("open", errno);
    let file = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(open)?;
    if Node::of(&file).map_err(open)?.id != looked.id {
        return Err(busy);
    }
    if is_kernel_file_system(&file).map_err(open)? {
        return Err(Obstacle::KernelFileSystem);
    }
    rustix::fs::ftruncate(&file, 0).map_err(open)?;
    Ok(file)
}

/// A directory of the destination.
pub(crate) struct Directory {
    pub(crate) file: OwnedFd,
    pub(crate) node: Node,
    /// How `file` was opened.
    pub(crate) flags: OFlags,
    /// It was not there before.
    pub(crate) new: bool,
}

/// Makes a directory that only the caller may enter, or opens the one that is there.
pub(crate) fn directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<Directory, Obstacle> {
    for _ in 0..MOST_TRIES {
        match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
            Ok(()) => return new_directory(parent, name),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(Obstacle::System("create the directory", errno)),
        }
        match rustix::fs::openat(parent, name, LOOK | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(file) => return existing_directory(file),
            Err(Errno::NOENT) => {}
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(Obstacle::NotDirectory),
            Err(errno) => return Err(Obstacle::System("open the directory", errno)),
        }
    }
    Err(Obstacle::System("create the directory", Errno::EXIST))
}

fn new_directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<Directory, Obstacle> {
    let open = |errno| Obstacle::System("open the directory", errno);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(open)?;
    let node = Node::of(&file).map_err(open)?;
    // mkdirat(2) returns no descriptor, so somebody may have put another directory there since.
    if node.uid != rustix::process::geteuid().as_raw() || node.links > 2 {
        return Err(open(Errno::STALE));
    }
    Ok(Directory { file, node, flags, new: true })
}

fn existing_directory(file: OwnedFd) -> Result<Directory, Obstacle> {
    let stat = |errno| Obstacle::System("stat the directory", errno);
    let node = Node::of(&file).map_err(stat)?;
    if is_kernel_file_system(&file).map_err(stat)? {
        return Err(Obstacle::KernelFileSystem);
    }
    Ok(Directory { file, node, flags: LOOK, new: false })
}

/// Makes a symbolic link and returns it, opened with `O_PATH`.
pub(crate) fn symlink(parent: BorrowedFd<'_>, name: &CStr, target: &[u8]) -> Result<OwnedFd, Obstacle> {
    replacing(parent, name, FileType::Symlink, || rustix::fs::symlinkat(target, parent, name))?;
    adopt(parent, name, FileType::Symlink)
}

/// Makes a FIFO or a device node and returns it, opened with `O_PATH`.
pub(crate) fn special(
    parent: BorrowedFd<'_>,
    name: &CStr,
    kind: FileType,
    device: u64,
) -> Result<OwnedFd, Obstacle> {
    let device: Dev = device;
    replacing(parent, name, kind, || {
        rustix::fs::mknodat(parent, name, kind, Mode::RUSR | Mode::WUSR, device)
    })?;
    adopt(parent, name, kind)
}

/// Opens what was just made, so that whatever takes its name next is not touched in its place.
fn adopt(parent: BorrowedFd<'_>, name: &CStr, kind: FileType) -> Result<OwnedFd, Obstacle> {
    let open = |errno| Obstacle::System("open", errno);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(open)?;
    if Node::of(&file).map_err(open)?.kind != kind {
        return Err(open(Errno::STALE));
    }
    Ok(file)
}

/// Gives a file one more name. `Ok(None)` when the file system cannot, or when the first name now
/// belongs to another file than `id`.
pub(crate) fn hard_link(
    first: (BorrowedFd<'_>, &[u8]),
    id: super::node::FileId,
    parent: BorrowedFd<'_>,
    name: &CStr,
) -> Result<Option<()>, Obstacle> {
    let link = || rustix::fs::linkat(first.0, first.1, parent, name, AtFlags::empty());
    match replacing(parent, name, FileType::Unknown, link) {
        Ok(()) => {}
        Err(Obstacle::System("create", Errno::XDEV | Errno::MLINK | Errno::NOENT | Errno::PERM)) => {
            return Ok(None);
        }
        Err(obstacle) => return Err(obstacle),
    }
    match Node::at(parent, name) {
        Ok(node) if node.id == id => Ok(Some(())),
        _ => clear(parent, name).map(|()| None),
    }
}

/// Sets the mode of a file that is open with `O_PATH` only, which fchmod(2) does not take.
pub(crate) fn chmod_opened(file: impl AsFd, mode: u32) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    rustix::fs::chmod(path, Mode::from_raw_mode(mode))
}
