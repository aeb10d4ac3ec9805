//! Going through a tree in the order of its names.

use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use containerv_spec::OsText;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::Form;
use crate::backend::linux::transfer::archive::Archive;
use crate::backend::linux::transfer::changes::{has_mark, is_whiteout};
use crate::backend::linux::transfer::listing::Listing;
use crate::backend::linux::transfer::make::Obstacle;
use crate::backend::linux::transfer::node::Node;
use crate::backend::linux::transfer::stack::Stack;
use crate::backend::linux::transfer::walk::{Found, READ, Sink, open_item};
use crate::copy::SkipReason;
use crate::images::layers::names::{self, Meaning, Place};
use crate::{Error, ErrorKind, Result};

/// Bytes that the names of directories on the way may take.
const MOST_NAMES: usize = 128 << 20;
/// What one name costs besides its bytes.
const NAME_COST: usize = 40;

/// A directory on the way down.
struct Level {
    /// What is left to do there, the next one last.
    names: Vec<CString>,
    /// Length of its parent's path.
    parent: usize,
    node: Node,
}

/// A tree that is packed.
pub(super) struct Packing<'a, W: Write> {
    archive: Archive<'a, W>,
    form: Form<'a>,
    stack: Stack,
    levels: Vec<Level>,
    path: Vec<u8>,
    /// What the names of all levels cost.
    cost: usize,
}

impl<'a, W: Write> Packing<'a, W> {
    pub(super) fn new(archive: Archive<'a, W>, form: Form<'a>, top: OwnedFd) -> Self {
        Self { archive, form, stack: Stack::new(top), levels: Vec::new(), path: Vec::new(), cost: 0 }
    }

