//! Files into and out of a container, confined to its root.
//!
//! The container's side is never named by a path that the kernel resolves from the host's root:
//! the path that the caller gives is opened with openat2(2) below the root's descriptor
//! (`RESOLVE_IN_ROOT`, `RESOLVE_NO_MAGICLINKS`), and from there every component of a tree is opened
//! by its parent's descriptor without following links. A process in the container that swaps
//! directories for links while we copy makes us fail or copy something else of the container, never
//! anything of the host. Nothing of the container is executed or loaded, and no user or group name
//! is looked up.
//!
//! Rules of `docker cp` hold: a directory that exists is copied into, a source that ends in `/.`
//! means its content, and the directory of the destination must exist. Directories that are there
//! already keep their owner, mode and times.
//!
//! Speed: one listing for about a thousand entries, and per file an open, stat, one read and write
//! for each MiB, and the calls that set owner, mode and times.

mod ahead;
pub(crate) mod archive;
pub(crate) mod attributes;
pub(crate) mod changes;
pub(crate) mod content;
pub(crate) mod listing;
pub(crate) mod make;
pub(crate) mod node;
pub(crate) mod owners;
pub(crate) mod place;
mod plain;
mod remove;
pub(crate) mod stack;
mod tree;
pub(crate) mod walk;
mod writer;

use std::ffi::CString;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use containerv_spec::OsText;
use containerv_spec::request::IdRange;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

pub(crate) use self::changes::{changes, made_points};
pub(crate) use self::remove::remove_tree;

use self::archive::Subject;
use self::attributes::Carried;
use self::content::Extent;
use self::make::{Directory, Obstacle};
use self::node::Node;
use self::owners::Owners;
use self::place::{Destination, LOOK, Place, Source};
use self::tree::Tree;
use self::walk::{Item, Side};
use self::writer::{Original, Rules, Writer};
use crate::copy::{CopyOptions, CopySummary, SkipReason};
use crate::{Error, ErrorKind, Result};

/// A container's file system as the host reaches it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root<'a> {
    /// The root directory, opened with `O_PATH` or for reading.
    pub(crate) directory: BorrowedFd<'a>,
    /// The container's mapping of user ids; empty when ids are those of the host.
    pub(crate) uids: &'a [IdRange],
    /// The container's mapping of group ids.
    pub(crate) gids: &'a [IdRange],
}

/// Which way files go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

/// Copies a file or tree of the host into the container.
///
/// # Errors
///
/// The path that failed and what the system said. What was copied before stays.
pub(crate) fn upload(
    root: &Root<'_>,
    from: &Path,
    to: &OsText,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let from_side = Side { place: Place::Host, path: from.as_os_str().as_bytes() };
    let to_side = Side { place: Place::Container(root.directory), path: to.as_bytes() };
    copy(root, Direction::In, (from_side, to_side), options)
        .map_err(|error| error.context(format!("upload `{}` to `{to}`", from.display())))
}

/// Copies a file or tree of the container to the host.
///
/// # Errors
///
/// The path that failed and what the system said. What was copied before stays.
pub(crate) fn download(
    root: &Root<'_>,
    from: &OsText,
    to: &Path,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let from_side = Side { place: Place::Container(root.directory), path: from.as_bytes() };
    let to_side = Side { place: Place::Host, path: to.as_os_str().as_bytes() };
    copy(root, Direction::Out, (from_side, to_side), options)
        .map_err(|error| error.context(format!("download `{from}` to `{}`", to.display())))
}

/// Unpacks a tar stream into a directory of the container that exists.
///
/// Names in the archive are below that directory, leading slashes cut off; the target of a hard
/// link is too. Symbolic links that the container has among a member's parents are followed inside
/// the container. With [`CopyOptions::keep_owner`] members belong to the ids in the archive.
///
/// # Errors
///
/// An archive that is damaged, that names a path with `..`, or whose headers contradict each other:
/// the member is named, and those before it stay.
pub(crate) fn upload_tar(
    root: &Root<'_>,
    archive: impl Read,
    to: &OsText,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let side = Side { place: Place::Container(root.directory), path: to.as_bytes() };
    let upload = || {
        let owners = owners(root, Direction::In, options)?;
        let top = match place::find_destination(side.place, side.path)? {
            Destination::Directory(top) => open_existing(top, side)?.file,
            Destination::Name { exists, .. } => {
                let errno = if exists { Errno::NOTDIR } else { Errno::NOENT };
                let text = format!("open the directory {}", side.name(b""));
                let error = Error::os(errno.raw_os_error(), text);
                return Err(error.with_hint("an archive is unpacked into a directory that exists"));
            }
        };
        archive::extract(archive, top, side, rules(owners, Direction::In, root, options), options)
    };
    upload().map_err(|error| error.context(format!("upload an archive to `{to}`")))
}

