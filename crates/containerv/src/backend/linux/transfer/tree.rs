//! The copy of a tree in directories.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;

use super::ahead;
use super::make::{self, Directory, Obstacle};
use super::node::{FileId, Node};
use super::owners::Belonging;
use super::stack::Stack;
use super::walk::{Item, Side, Sink};
use super::writer::{Original, Writer};
use crate::copy::SkipReason;
use crate::{Error, Result};

/// Makes the entries of a tree below a directory.
pub(super) struct Tree<'a> {
    writer: &'a mut Writer,
    pub(super) to: Side<'a>,
    destination: Stack,
    /// For each directory down to the current one, owner and mode that it gets at the end; none if
    /// it was there before.
    made: Vec<Option<Belonging>>,
    pub(super) top: FileId,
}

impl<'a> Tree<'a> {
    /// Copies the content of `source` into `destination`, and its attributes too if that is new.
    pub(super) fn copy(
        writer: &'a mut Writer,
        (from, to): (Side<'a>, Side<'a>),
        source: OwnedFd,
        destination: Directory,
    ) -> Result<()> {
        let stat = |errno: Errno| Error::os(errno.raw_os_error(), format!("stat {}", from.name(b"")));
        let node = Node::of(&source).map_err(stat)?;
        let (top, new) = (destination.node.id, destination.new);
        let stack = Stack::new(destination.file);
        let mut tree = Self { writer, to, destination: stack, made: Vec::new(), top };
        tree.note(&node, new).map_err(|obstacle| obstacle.into_error(&from.name(b""), &to.name(b"")))?;
        ahead::copy(&mut tree, from, source, node)
    }

    /// Begins a directory, which becomes the current one.
    pub(super) fn begin(&mut self, name: &CStr, node: &Node) -> Result<(), Obstacle> {
        let made = make::directory(self.destination.current(), name)?;
        self.note(node, made.new)?;
        self.destination.push(made.file, made.node.id, made.flags);
        Ok(())
    }

    fn note(&mut self, node: &Node, new: bool) -> Result<(), Obstacle> {
        let belonging = new.then(|| self.writer.rules.owners.of(node)).transpose();
        self.made.push(belonging.map_err(Obstacle::Unmapped)?);
        Ok(())
    }

    /// Takes an entry of the current directory.
    pub(super) fn put_original(
        &mut self,
        name: &CStr,
        path: &[u8],
        original: Original<'_>,
        node: &Node,
    ) -> Result<(), Obstacle> {
        let (top, parent) = (self.destination.top(), self.destination.current());
        self.writer.put(top, parent, name, path, (original, node))
    }
}

impl Sink for Tree<'_> {
    fn enter(
        &mut self,
        name: &CStr,
        _path: &[u8],
        _directory: BorrowedFd<'_>,
        node: &Node,
    ) -> Result<(), Obstacle> {
        self.begin(name, node)
    }

    fn put(&mut self, name: &CStr, path: &[u8], item: Item, node: Node) -> Result<(), Obstacle> {
        self.put_original(name, path, Original::from(&item), &node)
    }

    fn leave(&mut self, path: &[u8], directory: BorrowedFd<'_>, node: &Node) -> Result<(), Obstacle> {
        if let Some(belonging) = self.made.pop().flatten() {
            self.writer.finish(Some(directory), self.destination.current(), path, node, &belonging)?;
        }
        let popped = self.destination.pop();
        popped.map(drop).map_err(|errno| Obstacle::System("go back up from", errno))
    }

    fn is_top(&self, id: FileId) -> bool {
        id == self.top
    }

    fn takes_devices(&self) -> bool {
        self.writer.rules.devices
    }

    fn describe(&self, below: &[u8]) -> String {
        self.to.name(below)
    }

    fn count_directory(&mut self) {
        self.writer.meter.entry(|summary| &mut summary.directories);
    }

    fn skip(&mut self, path: &[u8], reason: SkipReason) {
        self.writer.meter.skip(path, reason);
    }
}
