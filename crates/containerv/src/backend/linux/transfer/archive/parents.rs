//! The directories of the destination that members of an archive go into.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::super::make::{self, Directory, Obstacle};
use super::super::place::{LOOK, Place, is_kernel_file_system, open_below};

/// How many directories stay open: the members of one directory usually follow each other.
const OPEN: usize = 16;
/// Longest path for which a symbolic link of the container among the parents is followed.
const LONGEST_LINKED: usize = 4000;

/// Finds directories below the destination by the paths that an archive uses.
pub(super) struct Parents<'a> {
    place: Place<'a>,
    /// The destination's path in the container.
    path: &'a [u8],
    top: Rc<OwnedFd>,
    open: Vec<(Vec<u8>, Rc<OwnedFd>)>,
}

/// A directory that was made because a member needed it.
pub(super) struct Implied {
    pub(super) path: Vec<u8>,
    pub(super) directory: Directory,
}

impl<'a> Parents<'a> {
    pub(super) fn new(place: Place<'a>, path: &'a [u8], top: OwnedFd) -> Self {
        Self { place, path, top: Rc::new(top), open: Vec::new() }
    }

    pub(super) fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// Opens the directory at a clean relative path; those that are missing are made and added to
    /// `implied`.
    ///
    /// A symbolic link that the container has among them is followed, inside the container.
    pub(super) fn find(&mut self, path: &[u8], implied: &mut Vec<Implied>) -> Result<Rc<OwnedFd>, Obstacle> {
        if path.is_empty() {
            return Ok(self.top.clone());
        }
        if let Some(index) = self.open.iter().position(|(open, _)| open == path) {
            return Ok(self.open[index].1.clone());
        }
        let opened = match self.open(path) {
            Err(Obstacle::System(_, Errno::NOENT)) => self.make(path, implied)?,
            opened => opened?,
        };
        if is_kernel_file_system(&opened).map_err(|errno| Obstacle::System("stat", errno))? {
            return Err(Obstacle::KernelFileSystem);
        }
        let opened = Rc::new(opened);
        self.remember(path, opened.clone());
        Ok(opened)
    }

    fn remember(&mut self, path: &[u8], opened: Rc<OwnedFd>) {
        if self.open.len() == OPEN {
            self.open.remove(0);
        }
        self.open.push((path.to_vec(), opened));
    }

    fn open(&self, path: &[u8]) -> Result<OwnedFd, Obstacle> {
        let failed = |errno| Obstacle::System("open the directory of", errno);
        match open_below(self.top(), path) {
            // A component is a symbolic link, which may also be absolute: begin at the root.
            Err(Errno::LOOP | Errno::NOTDIR) => {}
            opened => return opened.map_err(failed),
        }
        let whole = [self.path, b"/", path].concat();
        if whole.len() > LONGEST_LINKED {
            return Err(failed(Errno::NAMETOOLONG));
        }
        self.place.open(&whole, LOOK).map_err(failed)
    }

    /// Makes what is missing of a path, from the top down.
    fn make(&mut self, path: &[u8], implied: &mut Vec<Implied>) -> Result<OwnedFd, Obstacle> {
        let ends = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(index, _)| index);
        // The nearest directory that exists is found from below: usually it is the last one.
        let mut missing = vec![path.len()];
        let mut at = None;
        let ends: Vec<_> = ends.collect();
        for &end in ends.iter().rev() {
            match self.open(&path[..end]) {
                Err(Obstacle::System(_, Errno::NOENT)) => missing.push(end),
                opened => {
                    at = Some(opened?);
                    break;
                }
            }
        }
        for end in missing.into_iter().rev() {
            let start = path[..end].iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
            let name = CString::new(&path[start..end]).map_err(|_| Obstacle::Read(Errno::INVAL))?;
            let parent = at.as_ref().map_or(self.top(), AsFd::as_fd);
            let directory = make::directory(parent, &name)?;
            at = Some(reopen(&directory)?);
            if directory.new {
                implied.push(Implied { path: path[..end].to_vec(), directory });
            }
        }
        at.ok_or(Obstacle::System("open the directory of", Errno::NOENT))
    }
}

fn reopen(directory: &Directory) -> Result<OwnedFd, Obstacle> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(&directory.file, c".", flags, Mode::empty(), resolve)
        .map_err(|errno| Obstacle::System("open the directory of", errno))
}