    pub(super) fn into_archive(self) -> Archive<'a, W> {
        self.archive
    }

    pub(super) fn run(&mut self, node: Node) -> Result<()> {
        self.begin(node, 0)?;
        while let Some(level) = self.levels.last_mut() {
            match level.names.pop() {
                Some(name) => {
                    self.cost -= cost(&name);
                    self.entry(&name)?;
                }
                None => self.leave()?,
            }
        }
        Ok(())
    }

    /// Begins the current directory of the stack.
    fn begin(&mut self, node: Node, parent: usize) -> Result<()> {
        let entered = self.archive.enter(c"", &self.path, self.stack.current(), &node);
        entered.map_err(|obstacle| self.failed(obstacle))?;
        self.archive.count_directory();
        if matches!(self.form, Form::Changes { .. }) {
            self.mark_of_overlay(&node)?;
        }
        let names = sorted(self.stack.current()).map_err(|errno| self.failed(Obstacle::Read(errno)))?;
        self.cost += names.iter().map(|name| cost(name)).sum::<usize>();
        if self.cost > MOST_NAMES {
            let message = format!("`/{}` has too many entries to be packed", OsText::from_bytes(&*self.path));
            return Err(Error::new(ErrorKind::ResourceExhausted, message));
        }
        self.levels.push(Level { names, parent, node });
        Ok(())
    }

    /// Writes what overlayfs notes of a directory as a layer has it.
    fn mark_of_overlay(&mut self, node: &Node) -> Result<()> {
        let has = |mark| has_mark(self.stack.current(), mark);
        let marks = has("redirect").and_then(|redirect| Ok((redirect, has("opaque")?)));
        let (redirect, opaque) = marks.map_err(|errno| self.failed(Obstacle::Read(errno)))?;
        if redirect {
            let path = OsText::from_bytes(&*self.path);
            let message = format!("`/{path}` was renamed on an overlay with `redirect_dir=on`");
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("mount the overlay with `redirect_dir=off`"));
        }
        if opaque && !self.path.is_empty() {
            let path = [&self.path[..], b"/", names::OPAQUE_MARKER].concat();
            return self.archive.mark(&path, node).map_err(|obstacle| self.failed(obstacle));
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        let left = self.stack.pop();
        left.map_err(|errno| self.failed(Obstacle::Read(errno)))?;
        self.path.truncate(level.parent);
        Ok(())
    }

    fn entry(&mut self, name: &CStr) -> Result<()> {
        let parent = self.path.len();
        if parent > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.to_bytes());
        let node = match Node::at(self.stack.current(), name) {
            Ok(node) => node,
            Err(Errno::NOENT) => return self.skip(SkipReason::Vanished, parent),
            Err(errno) => return Err(self.failed(Obstacle::Read(errno))),
        };
        if let Form::Changes { left_out } = self.form {
            if left_out.contains(&self.path) {
                self.path.truncate(parent);
                return Ok(());
            }
            self.check_name()?;
            if is_whiteout(&node) {
                return self.whiteout(name, &node, parent);
            }
        }
        if self.is_left_out(name).map_err(|errno| self.failed(Obstacle::Read(errno)))? {
            let written = self.archive.hollow(&self.path, &node);
            written.map_err(|obstacle| self.failed(obstacle))?;
            self.path.truncate(parent);
            return Ok(());
        }
        match node.kind {
            FileType::Directory => self.directory(name, parent),
            kind => self.other(name, kind, parent),
        }
    }

    /// A name that stands for a removal cannot be that of a file.
    fn check_name(&self) -> Result<()> {
        match Place::of(&self.path) {
            Ok(place) if matches!(place.meaning(), Ok(Meaning::Entry(_))) => Ok(()),
            Ok(_) => {
                let path = OsText::from_bytes(&*self.path);
                let message =
                    format!("`/{path}` cannot be in a layer, where such a name stands for a removal");
                Err(Error::new(ErrorKind::Unsupported, message).with_hint("rename the file"))
            }
            Err(complaint) => {
                let path = OsText::from_bytes(&*self.path);
                let message = format!("`/{path}` cannot be in a layer: it has {complaint}");
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    fn whiteout(&mut self, name: &CStr, node: &Node, parent: usize) -> Result<()> {
        self.path.truncate(parent);
        let slash = if parent == 0 { &b""[..] } else { b"/" };
        let path = [&self.path[..], slash, &names::whiteout(name.to_bytes())].concat();
        self.archive.mark(&path, node).map_err(|obstacle| self.failed(obstacle))
    }

    /// Says whether something is mounted there that is no part of the root.
    fn is_left_out(&self, name: &CStr) -> Result<bool, Errno> {
        let Form::Whole { mounts } = self.form else { return Ok(false) };
        if mounts.iter().any(|mount| mount.as_bytes() == self.path) {
            return Ok(false);
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(self.stack.current(), name, flags, Mode::empty(), resolve) {
            Ok(_) | Err(Errno::NOENT) => Ok(false),
            Err(Errno::XDEV) => Ok(true),
            Err(errno) => Err(errno),
        }
    }

    fn directory(&mut self, name: &CStr, parent: usize) -> Result<()> {
        let directory = match rustix::fs::openat(self.stack.current(), name, READ, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                return self.skip(SkipReason::Vanished, parent);
            }
            Err(errno) => return Err(self.failed(Obstacle::Read(errno))),
        };
        let node = Node::of(&directory).map_err(|errno| self.failed(Obstacle::Read(errno)))?;
        self.stack.push(directory, node.id, READ);
        self.begin(node, parent)
    }

    fn other(&mut self, name: &CStr, kind: FileType, parent: usize) -> Result<()> {
        let device = self.levels.last().map_or(0, |level| level.node.id.0);
        let found = open_item(self.stack.current(), name, kind, device);
        let put = match found.map_err(|obstacle| self.failed(obstacle))? {
            Found::Item(item, node) => self.archive.put(name, &self.path, item, node),
            Found::Nothing(reason) => return self.skip(reason, parent),
            Found::Directory => return self.skip(SkipReason::Vanished, parent),
        };
        put.map_err(|obstacle| self.failed(obstacle))?;
        self.path.truncate(parent);
        Ok(())
    }

    fn skip(&mut self, reason: SkipReason, parent: usize) -> Result<()> {
        self.archive.skip(&self.path, reason);
        self.path.truncate(parent);
        Ok(())
    }

    fn failed(&self, obstacle: Obstacle) -> Error {
        let error = obstacle.into_error(&format!("`/{}`", OsText::from_bytes(&*self.path)), "the archive");
        match error.kind() {
            ErrorKind::PermissionDenied => error.with_hint(
                "another user of the container keeps it private; `cv exec CONTAINER tar -C / -c .` reads it from inside",
            ),
            _ => error,
        }
    }
}

fn cost(name: &CStr) -> usize {
    name.count_bytes() + NAME_COST
}

/// Lists a directory, the last name first.
fn sorted(directory: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    let mut listing = Listing::new();
    while listing.read(directory.as_fd())? {
        for index in 0..listing.len() {
            if let Some((name, _)) = listing.entry(index) {
                names.push(name.to_owned());
            }
        }
    }
    names.sort_unstable_by(|one: &CString, other| other.cmp(one));
    Ok(names)
}