/// Writes a file or tree of the container as a tar stream (POSIX pax format).
///
/// Members are named after the last component of `from`, or `.` if that means the content of a
/// directory. Owners are the container's own ids.
///
/// # Errors
///
/// The path that failed, or that the stream did; what was written before is an incomplete archive.
pub(crate) fn download_tar(
    root: &Root<'_>,
    from: &OsText,
    archive: impl Write,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let side = Side { place: Place::Container(root.directory), path: from.as_bytes() };
    let download = || {
        let source = place::find_source(side.place, side.path, options.follow_links)?;
        refuse_kernel_files(true, source.file.as_fd(), side)?;
        let failed = |obstacle: Obstacle| obstacle.into_error(&side.name(b""), "the archive");
        let subject = if source.node.is_directory() {
            let directory = open_directory(&source).map_err(failed)?;
            Subject::Tree(directory, source.node.clone())
        } else {
            let (item, mut node) = open_single(side, &source).map_err(failed)?.ok_or_else(|| {
                let text = format!("{} is a socket, which an archive cannot hold", side.name(b""));
                Error::new(ErrorKind::InvalidArgument, text)
            })?;
            // Its other names, if any, are not copied.
            node.links = 1;
            Subject::Entry((item, node))
        };
        archive::pack(archive, root, side, &source.name, subject, options)
    };
    download().map_err(|error| error.context(format!("download `{from}` as an archive")))
}

fn open_directory(source: &Source) -> Result<OwnedFd, Obstacle> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(&source.file, c".", flags, Mode::empty()).map_err(Obstacle::Read)
}

fn copy(
    root: &Root<'_>,
    direction: Direction,
    (from, to): (Side<'_>, Side<'_>),
    options: &CopyOptions,
) -> Result<CopySummary> {
    let owners = owners(root, direction, options)?;
    if options.plain {
        return plain::copy(from, to, &owners, direction == Direction::Out, options);
    }
    let source = place::find_source(from.place, from.path, options.follow_links)?;
    refuse_kernel_files(direction == Direction::Out, source.file.as_fd(), from)?;
    let destination = place::find_destination(to.place, to.path)?;
    let rules = rules(owners, direction, root, options);
    let mut writer = Writer::new(rules, options);
    if source.node.is_directory() {
        copy_directory(&mut writer, (from, to), &source, destination)?;
    } else {
        copy_entry(&mut writer, (from, to), &source, destination)?;
    }
    Ok(writer.meter.summary)
}

fn owners(root: &Root<'_>, direction: Direction, options: &CopyOptions) -> Result<Owners> {
    let (uids, gids) = (root.uids.to_vec(), root.gids.to_vec());
    Ok(match (options.keep_owner, direction) {
        (true, Direction::In) => Owners::IntoContainer { uids, gids },
        (true, Direction::Out) => Owners::OutOfContainer { uids, gids },
        (false, Direction::In) => {
            let ids = owners::outside(&uids, 0).zip(owners::outside(&gids, 0));
            let (uid, gid) = ids.ok_or_else(|| {
                Error::new(ErrorKind::InvalidArgument, "the container's mapping has no root (id 0)")
                    .with_hint("copy with the owners kept")
            })?;
            Owners::Fixed { uid, gid }
        }
        (false, Direction::Out) => {
            let uid = rustix::process::geteuid().as_raw();
            Owners::Fixed { uid, gid: rustix::process::getegid().as_raw() }
        }
    })
}

fn rules(owners: Owners, direction: Direction, root: &Root<'_>, options: &CopyOptions) -> Rules {
    let carried = Carried {
        capabilities: rustix::process::geteuid().is_root(),
        lists: options.keep_owner && root.uids.is_empty(),
        privileged: false,
    };
    let extent = if direction == Direction::In { Extent::ToEnd } else { Extent::AsOpened };
    Rules { owners, carried, extent, devices: options.devices }
}

/// Refuses a path that the caller named in a container's procfs or the like.
fn refuse_kernel_files(in_container: bool, file: BorrowedFd<'_>, side: Side<'_>) -> Result<()> {
    let stat = |errno: Errno| Error::os(errno.raw_os_error(), format!("stat {}", side.name(b"")));
    if in_container && place::is_kernel_file_system(file).map_err(stat)? {
        let text =
            format!("{} is on a file system of the kernel, whose files are no content", side.name(b""));
        return Err(Error::new(ErrorKind::InvalidArgument, text)
            .with_hint("read or write it with a process in the container, such as `cat`"));
    }
    Ok(())
}

