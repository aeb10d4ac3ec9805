//! Copying a tree of directories, from descriptor to descriptor.
//!
//! The walk keeps its own stack of directories on both sides, so that the depth of a tree costs
//! neither call frames nor descriptors, and goes down into subdirectories before it has collected
//! many of their names.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::listing::{Listing, Names};
use super::make::{self, Directory, Obstacle};
use super::node::{FileId, Node};
use super::owners::Belonging;
use super::place::{Place, is_kernel_file_system};
use super::stack::Stack;
use super::writer::{Item, Writer};
use crate::copy::SkipReason;
use crate::{Error, ErrorKind, Result};

/// How many bytes of names of subdirectories one level collects before it descends, and how many
/// all levels together.
const PENDING: usize = 256 * 1024;
const PENDING_TOGETHER: usize = 16 << 20;
/// The deepest tree that is copied.
const DEEPEST: usize = 1 << 17;

/// How a directory of the source is opened to be read.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// How a file of the source is opened; without blocking, because it may have become a FIFO.
const READ_FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// A side of the copy, for messages.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) place: Place<'a>,
    pub(super) path: &'a [u8],
}

impl Side<'_> {
    /// Names an entry below this side's path.
    pub(super) fn name(self, below: &[u8]) -> String {
        let slash = if self.path.ends_with(b"/") || below.is_empty() { &b""[..] } else { b"/" };
        self.place.name(&[self.path, slash, below].concat())
    }
}

/// One directory that is being copied.
struct Frame {
    node: Node,
    /// Owner and mode that its copy gets at the end; none if it was there before.
    belonging: Option<Belonging>,
    /// Length of its path.
    path: usize,
    pending: Names,
    position: u64,
    all_read: bool,
}

pub(super) struct TreeCopy<'a> {
    writer: &'a mut Writer,
    from: Side<'a>,
    to: Side<'a>,
    source: Stack,
    destination: Stack,
    frames: Vec<Frame>,
    /// The copy's top, which must not be met below the source.
    top: FileId,
    path: Vec<u8>,
    listing: Listing,
    /// Bytes of names of subdirectories on all levels.
    pending: usize,
}

