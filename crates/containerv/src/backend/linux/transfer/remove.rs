//! Removing a tree by descriptor.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use containerv_spec::OsText;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, SeekFrom};
use rustix::io::Errno;

use super::listing::{Listing, Names};
use super::make::chmod_opened;
use super::node::Node;
use super::place::unlink;
use super::stack::Stack;
use crate::{Error, ErrorKind, Result};

/// How many bytes of names of subdirectories a level collects before it descends.
const PENDING: usize = 256 * 1024;
/// How often a directory that was emptied is emptied again because it is not empty.
const MOST_SWEEPS: u32 = 100;

const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes `name` in `directory` and everything below it. That nothing has the name is no error, nor that somebody
/// else removes the same meanwhile.
///
/// Symbolic links are removed, never followed. Few descriptors are open however deep the tree is.
/// Directories without permission for their owner, as overlayfs leaves in its `work`, are given it.
///
/// # Errors
///
/// A mount point below `name`, which is named and left alone, and what the system refuses to
/// remove. What was removed before that stays removed.
pub(crate) fn remove_tree(directory: BorrowedFd<'_>, name: &OsText) -> Result<()> {
    let text = CString::new(name.as_bytes()).ok().filter(|text| is_entry(text.to_bytes()));
    let Some(text) = text else {
        let message = format!("remove `{name}`: it is not the name of an entry of a directory");
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    };
    let mut removal = Removal { path: Vec::new(), frames: Vec::new(), stack: None };
    let failed = |errno, path: &[u8]| {
        let below = if path.is_empty() { name.clone() } else { name.join(path) };
        failure(errno, &below)
    };
    match unlink(directory, &*text) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(failed(errno, b"")),
    }
    removal.run(directory, &text).map_err(|errno| failed(errno, &removal.path))
}

fn is_entry(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}

fn failure(errno: Errno, path: &OsText) -> Error {
    match errno {
        Errno::BUSY | Errno::XDEV => {
            Error::new(ErrorKind::InvalidState, format!("remove `{path}`: it is a mount point"))
                .with_hint("unmount it, then try again")
        }
        _ => Error::os(errno.raw_os_error(), format!("remove `{path}`")),
    }
}

struct Frame {
    name: CString,
    pending: Names,
    all_read: bool,
    sweeps: u32,
    /// Length of the path of what contains it.
    parent_path: usize,
}

struct Removal {
    /// Path of the directory or entry at work, for messages.
    path: Vec<u8>,
    frames: Vec<Frame>,
    stack: Option<Stack>,
}

impl Removal {
    fn run(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        let top = match open_directory(parent, name) {
            Err(Errno::NOENT) => return Ok(()),
            opened => opened?,
        };
        self.stack = Some(Stack::new(top));
        self.begin(name, 0);
        let mut listing = Listing::new();
        while let Some(frame) = self.frames.last_mut() {
            if frame.pending.size() < PENDING && !frame.all_read {
                self.sweep(&mut listing)?;
            } else if let Some(name) = frame.pending.pop() {
                self.enter(&name)?;
            } else {
                self.leave(parent)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, name: &CStr, parent_path: usize) {
        let (name, pending) = (name.to_owned(), Names::default());
        self.frames.push(Frame { name, pending, all_read: false, sweeps: 0, parent_path });
    }

    fn current(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.stack.as_ref().map(Stack::current).ok_or(Errno::BADF)
    }

    /// Removes what one listing names, directories apart.
    fn sweep(&mut self, listing: &mut Listing) -> Result<(), Errno> {
        let more = match listing.read(self.current()?) {
            // The directory itself is removed.
            Err(Errno::NOENT) => false,
            read => read?,
        };
        for index in 0..listing.len() {
            let Some((name, kind)) = listing.entry(index) else { break };
            let is_directory = kind.is_dir() || !self.unlink(name)?;
            if is_directory && let Some(frame) = self.frames.last_mut() {
                frame.pending.push(name);
            }
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.all_read = !more;
        }
        Ok(())
    }

    /// Removes an entry; false if it is a directory.
    fn unlink(&mut self, name: &CStr) -> Result<bool, Errno> {
        let directory = self.current()?;
        match with_permission(directory, || unlink(directory, name)) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::ISDIR) => Ok(false),
            Err(errno) => {
                self.extend_path(name);
                Err(errno)
            }
        }
    }

    fn enter(&mut self, name: &CStr) -> Result<(), Errno> {
        let parent_path = self.path.len();
        self.extend_path(name);
        // Not rmdir(2) first, in the hope that it is empty: it walks all cached names below.
        let opened = match open_directory(self.current()?, name) {
            Err(Errno::NOENT) => {
                self.path.truncate(parent_path);
                return Ok(());
            }
            opened => opened?,
        };
        let id = Node::of(&opened)?.id;
        if let Some(stack) = &mut self.stack {
            stack.push(opened, id, READ);
        }
        self.begin(name, parent_path);
        Ok(())
    }

    /// Removes the current directory, or empties it once more if something is left.
    fn leave(&mut self, above: BorrowedFd<'_>) -> Result<(), Errno> {
        let Some(mut frame) = self.frames.pop() else { return Ok(()) };
        let Some(stack) = self.stack.as_mut() else { return Ok(()) };
        let top = stack.depth() == 0;
        if !top {
            // The parent's position does not matter: what a listing named is gone or pending, and
            // what it missed is found by the next sweep.
            stack.pop()?;
        }
        let parent = if top { above } else { stack.current() };
        let remove = || rustix::fs::unlinkat(parent, &*frame.name, AtFlags::REMOVEDIR);
        match if top { remove() } else { with_permission(parent, remove) } {
            Ok(()) | Err(Errno::NOENT) => {
                self.path.truncate(frame.parent_path);
                return Ok(());
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) if frame.sweeps < MOST_SWEEPS => {}
            Err(errno) => return Err(errno),
        }
        if top {
            rustix::fs::seek(stack.current(), SeekFrom::Start(0))?;
        } else {
            let again = match open_directory(parent, &frame.name) {
                Err(Errno::NOENT) => {
                    self.path.truncate(frame.parent_path);
                    return Ok(());
                }
                opened => opened?,
            };
            let id = Node::of(&again)?.id;
            stack.push(again, id, READ);
        }
        frame.sweeps += 1;
        frame.all_read = false;
        self.frames.push(frame);
        Ok(())
    }

    fn extend_path(&mut self, name: &CStr) {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.to_bytes());
    }
}

/// Opens a directory in another one on the same mount; `EXDEV` says that it is a mount point.
fn open_directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let open = |flags| rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve);
    match open(READ) {
        Err(Errno::ACCESS) => {
            let closed = open(OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
            chmod_opened(closed.as_fd(), 0o700)?;
            open(READ)
        }
        result => result,
    }
}

/// Runs `remove`, and once more after giving the owner permission to change the directory.
fn with_permission(directory: BorrowedFd<'_>, remove: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
    match remove() {
        Err(Errno::ACCESS) => {
            rustix::fs::fchmod(directory, Mode::RWXU).map_err(|_| Errno::ACCESS)?;
            remove()
        }
        result => result,
    }
}