fn copy_directory(
    writer: &mut Writer,
    sides: (Side<'_>, Side<'_>),
    source: &Source,
    destination: Destination,
) -> Result<()> {
    let (from, to) = sides;
    let failed = |obstacle: Obstacle, below: &[u8]| obstacle.into_error(&from.name(b""), &to.name(below));
    let (made, below) = match destination {
        Destination::Directory(parent) if source.name.is_empty() => (open_existing(parent, to)?, &b""[..]),
        Destination::Directory(parent) => {
            let parent = open_existing(parent, to)?;
            let name = name_for(&source.name, to)?;
            let made = make::directory(parent.file.as_fd(), &name);
            (made.map_err(|obstacle| failed(obstacle, &source.name))?, &source.name[..])
        }
        Destination::Name { exists: true, .. } => {
            return Err(failed(Obstacle::NotDirectory, b"").with_hint("cannot copy a directory to a file"));
        }
        Destination::Name { parent, name, .. } => {
            refuse_kernel_files(true, parent.as_fd(), to)?;
            let made = make::directory(parent.as_fd(), &name_for(&name, to)?);
            (made.map_err(|obstacle| failed(obstacle, b""))?, &b""[..])
        }
    };
    let directory = open_directory(source).map_err(|obstacle| failed(obstacle, b""))?;
    let slash = if below.is_empty() || to.path.ends_with(b"/") { &b""[..] } else { b"/" };
    let path = [to.path, slash, below].concat();
    Tree::copy(writer, (from, Side { place: to.place, path: &path }), directory, made)
}

/// Takes a directory that is there as the destination.
fn open_existing(file: OwnedFd, to: Side<'_>) -> Result<Directory> {
    refuse_kernel_files(true, file.as_fd(), to)?;
    let stat = |errno: Errno| Error::os(errno.raw_os_error(), format!("stat {}", to.name(b"")));
    let node = Node::of(&file).map_err(stat)?;
    Ok(Directory { file, node, flags: LOOK, new: false })
}

fn name_for(name: &[u8], to: Side<'_>) -> Result<CString> {
    CString::new(name).map_err(|_| {
        let text = format!("the name of {} contains a NUL byte", to.name(b""));
        Error::new(ErrorKind::InvalidArgument, text)
    })
}

fn copy_entry(
    writer: &mut Writer,
    (from, to): (Side<'_>, Side<'_>),
    source: &Source,
    destination: Destination,
) -> Result<()> {
    let (parent, name, below) = match destination {
        Destination::Directory(parent) => (parent, source.name.clone(), &source.name[..]),
        Destination::Name { asks_directory: true, exists, .. } => {
            let errno = if exists { Errno::NOTDIR } else { Errno::NOENT };
            let error = Error::os(errno.raw_os_error(), format!("open the directory {}", to.name(b"")));
            return Err(error.with_hint("no such directory: make it, or leave out the trailing `/`"));
        }
        Destination::Name { parent, name, .. } => (parent, name, &b""[..]),
    };
    refuse_kernel_files(true, parent.as_fd(), to)?;
    let name = name_for(&name, to)?;
    let (from_name, to_name) = (from.name(b""), to.name(below));
    let item = open_single(from, source).map_err(|obstacle| obstacle.into_error(&from_name, &to_name))?;
    let is_device = matches!(source.node.kind, FileType::CharacterDevice | FileType::BlockDevice);
    let Some((item, mut node)) = item.filter(|_| writer.rules.devices || !is_device) else {
        let reason = if is_device { SkipReason::Device } else { SkipReason::Socket };
        writer.meter.skip(&source.name, reason);
        return Ok(());
    };
    // Its other names, if any, are not copied.
    node.links = 1;
    let directory = parent.as_fd();
    let put = writer.put(directory, directory, &name, name.to_bytes(), (Original::from(&item), &node));
    put.map_err(|obstacle| obstacle.into_error(&from_name, &to_name))
}

/// One entry that is no directory, opened.
type Single = (Item, Node);

/// Opens a source that is no directory; none if it is a socket.
fn open_single(from: Side<'_>, source: &Source) -> Result<Option<Single>, Obstacle> {
    match source.node.kind {
        FileType::Socket => Ok(None),
        FileType::RegularFile => {
            open_regular(from, source).map(|(file, node)| Some((Item::File(file), node)))
        }
        FileType::Symlink => {
            let target = place::link_target(&source.file).map_err(Obstacle::Read)?;
            Ok(Some((Item::Link(target), source.node.clone())))
        }
        _ => Ok(Some((Item::Special, source.node.clone()))),
    }
}

/// Opens the regular file that was found, and no other that took its name since.
fn open_regular(from: Side<'_>, source: &Source) -> Result<(OwnedFd, Node), Obstacle> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = from.place.open(from.path, flags).map_err(Obstacle::Read)?;
    let node = Node::of(&file).map_err(Obstacle::Read)?;
    if node.id != source.node.id {
        return Err(Obstacle::Read(Errno::STALE));
    }
    Ok((file, node))
}

#[cfg(test)]
pub(crate) mod tests;
