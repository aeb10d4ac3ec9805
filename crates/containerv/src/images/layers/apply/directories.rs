//! Attributes that directories get when nothing more is made in them.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, Timestamps};
use rustix::io::Errno;

use super::failure::{Failure, system};
use crate::archive::Attribute;
use crate::backend::linux::transfer::attributes;
use crate::backend::linux::transfer::node::{FileId, Node};
use crate::backend::linux::transfer::owners::Belonging;

/// Bytes that what is known of directories may take before those so far get their attributes.
const MOST_BYTES: usize = if cfg!(test) { 64 << 10 } else { 24 << 20 };
/// What one costs besides its path and attributes.
const COST: usize = 224;

/// What a directory gets.
pub(super) struct Pending {
    /// Below the top, without links.
    pub(super) path: Vec<u8>,
    pub(super) belonging: Belonging,
    pub(super) attributes: Vec<Attribute>,
    pub(super) times: Timestamps,
    /// The archive does not name it: it is to be as the layers below have it, if they do.
    pub(super) implied: bool,
}

/// Directories in which something was made.
#[derive(Default)]
pub(super) struct Directories {
    pending: HashMap<FileId, Pending>,
    bytes: usize,
}

impl Directories {
    pub(super) fn knows(&self, id: FileId) -> bool {
        self.pending.contains_key(&id)
    }

    /// Notes what a directory gets; replaces what was noted before.
    pub(super) fn note(&mut self, id: FileId, pending: Pending) {
        let attributes = pending.attributes.iter().map(|(name, value)| name.len() + value.len());
        self.bytes += COST + pending.path.len() + attributes.sum::<usize>();
        self.pending.insert(id, pending);
    }

    /// Those that the archive does not name, once.
    pub(super) fn take_implied(&mut self) -> Vec<(FileId, Vec<u8>)> {
        let implied = self.pending.iter_mut().filter(|(_, directory)| directory.implied);
        let taken = implied.map(|(id, directory)| {
            directory.implied = false;
            (*id, directory.path.clone())
        });
        taken.collect()
    }

    /// Says whether it is time to [`Directories::settle`].
    pub(super) fn are_many(&self) -> bool {
        self.bytes > MOST_BYTES
    }

    /// Gives all directories what they get, the deepest first: a mode may forbid to enter, and what is
    /// made in a directory changes its times. Calls `incomplete` for each that could not hold an attribute.
    pub(super) fn settle(
        &mut self,
        top: BorrowedFd<'_>,
        mut incomplete: impl FnMut(&[u8]),
    ) -> Result<(), (Failure, Vec<u8>)> {
        self.bytes = 0;
        let mut all: Vec<_> = std::mem::take(&mut self.pending).into_iter().collect();
        // A path sorts before those below it.
        all.sort_by(|(_, one), (_, other)| other.path.cmp(&one.path));
        for (id, directory) in all {
            match finish(top, id, &directory) {
                Ok(true) => {}
                Ok(false) => incomplete(&directory.path),
                Err(failure) => return Err((failure, directory.path)),
            }
        }
        Ok(())
    }
}

fn finish(top: BorrowedFd<'_>, id: FileId, directory: &Pending) -> Result<bool, Failure> {
    let file = match open(top, &directory.path) {
        Ok(file) => file,
        // Something else has the name by now.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(true),
        Err(errno) => return Err(system("open the directory")(errno)),
    };
    let node = Node::of(&file).map_err(system("stat"))?;
    if node.id != id {
        return Ok(true);
    }
    Ok(attributes::give(file.as_fd(), &directory.belonging, &directory.attributes, &directory.times)?)
}

fn open(top: BorrowedFd<'_>, path: &[u8]) -> Result<std::os::fd::OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let path = if path.is_empty() { b"." } else { path };
    rustix::fs::openat2(top, path, flags, Mode::empty(), resolve)
}