impl<'a> TreeCopy<'a> {
    /// Copies the content of `source` into `destination`, and its attributes too if that is new.
    pub(super) fn run(
        writer: &'a mut Writer,
        (from, to): (Side<'a>, Side<'a>),
        source: OwnedFd,
        destination: Directory,
    ) -> Result<()> {
        let stat = |errno: Errno| Error::os(errno.raw_os_error(), format!("stat {}", from.name(b"")));
        let node = Node::of(&source).map_err(stat)?;
        let top = destination.node.id;
        let mut copy = Self {
            writer,
            from,
            to,
            source: Stack::new(source),
            destination: Stack::new(destination.file),
            frames: Vec::new(),
            top,
            path: Vec::new(),
            listing: Listing::new(),
            pending: 0,
        };
        if node.id == top {
            return Err(copy.own_source(&[]));
        }
        copy.begin(node, destination.new)?;
        while let Some(frame) = copy.frames.last_mut() {
            let size = frame.pending.size();
            let room = size == 0 || (size < PENDING && copy.pending < PENDING_TOGETHER);
            if room && !frame.all_read {
                copy.read_on()?;
            } else if let Some(name) = frame.pending.pop() {
                copy.pending -= name.count_bytes() + 1;
                copy.enter(&name)?;
            } else {
                copy.leave()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, node: Node, new: bool) -> Result<()> {
        let belonging = if new {
            let owner = self.writer.rules.owners.of(&node).map_err(Obstacle::Unmapped);
            Some(owner.map_err(|obstacle| self.failed(obstacle, b""))?)
        } else {
            None
        };
        let path = self.path.len();
        let pending = Names::default();
        self.frames.push(Frame { node, belonging, path, pending, position: 0, all_read: false });
        self.writer.meter.entry(|summary| &mut summary.directories);
        Ok(())
    }

    /// Copies the next listing of the current directory, directories apart.
    fn read_on(&mut self) -> Result<()> {
        let mut listing = std::mem::replace(&mut self.listing, Listing::empty());
        let more = listing.read(self.source.current());
        let more = more.map_err(|errno| self.failed(Obstacle::Read(errno), b""))?;
        for index in 0..listing.len() {
            let Some((name, kind)) = listing.entry(index) else { break };
            self.copy_entry(name, kind)?;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.position = listing.position;
            frame.all_read = !more;
        }
        self.listing = listing;
        Ok(())
    }

    fn copy_entry(&mut self, name: &CStr, kind: FileType) -> Result<()> {
        if kind == FileType::Directory {
            self.note_directory(name);
            return Ok(());
        }
        let device = self.frames.last().map_or(0, |frame| frame.node.id.0);
        let opened = open_item(self.source.current(), name, kind, device);
        let opened = opened.map_err(|obstacle| self.failed(obstacle, name.to_bytes()))?;
        self.extend_path(name);
        let result = match opened {
            Found::Directory => {
                self.note_directory(name);
                Ok(())
            }
            Found::Nothing(reason) => {
                self.writer.meter.skip(&self.path, reason);
                Ok(())
            }
            Found::Item(_, node) if is_device(node.kind) && !self.writer.rules.devices => {
                self.writer.meter.skip(&self.path, SkipReason::Device);
                Ok(())
            }
            Found::Item(item, node) => {
                let (top, parent) = (self.destination.top(), self.destination.current());
                self.writer.put(top, parent, name, &self.path, (&item, &node))
            }
        };
        self.shorten_path();
        result.map_err(|obstacle| self.failed(obstacle, name.to_bytes()))
    }

    /// Remembers a subdirectory to go down into.
    fn note_directory(&mut self, name: &CStr) {
        if let Some(frame) = self.frames.last_mut() {
            frame.pending.push(name);
            self.pending += name.count_bytes() + 1;
        }
    }

    fn enter(&mut self, name: &CString) -> Result<()> {
        let outcome = self.open_subdirectory(name);
        let found = outcome.map_err(|obstacle| self.failed(obstacle, name.to_bytes()))?;
        self.extend_path(name);
        let (source, node) = match found {
            Ok(found) => found,
            Err(reason) => {
                self.writer.meter.skip(&self.path, reason);
                self.shorten_path();
                return Ok(());
            }
        };
        if node.id == self.top {
            return Err(self.own_source(&self.path));
        }
        if self.frames.len() > DEEPEST {
            return Err(self.failed(Obstacle::Read(Errno::NAMETOOLONG), b""));
        }
        let made = make::directory(self.destination.current(), name);
        let made = made.map_err(|obstacle| self.failed(obstacle, b""))?;
        self.source.push(source, node.id, READ);
        self.destination.push(made.file, made.node.id, made.flags);
        self.begin(node, made.new)
    }

    /// Opens a directory of the source, or says why it is left out.
    fn open_subdirectory(&self, name: &CStr) -> Result<Result<(OwnedFd, Node), SkipReason>, Obstacle> {
        let directory = match rustix::fs::openat(self.source.current(), name, READ, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Err(SkipReason::Vanished)),
            Err(errno) => return Err(Obstacle::Read(errno)),
        };
        let node = Node::of(&directory).map_err(Obstacle::Read)?;
        let device = self.frames.last().map_or(0, |frame| frame.node.id.0);
        if node.id.0 != device && is_kernel_file_system(&directory).map_err(Obstacle::Read)? {
            return Ok(Err(SkipReason::KernelFileSystem));
        }
        Ok(Ok((directory, node)))
    }

    fn leave(&mut self) -> Result<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        if let Some(belonging) = frame.belonging {
            let (from, to) = (self.source.current(), self.destination.current());
            let given = self.writer.finish(from, to, &self.path, &frame.node, &belonging);
            given.map_err(|obstacle| self.failed(obstacle, b""))?;
        }
        let lost_position = self.source.pop();
        let lost_position = lost_position.map_err(|errno| self.failed(Obstacle::Read(errno), b""))?;
        let popped = self.destination.pop();
        popped.map_err(|errno| self.failed(Obstacle::System("go back up from", errno), b""))?;
        let Some(parent) = self.frames.last() else { return Ok(()) };
        self.path.truncate(parent.path);
        if lost_position && !parent.all_read {
            let position = SeekFrom::Start(parent.position);
            let sought = rustix::fs::seek(self.source.current(), position);
            sought.map_err(|errno| self.failed(Obstacle::Read(errno), b""))?;
        }
        Ok(())
    }

