//! The directories of the layer that is being made.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use containerv_spec::OsText;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::below::{Below, by_descriptor, is_opaque, is_whiteout};
use super::directories::{Directories, Pending};
use super::failure::{Failure, refused, system};
use super::foreign::{Foreign, Owned};
use super::ownership::Ownership;
use crate::Result;
use crate::backend::linux::transfer::node::{FileId, Node};
use crate::backend::linux::transfer::place::{LOOK, link_target, unlink};
use crate::backend::linux::transfer::{attributes, remove_tree};

/// How many directories stay open: the members of one directory usually follow each other.
const OPEN: usize = 32;
/// How many symbolic links lead to one directory at most, as in the kernel.
const MOST_LINKS: usize = 40;
/// How often a resolution is tried again that a concurrent rename somewhere made fail (`EAGAIN`).
const MOST_TRIES: usize = 1000;

/// A directory of the layer, opened with `O_PATH`.
pub(super) struct Parent {
    /// Below the top, without links.
    path: Vec<u8>,
    file: OwnedFd,
    id: FileId,
}

impl Parent {
    pub(super) fn join(&self, name: &[u8]) -> Vec<u8> {
        let slash = if self.path.is_empty() { &b""[..] } else { b"/" };
        [&self.path, slash, name].concat()
    }

    pub(super) fn is_top(&self) -> bool {
        self.path.is_empty()
    }
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

pub(super) struct Tree {
    top: Rc<Parent>,
    open: Vec<(Vec<u8>, Rc<Parent>)>,
    pub(super) below: Below,
    pub(super) directories: Directories,
    pub(super) ownership: Ownership,
    /// Owners that are given at the end.
    pub(super) foreign: Option<Foreign>,
    /// How many more entries may be made.
    entries: u64,
}

/// What becomes of a directory that is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Leave,
}

impl Tree {
    pub(super) fn new(
        top: BorrowedFd<'_>,
        below: Below,
        entries: u64,
        foreign: Option<Foreign>,
    ) -> Result<Self, Failure> {
        let file = rustix::fs::openat(top, c".", LOOK, Mode::empty()).map_err(system("open"))?;
        let id = Node::of(&file).map_err(system("stat"))?.id;
        let top = Rc::new(Parent { path: Vec::new(), file, id });
        let (ownership, directories) = (Ownership::of_caller(), Directories::default());
        let mut tree = Self { top, open: Vec::new(), below, directories, ownership, foreign, entries };
        tree.note_implied(&[], id);
        Ok(tree)
    }

    pub(super) fn top(&self) -> Rc<Parent> {
        self.top.clone()
    }

    /// Counts one more entry.
    pub(super) fn count(&mut self) -> Result<(), Failure> {
        self.entries = self.entries.checked_sub(1).ok_or_else(|| refused("too many members before it"))?;
        Ok(())
    }

    /// Opens the directory at a clean path. A symbolic link among its components leads to somewhere in the
    /// layer, wherever it points; what is missing is made as the layers below have it.
    pub(super) fn parent(&mut self, path: &[u8]) -> Result<Rc<Parent>, Failure> {
        let found = self.find(path, Missing::Make)?.ok_or_else(|| system("open")(Errno::NOENT))?;
        if !self.directories.knows(found.id) {
            self.keep_as_it_is(&found)?;
        }
        Ok(found)
    }

    /// Opens the directory at a clean path if the layer has it.
    pub(super) fn existing(&mut self, path: &[u8]) -> Result<Option<Rc<Parent>>, Failure> {
        self.find(path, Missing::Leave)
    }

    fn find(&mut self, path: &[u8], missing: Missing) -> Result<Option<Rc<Parent>>, Failure> {
        if path.is_empty() {
            return Ok(Some(self.top.clone()));
        }
        if let Some((_, parent)) = self.open.iter().rev().find(|(open, _)| open == path) {
            return Ok(Some(parent.clone()));
        }
        let found = match open_plain(self.top.as_fd(), path) {
            Ok(file) => {
                let id = Node::of(&file).map_err(system("stat"))?.id;
                Some(Rc::new(Parent { path: path.to_vec(), file, id }))
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => self.walk(path, missing)?,
            Err(errno) => return Err(system("open the directory of")(errno)),
        };
        if let Some(found) = &found {
            if self.open.len() == OPEN {
                self.open.remove(0);
            }
            self.open.push((path.to_vec(), found.clone()));
        }
        Ok(found)
    }

    /// Goes down a path component by component, and along symbolic links, as the kernel does in a root.
    fn walk(&mut self, path: &[u8], missing: Missing) -> Result<Option<Rc<Parent>>, Failure> {
        let mut chain = vec![self.top.clone()];
        let mut links = 0;
        let mut ahead: Vec<Vec<u8>> = components(path);
        while let Some(name) = ahead.pop() {
            if name == b".." {
                if chain.len() > 1 {
                    chain.pop();
                }
                continue;
            }
            let at = chain.last().unwrap_or(&self.top).clone();
            match self.step(&at, &name, missing)? {
                Step::Into(next) => chain.push(next),
                Step::Nothing => return Ok(None),
                Step::Link(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(refused("a parent that is reached by too many symbolic links"));
                    }
                    if target.starts_with(b"/") {
                        chain.truncate(1);
                    }
                    ahead.extend(components(&target));
                }
            }
        }
        Ok(chain.pop())
    }

