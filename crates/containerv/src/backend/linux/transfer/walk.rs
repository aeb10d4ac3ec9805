//! Walking a tree of directories by descriptor, and handing each entry to a sink.
//!
//! The walk keeps its own stack of directories, so that the depth of a tree costs neither call
//! frames nor descriptors, and goes down into subdirectories before it has collected many of their
//! names.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::listing::{Listing, Names};
use super::make::Obstacle;
use super::node::{FileId, Node};
use super::place::{Place, is_kernel_file_system};
use super::stack::Stack;
use crate::copy::SkipReason;
use crate::{Error, ErrorKind, Result};

/// How many bytes of names of subdirectories one level collects before it descends, and how many
/// all levels together.
const PENDING: usize = 256 * 1024;
const PENDING_TOGETHER: usize = 16 << 20;
/// The deepest tree that is copied.
const DEEPEST: usize = 1 << 17;

/// How a directory of the source is opened to be read.
pub(crate) const READ: OFlags = OFlags::RDONLY
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

/// A path that the caller gave, for messages.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) path: &'a [u8],
}

impl Side<'_> {
    /// Names an entry below this side's path.
    pub(crate) fn name(self, below: &[u8]) -> String {
        let slash = if self.path.ends_with(b"/") || below.is_empty() { &b""[..] } else { b"/" };
        self.place.name(&[self.path, slash, below].concat())
    }
}

/// An entry that is no directory, opened as far as needed.
pub(crate) enum Item {
    File(OwnedFd),
    Link(Vec<u8>),
    Special,
}

/// What takes the entries of a tree. Paths are below the top of the source.
pub(crate) trait Sink {
    /// Begins a directory, which becomes the current one.
    fn enter(
        &mut self,
        name: &CStr,
        path: &[u8],
        directory: BorrowedFd<'_>,
        node: &Node,
    ) -> Result<(), Obstacle>;

    /// Takes an entry of the current directory.
    fn put(&mut self, name: &CStr, path: &[u8], item: Item, node: Node) -> Result<(), Obstacle>;

    /// Ends the current directory.
    fn leave(&mut self, path: &[u8], directory: BorrowedFd<'_>, node: &Node) -> Result<(), Obstacle>;

    /// Says whether a directory of the source is the copy that is being made.
    fn is_top(&self, id: FileId) -> bool;

    /// Says whether device nodes are wanted.
    fn takes_devices(&self) -> bool;

    /// Names the copy of an entry, for messages.
    fn describe(&self, below: &[u8]) -> String;

    /// Counts a directory of the source.
    fn count_directory(&mut self);

    /// Notes an entry that is left out.
    fn skip(&mut self, path: &[u8], reason: SkipReason);
}

/// One directory that is being walked.
struct Frame {
    node: Node,
    /// Length of its path.
    path: usize,
    pending: Names,
    position: u64,
    all_read: bool,
}

pub(crate) struct Walk<'a, S> {
    sink: &'a mut S,
    from: Side<'a>,
    source: Stack,
    frames: Vec<Frame>,
    path: Vec<u8>,
    listing: Listing,
    /// Bytes of names of subdirectories on all levels.
    pending: usize,
}

