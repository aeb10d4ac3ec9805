//! Writing one entry of a tree to the destination.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::attributes::{self, Carried};
use super::content::{self, Extent};
use super::make::{self, Obstacle};
use super::node::Node;
use super::owners::{Belonging, Owners};
use super::place::open_below;
use super::walk::Item;
use crate::backend::transfer::{Links, Meter};
use crate::copy::{CopyOptions, SkipReason};

/// What an entry is made of.
#[derive(Clone, Copy)]
pub(super) enum Original<'a> {
    File(Content<'a>),
    Link(&'a [u8]),
    Special,
}

/// Where the content of a file is.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    In(BorrowedFd<'a>),
    /// All of it was read already. The file is there only if it has extended attributes.
    Read(&'a [u8], Option<BorrowedFd<'a>>),
}

impl<'a> From<&'a Item> for Original<'a> {
    fn from(item: &'a Item) -> Self {
        match item {
            Item::File(file) => Self::File(Content::In(file.as_fd())),
            Item::Link(target) => Self::Link(target),
            Item::Special => Self::Special,
        }
    }
}

/// What holds for all entries of one copy.
pub(super) struct Rules {
    pub(super) owners: Owners,
    pub(super) carried: Carried,
    pub(super) extent: Extent,
    /// Device nodes are copied.
    pub(super) devices: bool,
}

/// Writes entries and counts them.
pub(super) struct Writer {
    pub(super) rules: Rules,
    pub(super) meter: Meter,
    links: Links,
    buffer: Vec<u8>,
}

impl Writer {
    pub(super) fn new(rules: Rules, options: &CopyOptions) -> Self {
        let meter = Meter::new(options.progress.clone());
        Self { rules, meter, links: Links::default(), buffer: vec![0; content::BUFFER] }
    }

    /// Writes an entry under `name` in `parent`, as one more name of an earlier one if it is that.
    /// `path` is its path below `top`.
    pub(super) fn put(
        &mut self,
        top: BorrowedFd<'_>,
        parent: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        (original, node): (Original<'_>, &Node),
    ) -> Result<(), Obstacle> {
        if node.links > 1 {
            if self.link(top, parent, name, node)? {
                return Ok(());
            }
            let written = self.write(parent, name, path, original, node)?;
            let id = Node::of(&written).map_err(|errno| Obstacle::System("stat", errno))?.id;
            if !self.links.remember(node.id, node.links, path.to_vec(), id) {
                return Err(Obstacle::System("remember the hard links of", Errno::NOMEM));
            }
            return Ok(());
        }
        self.write(parent, name, path, original, node).map(drop)
    }

    /// Makes a hard link to the first copy of this file; false if there is none to link to.
    fn link(
        &mut self,
        top: BorrowedFd<'_>,
        parent: BorrowedFd<'_>,
        name: &CStr,
        node: &Node,
    ) -> Result<bool, Obstacle> {
        let Some(first) = self.links.first(node.id) else { return Ok(false) };
        let cut = first.path.iter().rposition(|&byte| byte == b'/');
        let (directory, first_name) = match cut {
            Some(cut) => (&first.path[..cut], &first.path[cut + 1..]),
            None => (&b""[..], &first.path[..]),
        };
        let Ok(directory) = open_below(top, directory) else { return Ok(false) };
        if make::hard_link((directory.as_fd(), first_name), first.id, parent, name)?.is_none() {
            return Ok(false);
        }
        self.links.met(node.id);
        self.count(node.kind);
        Ok(true)
    }

    fn write(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        original: Original<'_>,
        node: &Node,
    ) -> Result<OwnedFd, Obstacle> {
        let belonging = self.rules.owners.of(node).map_err(Obstacle::Unmapped)?;
        let written = match original {
            Original::File(content) => self.write_file((parent, name, path), content, node, &belonging)?,
            Original::Link(target) => make::symlink(parent, name, target)?,
            Original::Special => make::special(parent, name, node.kind, node.device)?,
        };
        if !matches!(original, Original::File(_)) {
            let is_link = node.kind == FileType::Symlink;
            attributes::give_opened(written.as_fd(), &belonging, is_link, &node.times())?;
        }
        self.count(node.kind);
        Ok(written)
    }

    fn write_file(
        &mut self,
        (parent, name, path): (BorrowedFd<'_>, &CStr, &[u8]),
        content: Content<'_>,
        node: &Node,
        belonging: &Belonging,
    ) -> Result<OwnedFd, Obstacle> {
        let to = make::file(parent, name, 0o600)?;
        let extent = self.rules.extent;
        let (buffer, meter) = (&mut self.buffer, &mut self.meter);
        let (from, copied) = match content {
            Content::In(from) => (Some(from), content::copy(from, node, to.as_fd(), extent, buffer, meter)),
            Content::Read(bytes, from) => (from, content::write(to.as_fd(), bytes, meter)),
        };
        let copied = copied.and_then(|()| self.finish(from, to.as_fd(), path, node, belonging));
        if let Err(obstacle) = copied {
            // Half a file under the full name would be taken for the whole.
            let _ = super::place::unlink(parent, name);
            return Err(obstacle);
        }
        Ok(to)
    }

    /// Gives a written file or directory the attributes of its source, which has extended ones only if it is there.
    pub(super) fn finish(
        &mut self,
        from: Option<BorrowedFd<'_>>,
        to: BorrowedFd<'_>,
        path: &[u8],
        node: &Node,
        belonging: &Belonging,
    ) -> Result<(), Obstacle> {
        let mut carried = self.rules.carried;
        carried.capabilities &= belonging.same_user;
        let found = match from {
            Some(from) => attributes::read(from, carried).map_err(Obstacle::Read)?,
            None => Vec::new(),
        };
        if !attributes::give(to, belonging, &found, &node.times())? {
            self.meter.skip(path, SkipReason::Attribute);
        }
        Ok(())
    }

    fn count(&mut self, kind: FileType) {
        self.meter.entry(|summary| match kind {
            FileType::RegularFile => &mut summary.files,
            FileType::Symlink => &mut summary.symlinks,
            _ => &mut summary.special,
        });
    }
}
