//! Walking a tree by handles, and handing each entry to a sink.
//!
//! The walk keeps its own stack of directories, so that the depth of a tree costs no call frames, and
//! each directory is read on only when what was read of it is done.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};

use containerv_sys::windows::relative::{Access, DIRECTORY, Entry, How, Listing, REPARSE_POINT};

use super::Mappings;
use super::node::{Kind, Node, Opened};
use super::obstacle::Obstacle;
use super::place::Side;
use crate::backend::hcs::transfer::path::{self, Name};
use crate::backend::hcs::transfer::reparse::{self, Link};
use crate::backend::transfer::{FileId, Meter};
use crate::copy::SkipReason;
use crate::{Error, ErrorKind, Result};

/// The deepest tree that is copied. The system's paths end before.
const DEEPEST: usize = 1 << 16;
const BACKSLASH: u16 = b'\\' as u16;

/// An entry that is no directory, opened as far as needed.
pub(super) enum Item {
    File(File),
    Link(Link, OwnedHandle),
}

impl Item {
    /// The open file or link.
    pub(super) fn handle(&self) -> BorrowedHandle<'_> {
        match self {
            Self::File(file) => file.as_handle(),
            Self::Link(_, link) => link.as_handle(),
        }
    }
}

/// What takes the entries of a tree. Paths are below the top of the source, in UTF-16 with backslashes.
pub(super) trait Sink {
    /// Begins a directory, which becomes the current one.
    fn enter(
        &mut self,
        name: &Name,
        path: &[u16],
        directory: BorrowedHandle<'_>,
        node: &Node,
    ) -> Result<(), Obstacle>;

    /// Takes an entry of the current directory.
    fn put(&mut self, name: &Name, path: &[u16], item: &Item, node: &Node) -> Result<(), Obstacle>;

    /// Ends the current directory.
    fn leave(&mut self, path: &[u16], directory: BorrowedHandle<'_>, node: &Node) -> Result<(), Obstacle>;

    /// Says whether a directory of the source is the copy that is being made.
    fn is_top(&self, id: FileId) -> bool;

    /// Names the copy of an entry, for messages.
    fn describe(&self, below: &[u16]) -> String;

    fn meter(&mut self) -> &mut Meter;
}

/// One directory that is being walked.
struct Frame {
    directory: OwnedHandle,
    node: Node,
    /// Length of its path.
    path: usize,
    /// Names of subdirectories that were read and not walked yet.
    pending: Vec<Name>,
    all_read: bool,
}

/// How a source is read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) from: Side<'a>,
    /// Directories of the source that are mapped from the host.
    pub(super) mapped: &'a Mappings,
    /// Security descriptors are read too.
    pub(super) security: bool,
}

impl Reading<'_> {
    pub(super) fn how(self, access: Access) -> How {
        let access = if self.security { access.and(Access::READ_SECURITY) } else { access };
        How::open(access, self.from.backup())
    }
}

pub(super) struct Walk<'a, S> {
    sink: &'a mut S,
    reading: Reading<'a>,
    frames: Vec<Frame>,
    path: Vec<u16>,
    listing: Listing,
}

