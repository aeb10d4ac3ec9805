//! What the layers below have under a path.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

pub(super) use crate::backend::linux::transfer::changes::is_whiteout;
use crate::backend::linux::transfer::node::Node;
use crate::{Error, Result};

/// The layers below, the topmost first.
pub(super) struct Below(Vec<OwnedFd>);

impl Below {
    pub(super) fn open(parents: &[PathBuf]) -> Result<Self> {
        let open = |path: &PathBuf| {
            let failed = |error| Error::io(error, format!("cannot open the layer `{}`", path.display()));
            File::open(path).map(OwnedFd::from).map_err(failed)
        };
        parents.iter().map(open).collect::<Result<_>>().map(Self)
    }

    /// Says whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(AsFd::as_fd)
    }

    /// Finds what the layers together have under a path, as overlayfs does; opened with `O_PATH`.
    pub(super) fn find(&self, path: &[u8]) -> Result<Option<(OwnedFd, Node)>, Errno> {
        for layer in self.layers() {
            match look(layer, path)? {
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