    fn extend_path(&mut self, name: &CStr) {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.to_bytes());
    }

    fn shorten_path(&mut self) {
        self.path.truncate(self.frames.last().map_or(0, |frame| frame.path));
    }

    /// Names the entry in the current directory, or the directory itself, that failed.
    fn failed(&self, obstacle: Obstacle, name: &[u8]) -> Error {
        let slash = if self.path.is_empty() || name.is_empty() { &b""[..] } else { b"/" };
        let below = [&self.path, slash, name].concat();
        obstacle.into_error(&self.from.name(&below), &self.to.name(&below))
    }

    fn own_source(&self, path: &[u8]) -> Error {
        let text = format!("cannot copy directory {} into itself", self.from.name(path));
        Error::new(ErrorKind::InvalidArgument, text)
    }
}

fn is_device(kind: FileType) -> bool {
    matches!(kind, FileType::CharacterDevice | FileType::BlockDevice)
}

/// What an entry of a source directory turned out to be.
pub(super) enum Found {
    Item(Item, Node),
    Directory,
    Nothing(SkipReason),
}

/// Opens an entry that is listed as something other than a directory, without following a link.
/// `device` is the device of the directory.
pub(super) fn open_item(
    directory: BorrowedFd<'_>,
    name: &CStr,
    kind: FileType,
    device: u64,
) -> Result<Found, Obstacle> {
    if kind == FileType::RegularFile {
        return open_file(directory, name, device);
    }
    let node = match Node::at(directory, name) {
        Err(Errno::NOENT) => return Ok(Found::Nothing(SkipReason::Vanished)),
        other => other.map_err(Obstacle::Read)?,
    };
    match node.kind {
        FileType::Directory => Ok(Found::Directory),
        FileType::RegularFile => open_file(directory, name, device),
        FileType::Socket => Ok(Found::Nothing(SkipReason::Socket)),
        FileType::Symlink => match rustix::fs::readlinkat(directory, name, Vec::new()) {
            Ok(target) => Ok(Found::Item(Item::Link(target.into_bytes()), node)),
            Err(Errno::NOENT | Errno::INVAL) => Ok(Found::Nothing(SkipReason::Vanished)),
            Err(errno) => Err(Obstacle::Read(errno)),
        },
        _ => Ok(Found::Item(Item::Special, node)),
    }
}

fn open_file(directory: BorrowedFd<'_>, name: &CStr, device: u64) -> Result<Found, Obstacle> {
    let vanished = Ok(Found::Nothing(SkipReason::Vanished));
    let file = match rustix::fs::openat(directory, name, READ_FILE, Mode::empty()) {
        Ok(file) => file,
        // A symbolic link (ELOOP), a socket or a device without a driver (ENXIO) by now.
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return vanished,
        Err(errno) => return Err(Obstacle::Read(errno)),
    };
    let node = Node::of(&file).map_err(Obstacle::Read)?;
    if node.kind != FileType::RegularFile {
        return vanished;
    }
    if node.id.0 != device && is_kernel_file_system(file.as_fd()).map_err(Obstacle::Read)? {
        return Ok(Found::Nothing(SkipReason::KernelFileSystem));
    }
    Ok(Found::Item(Item::File(file), node))
}
