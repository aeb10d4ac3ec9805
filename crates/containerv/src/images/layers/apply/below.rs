//! What the layers below have under a path.

use std::cell::OnceCell;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::super::Parents;
use super::failure::{Failure, system};
use crate::Error;
pub(super) use crate::backend::linux::transfer::changes::is_whiteout;
use crate::backend::linux::transfer::node::Node;

/// The layers below, the topmost first, opened when something of them is first needed.
pub(super) struct Below {
    parents: Parents,
    opened: OnceCell<Vec<OwnedFd>>,
}

impl Below {
    pub(super) fn new(parents: Parents) -> Self {
        Self { parents, opened: OnceCell::new() }
    }

    /// Says whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// Waits until they are whole.
    pub(super) fn layers(&self) -> Result<&[OwnedFd], Failure> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let open = |path: PathBuf| {
            let failed = |error| Error::io(error, format!("cannot open the layer `{}`", path.display()));
            File::open(&path).map(OwnedFd::from).map_err(failed)
        };
        let found = if self.is_empty() { Ok(Vec::new()) } else { self.parents.find() };
        let opened = found.and_then(|paths| paths.into_iter().map(open).collect()).map_err(Failure::Below)?;
        Ok(self.opened.get_or_init(|| opened))
    }

    /// Finds what the layers together have under a path, as overlayfs does; opened with `O_PATH`.
    pub(super) fn find(&self, path: &[u8]) -> Result<Option<(OwnedFd, Node)>, Failure> {
        for layer in self.layers()? {
            match look(layer.as_fd(), path).map_err(system("look below for"))? {
                Look::Found(file, node) => return Ok(Some((file, node))),
                Look::Hidden => return Ok(None),
                Look::Absent => {}
            }
        }
        Ok(None)
    }
}

enum Look {
    Found(OwnedFd, Node),
    /// It is not there, and what lower layers have does not show.
    Hidden,
    /// The layer says nothing about it.
    Absent,
}

fn look(layer: BorrowedFd<'_>, path: &[u8]) -> Result<Look, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::openat(layer, c".", flags, Mode::empty())?;
    let mut node = Node::of(&at)?;
    let mut opaque = false;
    for component in path.split(|&byte| byte == b'/').filter(|component| !component.is_empty()) {
        if !node.is_directory() {
            return Ok(Look::Hidden);
        }
        opaque = opaque || is_opaque(&at)?;
        at = match rustix::fs::openat(&at, component, flags, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT | Errno::NAMETOOLONG) if opaque => return Ok(Look::Hidden),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(Look::Absent),
            Err(errno) => return Err(errno),
        };
        node = Node::of(&at)?;
    }
    Ok(if is_whiteout(&node) { Look::Hidden } else { Look::Found(at, node) })
}

/// Says whether a directory, opened with `O_PATH`, hides those below it.
pub(super) fn is_opaque(directory: impl AsFd) -> Result<bool, Errno> {
    let mut value = [0; 2];
    for namespace in ["trusted", "user"] {
        let path = by_descriptor(directory.as_fd());
        match rustix::fs::getxattr(path, format!("{namespace}.overlay.opaque"), &mut value) {
            Ok(count) if &value[..count] == b"y" => return Ok(true),
            Ok(_) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::RANGE) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(false)
}

/// A path for the calls that take no descriptor opened with `O_PATH`.
pub(super) fn by_descriptor(file: BorrowedFd<'_>) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