impl<'a, S: Sink> Walk<'a, S> {
    /// Hands everything below `source` to `sink`, and its end; beginning it was the caller's part.
    pub(super) fn run(sink: &'a mut S, reading: Reading<'a>, source: Opened) -> Result<()> {
        let mut walk =
            Self { sink, reading, frames: Vec::new(), path: Vec::new(), listing: Listing::default() };
        walk.begin(source)?;
        walk.mapped()?;
        while let Some(frame) = walk.frames.last_mut() {
            if let Some(name) = frame.pending.pop() {
                walk.enter(&name)?;
            } else if !frame.all_read {
                walk.read_on()?;
            } else {
                walk.leave()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, Opened { file, node }: Opened) -> Result<()> {
        if self.sink.is_top(node.id()) {
            let text = format!("cannot copy directory {} into itself", self.reading.from.name(&self.path));
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        if self.frames.len() > DEEPEST {
            return Err(self.failed(Obstacle::Read(io::ErrorKind::InvalidFilename.into()), &[]));
        }
        let path = self.path.len();
        self.frames.push(Frame { directory: file, node, path, pending: Vec::new(), all_read: false });
        self.sink.meter().entry(|summary| &mut summary.directories);
        Ok(())
    }

    /// Begins with what is mapped into the current directory, which a listing does not have, or has
    /// something else of.
    fn mapped(&mut self) -> Result<()> {
        for (name, mapping) in self.reading.mapped.children(&self.path) {
            if mapping.host.is_none() {
                continue;
            }
            let opened = mapping.open(Access::READ).map_err(Obstacle::Read);
            let opened = opened.map_err(|obstacle| self.failed(obstacle, &name))?;
            if opened.node.is_directory() {
                if let Some(frame) = self.frames.last_mut() {
                    frame.pending.push(name);
                }
                continue;
            }
            self.extend_path(&name);
            let item = Item::File(opened.file.into());
            let put = self.sink.put(&name, &self.path, &item, &opened.node);
            self.shorten_path();
            put.map_err(|obstacle| self.failed(obstacle, &name))?;
        }
        Ok(())
    }

    fn is_mapped(&self, name: &Name) -> bool {
        self.reading.mapped.at(&self.below(name)).is_some()
    }

    /// The path of an entry of the current directory.
    fn below(&self, name: &[u16]) -> Vec<u16> {
        let joint = if self.path.is_empty() || name.is_empty() { &[][..] } else { &[BACKSLASH] };
        [&self.path, joint, name].concat()
    }

    /// Handles the next listing of the current directory, directories apart.
    fn read_on(&mut self) -> Result<()> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let entries = self.listing.read(frame.directory.as_handle());
        let entries = entries.map_err(|error| self.failed(Obstacle::Read(error), &[]))?;
        let all_read = entries.is_empty();
        let mut pending = Vec::new();
        for entry in entries {
            if self.is_mapped(&entry.name) {
                continue;
            }
            if is_directory(&entry) {
                pending.push(entry.name);
            } else if self.handle(&entry)? {
                // It became one meanwhile.
                pending.push(entry.name);
            }
        }
        if let Some(frame) = self.frames.last_mut() {
            (frame.pending, frame.all_read) = (pending, all_read);
        }
        Ok(())
    }

    /// Copies an entry; says whether it turned out to be a directory.
    fn handle(&mut self, entry: &Entry) -> Result<bool> {
        let found = self.open_item(entry);
        let found = found.map_err(|obstacle| self.failed(obstacle, &entry.name))?;
        self.extend_path(&entry.name);
        let result = match found {
            Found::Directory => Ok(true),
            Found::Nothing(reason) => {
                self.sink.meter().skip(&shown(&self.path), reason);
                Ok(false)
            }
            Found::Item(item, node) => self.sink.put(&entry.name, &self.path, &item, &node).map(|()| false),
        };
        self.shorten_path();
        result.map_err(|obstacle| self.failed(obstacle, &entry.name))
    }

    fn open_item(&self, entry: &Entry) -> Result<Found, Obstacle> {
        let Some(frame) = self.frames.last() else { return Ok(Found::Nothing(SkipReason::Vanished)) };
        if path::check(&entry.name).is_err() {
            return Ok(Found::Nothing(SkipReason::Name));
        }
        let is_link = entry.attributes & REPARSE_POINT != 0 && reparse::is_surrogate(entry.tag);
        let how = self.reading.how(if is_link { Access::LOOK } else { Access::READ });
        let opened = Opened::at(frame.directory.as_handle(), &entry.name, how).map_err(Obstacle::Read)?;
        let Some(Opened { file, node }) = opened else { return Ok(Found::Nothing(SkipReason::Vanished)) };
        Ok(match &node.kind {
            Kind::Directory => Found::Directory,
            // What was listed as a link was opened to be looked at only.
            Kind::File if is_link => Found::Nothing(SkipReason::Vanished),
            Kind::File => Found::Item(Item::File(file.into()), node),
            Kind::Link(link) => Found::Item(Item::Link(link.clone(), file), node),
            Kind::Socket => Found::Nothing(SkipReason::Socket),
            Kind::Other(_) => Found::Nothing(SkipReason::ReparsePoint),
        })
    }

    fn enter(&mut self, name: &Name) -> Result<()> {
        let opened = self.open_subdirectory(name);
        let opened = opened.map_err(|obstacle| self.failed(obstacle, name))?;
        self.extend_path(name);
        let opened = match opened {
            Ok(opened) => Some(opened),
            Err(reason) => {
                self.sink.meter().skip(&shown(&self.path), reason);
                None
            }
        };
        let Some(opened) = opened else {
            self.shorten_path();
            return Ok(());
        };
        self.begin(opened)?;
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let entered = self.sink.enter(name, &self.path, frame.directory.as_handle(), &frame.node);
        entered.map_err(|obstacle| self.failed(obstacle, &[]))?;
        self.mapped()
    }

    /// Opens a directory of the source, or says why it is left out.
    fn open_subdirectory(&self, name: &Name) -> Result<Result<Opened, SkipReason>, Obstacle> {
        let Some(frame) = self.frames.last() else { return Ok(Err(SkipReason::Vanished)) };
        if path::check(name).is_err() {
            return Ok(Err(SkipReason::Name));
        }
        if let Some(mapping) = self.reading.mapped.at(&self.below(name)) {
            return mapping.open(Access::LIST).map(Ok).map_err(Obstacle::Read);
        }
        let how = self.reading.how(Access::LIST);
        match Opened::at(frame.directory.as_handle(), name, how).map_err(Obstacle::Read)? {
            Some(opened) if opened.node.is_directory() => Ok(Ok(opened)),
            _ => Ok(Err(SkipReason::Vanished)),
        }
    }

    fn leave(&mut self) -> Result<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let left = self.sink.leave(&self.path, frame.directory.as_handle(), &frame.node);
        left.map_err(|obstacle| self.failed(obstacle, &[]))?;
        self.shorten_path();
        Ok(())
    }

    fn extend_path(&mut self, name: &Name) {
        if !self.path.is_empty() {
            self.path.push(BACKSLASH);
        }
        self.path.extend_from_slice(name);
    }

    fn shorten_path(&mut self) {
        self.path.truncate(self.frames.last().map_or(0, |frame| frame.path));
    }

    /// Names the entry in the current directory, or the directory itself, that failed.
    fn failed(&self, obstacle: Obstacle, name: &[u16]) -> Error {
        let below = self.below(name);
        obstacle.into_error(&self.reading.from.name(&below), &self.sink.describe(&below))
    }
}

/// What an entry of a source directory turned out to be.
enum Found {
    Item(Item, Node),
    Directory,
    Nothing(SkipReason),
}

/// A directory, and no link to one.
fn is_directory(entry: &Entry) -> bool {
    let is_link = entry.attributes & REPARSE_POINT != 0 && reparse::is_surrogate(entry.tag);
    entry.attributes & DIRECTORY != 0 && !is_link
}

/// A path as summaries have it.
pub(super) fn shown(path: &[u16]) -> Vec<u8> {
    String::from_utf16_lossy(path).into_bytes()
}
