//! The directories from the top of a tree down to where a walk is, few of them open.
//!
//! A tree may be deeper than descriptors may be open. The stack keeps the top and the lowest
//! [`OPEN`] directories open. A closed one is opened again as `..` of its child when the walk
//! returns to it, and refused if that is not the directory it was: somebody may have moved the
//! child elsewhere meanwhile.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::node::FileId;

/// How many of the lowest directories stay open.
const OPEN: usize = 24;

struct Level {
    directory: Option<OwnedFd>,
    id: FileId,
    flags: OFlags,
}

/// An open path of directories; never empty.
pub(crate) struct Stack {
    top: OwnedFd,
    below: Vec<Level>,
}

impl Stack {
    pub(crate) fn new(top: OwnedFd) -> Self {
        Self { top, below: Vec::new() }
    }

    /// Returns the directory that the walk began in.
    pub(crate) fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// Returns the directory that the walk is in.
    pub(crate) fn current(&self) -> BorrowedFd<'_> {
        let lowest = self.below.last().and_then(|level| level.directory.as_ref());
        lowest.unwrap_or(&self.top).as_fd()
    }

    /// Says how far below the top the walk is.
    pub(crate) fn depth(&self) -> usize {
        self.below.len()
    }

    /// Goes down into `directory`, which was opened with `flags`.
    pub(crate) fn push(&mut self, directory: OwnedFd, id: FileId, flags: OFlags) {
        self.below.push(Level { directory: Some(directory), id, flags });
        if let Some(index) = self.below.len().checked_sub(OPEN + 1) {
            self.below[index].directory = None;
        }
    }

    /// Goes up. Says whether the directory had to be opened again, so that its position is lost.
    ///
    /// # Errors
    ///
    /// `ESTALE` if the child is no longer in the directory that it was found in.
    pub(crate) fn pop(&mut self) -> Result<bool, Errno> {
        let Some(child) = self.below.pop() else { return Ok(false) };
        let Some(parent) = self.below.last_mut() else { return Ok(false) };
        if parent.directory.is_some() {
            return Ok(false);
        }
        let child = child.directory.ok_or(Errno::STALE)?;
        let flags = parent.flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&child, c"..", flags, Mode::empty())?;
        let found = super::node::Node::of(&directory)?;
        if found.id != parent.id {
            return Err(Errno::STALE);
        }
        parent.directory = Some(directory);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::Node;
    use super::super::place::LOOK;
    use super::*;

    /// Goes down `depth` directories, making them; returns the stack.
    fn descend(top: &std::path::Path, depth: usize) -> Stack {
        let mut stack = Stack::new(rustix::fs::open(top, LOOK, Mode::empty()).unwrap());
        for level in 0..depth {
            let name = format!("level-{level}");
            rustix::fs::mkdirat(stack.current(), &name, Mode::RWXU).unwrap();
            let directory = rustix::fs::openat(stack.current(), &name, LOOK, Mode::empty()).unwrap();
            let id = Node::of(&directory).unwrap().id;
            stack.push(directory, id, LOOK);
        }
        stack
    }

    fn go_up(stack: &mut Stack) -> Result<usize, Errno> {
        let mut reopened = 0;
        while stack.depth() > 0 {
            reopened += usize::from(stack.pop()?);
        }
        Ok(reopened)
    }

    #[test]
    fn a_directory_that_was_moved_away_does_not_lead_to_where_it_went() {
        let top = std::env::temp_dir().join(format!("containerv-stack-{}", std::process::id()));
        for name in ["", "elsewhere", "still"] {
            std::fs::create_dir(top.join(name)).unwrap();
        }
        let mut stack = descend(&top.join("still"), 100);
        assert_eq!(go_up(&mut stack), Ok(100 - OPEN));
        let mut stack = descend(&top, 100);
        let below: std::path::PathBuf = (0..60).map(|level| format!("level-{level}")).collect();
        std::fs::rename(top.join(below), top.join("elsewhere/moved")).unwrap();
        assert_eq!(go_up(&mut stack), Err(Errno::STALE));
        std::fs::remove_dir_all(top).unwrap();
    }
}