impl<'a, S: Sink> Walk<'a, S> {
    /// Hands everything below `source` to `sink`, and its end; beginning it was the caller's part.
    pub(crate) fn run(sink: &'a mut S, from: Side<'a>, source: OwnedFd, node: Node) -> Result<()> {
        let mut walk = Self {
            sink,
            from,
            source: Stack::new(source),
            frames: Vec::new(),
            path: Vec::new(),
            listing: Listing::new(),
            pending: 0,
        };
        walk.begin(node)?;
        while let Some(frame) = walk.frames.last_mut() {
            let size = frame.pending.size();
            let room = size == 0 || (size < PENDING && walk.pending < PENDING_TOGETHER);
            if room && !frame.all_read {
                walk.read_on()?;
            } else if let Some(name) = frame.pending.pop() {
                walk.pending -= name.count_bytes() + 1;
                walk.enter(&name)?;
            } else {
                walk.leave()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, node: Node) -> Result<()> {
        if self.sink.is_top(node.id) {
            let text = format!("cannot copy directory {} into itself", self.from.name(&self.path));
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let path = self.path.len();
        let pending = Names::default();
        self.frames.push(Frame { node, path, pending, position: 0, all_read: false });
        self.sink.count_directory();
        Ok(())
    }

    /// Handles the next listing of the current directory, directories apart.
    fn read_on(&mut self) -> Result<()> {
        let mut listing = std::mem::replace(&mut self.listing, Listing::empty());
        let more = listing.read(self.source.current());
        let more = more.map_err(|errno| self.failed(Obstacle::Read(errno), b""))?;
        for index in 0..listing.len() {
            let Some((name, kind)) = listing.entry(index) else { break };
            self.handle(name, kind)?;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.position = listing.position;
            frame.all_read = !more;
        }
        self.listing = listing;
        Ok(())
    }

    fn handle(&mut self, name: &CStr, kind: FileType) -> Result<()> {
        if kind == FileType::Directory {
            self.note_directory(name);
            return Ok(());
        }
        let opened = open_item(self.source.current(), name, kind, self.device());
        let opened = opened.map_err(|obstacle| self.failed(obstacle, name.to_bytes()))?;
        self.extend_path(name);
        let result = match opened {
            Found::Directory => {
                self.note_directory(name);
                Ok(())
            }
            Found::Nothing(reason) => {
                self.sink.skip(&self.path, reason);
                Ok(())
            }
            Found::Item(_, node) if is_device(&node) && !self.sink.takes_devices() => {
                self.sink.skip(&self.path, SkipReason::Device);
                Ok(())
            }
            Found::Item(item, node) => self.sink.put(name, &self.path, item, node),
        };
        self.shorten_path();
        result.map_err(|obstacle| self.failed(obstacle, name.to_bytes()))
    }

    /// Returns the device that the current directory is on.
    fn device(&self) -> u64 {
        self.frames.last().map_or(0, |frame| frame.node.id.0)
    }

    /// Remembers a subdirectory to go down into.
    fn note_directory(&mut self, name: &CStr) {
        if let Some(frame) = self.frames.last_mut() {
            frame.pending.push(name);
            self.pending += name.count_bytes() + 1;
        }
    }

    fn enter(&mut self, name: &CString) -> Result<()> {
        let opened = self.open_subdirectory(name);
        let opened = opened.map_err(|obstacle| self.failed(obstacle, name.to_bytes()))?;
        self.extend_path(name);
        let (directory, node) = match opened {
            Ok(opened) => opened,
            Err(reason) => {
                self.sink.skip(&self.path, reason);
                self.shorten_path();
                return Ok(());
            }
        };
        if self.frames.len() > DEEPEST {
            return Err(self.failed(Obstacle::Read(Errno::NAMETOOLONG), b""));
        }
        let id = node.id;
        self.begin(node)?;
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let entered = self.sink.enter(name, &self.path, directory.as_fd(), &frame.node);
        entered.map_err(|obstacle| self.failed(obstacle, b""))?;
        self.source.push(directory, id, READ);
        Ok(())
    }

    /// Opens a directory of the source, or says why it is left out.
    fn open_subdirectory(&self, name: &CStr) -> Result<Result<(OwnedFd, Node), SkipReason>, Obstacle> {
        let directory = match rustix::fs::openat(self.source.current(), name, READ, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Err(SkipReason::Vanished)),
            Err(errno) => return Err(Obstacle::Read(errno)),
        };
        let node = Node::of(&directory).map_err(Obstacle::Read)?;
        if node.id.0 != self.device() && is_kernel_file_system(&directory).map_err(Obstacle::Read)? {
            return Ok(Err(SkipReason::KernelFileSystem));
        }
        Ok(Ok((directory, node)))
    }

    fn leave(&mut self) -> Result<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let left = self.sink.leave(&self.path, self.source.current(), &frame.node);
        left.map_err(|obstacle| self.failed(obstacle, b""))?;
        let lost_position = self.source.pop();
        let lost_position = lost_position.map_err(|errno| self.failed(Obstacle::Read(errno), b""))?;
        self.shorten_path();
        let Some(parent) = self.frames.last() else { return Ok(()) };
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
        obstacle.into_error(&self.from.name(&below), &self.sink.describe(&below))
    }
}

fn is_device(node: &Node) -> bool {
    matches!(node.kind, FileType::CharacterDevice | FileType::BlockDevice)
}

/// What an entry of a source directory turned out to be.
pub(crate) enum Found {
    Item(Item, Node),
    Directory,
    Nothing(SkipReason),
}

/// Opens an entry that is listed as something other than a directory, without following a link.
/// `device` is the device of the directory.
pub(crate) fn open_item(
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