    fn step(&mut self, at: &Rc<Parent>, name: &[u8], missing: Missing) -> Result<Step, Failure> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(at, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) if missing == Missing::Leave => return Ok(Step::Nothing),
            Err(Errno::NOENT) => return self.imply(at, name, false).map(Step::Into),
            Err(errno) => return Err(system("open the directory of")(errno)),
        };
        let node = Node::of(&file).map_err(system("stat"))?;
        match node.kind {
            FileType::Directory => Ok(Step::Into(Rc::new(Parent { path: at.join(name), file, id: node.id }))),
            FileType::Symlink => link_target(&file).map(Step::Link).map_err(system("read the link")),
            _ if !is_whiteout(&node) => Err(refused("a parent that is no directory")),
            _ if missing == Missing::Leave => Ok(Step::Nothing),
            _ => {
                unlink(at, name).map_err(system("replace"))?;
                self.imply(at, name, true).map(Step::Into)
            }
        }
    }

    /// Makes a directory that the archive has not named, or not yet.
    fn imply(&mut self, at: &Rc<Parent>, name: &[u8], opaque: bool) -> Result<Rc<Parent>, Failure> {
        self.count()?;
        rustix::fs::mkdirat(at, name, Mode::RWXU).map_err(system("create the directory of"))?;
        let file = rustix::fs::openat(at, name, LOOK | OFlags::NOFOLLOW, Mode::empty());
        let file = file.map_err(system("open the directory of"))?;
        let id = Node::of(&file).map_err(system("stat"))?.id;
        let made = Rc::new(Parent { path: at.join(name), file, id });
        if opaque {
            self.hide(&made)?;
        }
        self.note_implied(&made.path, id);
        Ok(made)
    }

    /// Makes a directory, or takes the one that is there.
    pub(super) fn directory(&mut self, at: &Rc<Parent>, name: &CStr) -> Result<FileId, Failure> {
        let make = || rustix::fs::mkdirat(at, name, Mode::RWXU);
        let mut opaque = false;
        match make() {
            Err(Errno::EXIST) => {
                let found = Node::at(at, name).map_err(system("stat"))?;
                if found.is_directory() {
                    return Ok(found.id);
                }
                opaque = is_whiteout(&found);
                self.displace(at, name)?;
                make().map_err(system("create"))?;
            }
            made => made.map_err(system("create"))?,
        }
        let id = Node::at(at, name).map_err(system("stat"))?.id;
        if opaque {
            let file = rustix::fs::openat(at, name, LOOK | OFlags::NOFOLLOW, Mode::empty());
            let file = file.map_err(system("open"))?;
            self.hide(&Parent { path: at.join(name.to_bytes()), file, id })?;
        }
        Ok(id)
    }

    /// Marks a directory as hiding what is below it.
    pub(super) fn hide(&self, directory: &impl AsFd) -> Result<(), Failure> {
        if self.below.is_empty() {
            return Ok(());
        }
        let path = by_descriptor(directory.as_fd());
        let mark = |name: &str| rustix::fs::setxattr(&*path, name, b"y", XattrFlags::empty());
        mark(self.ownership.opaque_mark()).map_err(system("mark as opaque"))
    }

    /// Removes what has a name, for what comes later in the archive and has it too.
    pub(super) fn displace(&mut self, at: &Parent, name: &CStr) -> Result<(), Failure> {
        // Directories that are open may be reached by what is removed.
        self.open.clear();
        if let Some(foreign) = &mut self.foreign {
            foreign.name_is_reused();
        }
        match unlink(at, name) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => {
                remove_tree(at.as_fd(), &OsText::from_bytes(name.to_bytes())).map_err(|error| {
                    let errno = error.raw_os_error().map_or(Errno::BUSY, Errno::from_raw_os_error);
                    Failure::System("replace", errno)
                })
            }
            Err(errno) => Err(system("replace")(errno)),
        }
    }

    /// Runs `make`, which must not take the place of anything, and clears the name for it if need be.
    pub(super) fn create<T>(
        &mut self,
        at: &Parent,
        name: &CStr,
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, Failure> {
        match make() {
            Err(Errno::EXIST) => {
                self.displace(at, name)?;
                make().map_err(system("create"))
            }
            made => made.map_err(system("create")),
        }
    }

    /// Notes a directory that the archive has not named by now. What the layers below have there is looked at in the
    /// end, when they are whole.
    fn note_implied(&mut self, path: &[u8], id: FileId) {
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let pending = Pending {
            path: path.to_vec(),
            belonging: self.ownership.belonging(0, 0, 0o755),
            attributes: Vec::new(),
            times: Timestamps { last_access: never, last_modification: never },
            implied: true,
        };
        self.directories.note(id, pending);
    }

    /// Lets directories that the archive does not name have what the layers below give them; what is usual stays
    /// if they have none.
    fn inherit(&mut self) -> Result<(), (Failure, Vec<u8>)> {
        for (id, path) in self.directories.take_implied() {
            match self.inherited(&path) {
                Ok(Some(pending)) => self.directories.note(id, pending),
                Ok(None) => {}
                Err(failure) => return Err((failure, path)),
            }
        }
        Ok(())
    }

    fn inherited(&mut self, path: &[u8]) -> Result<Option<Pending>, Failure> {
        if self.below.is_empty() || self.hides_below(path)? {
            return Ok(None);
        }
        let found = self.below.find(path)?.filter(|(_, node)| node.is_directory());
        let Some((file, node)) = found else { return Ok(None) };
        let file = rustix::fs::openat(&file, c".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let file = file.map_err(system("look below for"))?;
        let attributes = attributes::read(file.as_fd(), self.ownership.carried());
        self.keep_owner(path, &node)?;
        Ok(Some(Pending {
            path: path.to_vec(),
            belonging: self.ownership.of(&node),
            attributes: attributes.map_err(system("look below for"))?,
            times: node.times(),
            implied: false,
        }))
    }

    /// Lets a copy of an entry of a layer below have its owner in the end.
    pub(super) fn keep_owner(&mut self, path: &[u8], node: &Node) -> Result<(), Failure> {
        let Some(foreign) = &mut self.foreign else { return Ok(()) };
        let (uid, gid) = foreign.inside(node.uid, node.gid);
        let is_link = node.kind == FileType::Symlink;
        let (mode, times, attributes) = (node.mode, &node.times(), &[][..]);
        let noted = foreign.note(&Owned { path, uid, gid, mode, is_link, times, attributes });
        noted.map(drop).map_err(noting)
    }

    /// Lets a directory keep what it has, whatever is made in it.
    fn keep_as_it_is(&mut self, directory: &Parent) -> Result<(), Failure> {
        let node = Node::of(directory).map_err(system("stat"))?;
        let belonging = self.ownership.of(&node);
        let (path, times) = (directory.path.clone(), node.times());
        self.directories
            .note(node.id, Pending { path, belonging, attributes: Vec::new(), times, implied: false });
        Ok(())
    }

    /// Says whether this layer hides what the layers below have at a path of its own.
    pub(super) fn hides_below(&self, path: &[u8]) -> Result<bool, Failure> {
        let ends = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(end, _)| end);
        for end in ends.chain([path.len()]).filter(|_| !path.is_empty() && !self.below.is_empty()) {
            match open_plain(self.top.as_fd(), &path[..end]) {
                Ok(directory) if is_opaque(&directory).map_err(system("stat"))? => return Ok(true),
                Ok(_) => {}
                Err(Errno::NOENT) => return Ok(false),
                // This layer has something else there.
                Err(Errno::NOTDIR | Errno::LOOP) => return Ok(true),
                Err(errno) => return Err(system("open the directory of")(errno)),
            }
        }
        Ok(false)
    }

    /// Gives the directories so far their attributes if they are many.
    pub(super) fn settle_if_many(&mut self, incomplete: impl FnMut(&[u8])) -> Result<(), (Failure, Vec<u8>)> {
        if self.directories.are_many() { self.settle(incomplete) } else { Ok(()) }
    }

    /// Gives the directories so far their attributes.
    pub(super) fn settle(&mut self, incomplete: impl FnMut(&[u8])) -> Result<(), (Failure, Vec<u8>)> {
        self.inherit()?;
        self.open.clear();
        let top = self.top.clone();
        self.directories.settle(top.as_fd(), incomplete)
    }
}

/// The file with the owners could not be written.
pub(super) fn noting(error: std::io::Error) -> Failure {
    Failure::System("note the owner of", Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

enum Step {
    Into(Rc<Parent>),
    Link(Vec<u8>),
    Nothing,
}

/// The components of a path, the last one first; `..` only where a link has it.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let components = path.split(|&byte| byte == b'/').rev();
    components.filter(|name| !matches!(**name, [] | [b'.'])).map(<[u8]>::to_vec).collect()
}

/// Opens a directory by a path in which no component is a link.
fn open_plain(top: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(top, path, LOOK, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries < MOST_TRIES => tries += 1,
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
