//! The copy of a tree in directories.

use std::os::windows::io::{AsHandle, BorrowedHandle};

use super::Mappings;
use super::make::Directory;
use super::node::{Node, Opened};
use super::obstacle::Obstacle;
use super::place::Side;
use super::walk::{Item, Reading, Sink, Walk};
use super::writer::{self, Writer};
use crate::Result;
use crate::backend::hcs::transfer::path::Name;
use crate::backend::transfer::{FileId, Meter};

/// Where a tree goes.
#[derive(Clone, Copy)]
pub(super) struct Into<'a> {
    pub(super) to: Side<'a>,
    /// Name of the tree's top below the path of `to`; empty if that is the top itself.
    pub(super) below: &'a [u16],
    /// Directories of the destination that are mapped from the host.
    pub(super) mapped: &'a Mappings,
}

impl Into<'_> {
    /// Names an entry below the top.
    pub(super) fn name(self, path: &[u16]) -> String {
        const BACKSLASH: u16 = b'\\' as u16;
        let joint = if self.below.is_empty() || path.is_empty() { &[][..] } else { &[BACKSLASH] };
        self.to.name(&[self.below, joint, path].concat())
    }
}

/// Makes the entries of a tree below a directory.
struct Tree<'a> {
    writer: &'a mut Writer,
    into: Into<'a>,
    top: Opened,
    /// Directories below the top, down to the current one.
    below: Vec<Opened>,
    /// For each directory down to the current one, whether it is new.
    new: Vec<bool>,
}

/// Copies the content of `source` into `destination`, and its attributes too if that is new.
pub(super) fn copy(
    writer: &mut Writer,
    reading: Reading<'_>,
    into: Into<'_>,
    source: Opened,
    destination: Directory,
) -> Result<()> {
    let Directory { file, node, new, .. } = destination;
    let mut tree = Tree { writer, into, top: Opened { file, node }, below: Vec::new(), new: vec![new] };
    Walk::run(&mut tree, reading, source)
}

impl Tree<'_> {
    fn current(&self) -> BorrowedHandle<'_> {
        self.below.last().unwrap_or(&self.top).file.as_handle()
    }
}

impl Sink for Tree<'_> {
    fn enter(
        &mut self,
        name: &Name,
        path: &[u16],
        _directory: BorrowedHandle<'_>,
        _node: &Node,
    ) -> Result<(), Obstacle> {
        let making = self.writer.rules.making;
        let made = self.into.mapped.enter(making, self.current(), name, path)?;
        if made.other_case && made.is_own(making)? {
            return Err(Obstacle::Twin);
        }
        let Directory { file, node, new, .. } = made;
        self.below.push(Opened { file, node });
        self.new.push(new);
        Ok(())
    }

    fn put(&mut self, name: &Name, path: &[u16], item: &Item, node: &Node) -> Result<(), Obstacle> {
        self.into.mapped.refuse(path)?;
        let current = self.below.last().unwrap_or(&self.top).file.as_handle();
        self.writer.put(&self.top, current, name, path, (item, node))
    }

    fn leave(&mut self, _path: &[u16], directory: BorrowedHandle<'_>, node: &Node) -> Result<(), Obstacle> {
        if self.new.pop() == Some(true) {
            writer::finish(self.writer.rules, directory, self.current(), &node.information)?;
        }
        self.below.pop();
        Ok(())
    }

    fn is_top(&self, id: FileId) -> bool {
        id == self.top.node.id()
    }

    fn describe(&self, below: &[u16]) -> String {
        self.into.name(below)
    }

    fn meter(&mut self) -> &mut Meter {
        &mut self.writer.meter
    }
}
