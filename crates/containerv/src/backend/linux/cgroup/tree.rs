//! Walks over the groups that were made inside a container's own group.
//!
//! A container decides how deep and how long these names are, so paths are never put together:
//! the walk goes from directory to directory and holds one descriptor.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use containerv_spec::OsText;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 4096;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Calls `visit` with each group: the top one first, every other after its parent.
pub(super) fn visit(top: &OsText, mut visit: impl FnMut(&OwnedFd) -> Result<(), Errno>) -> Result<(), Errno> {
    walk(top, |event| match event {
        Event::Entered(directory) => visit(directory),
        Event::Left { .. } => Ok(()),
    })
}

/// Removes the groups below `top` that have no processes, innermost first.
pub(super) fn remove_below(top: &OsText) -> Result<(), Errno> {
    walk(top, |event| match event {
        Event::Entered(_) => Ok(()),
        Event::Left { parent, name } => match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::BUSY | Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        },
    })
}

enum Event<'a> {
    Entered(&'a OwnedFd),
    Left { parent: &'a OwnedFd, name: &'a CString },
}

fn walk(top: &OsText, mut on: impl FnMut(Event<'_>) -> Result<(), Errno>) -> Result<(), Errno> {
    let mut directory = rustix::fs::openat(CWD, top.as_bytes(), DIRECTORY, Mode::empty())?;
    on(Event::Entered(&directory))?;
    // For each directory from the top to the current one: its children that are still to be
    // visited, and the name of the one that the walk is in.
    let mut pending = vec![children(&directory)?];
    let mut inside: Vec<CString> = Vec::new();
    while let Some(level) = pending.last_mut() {
        match level.pop() {
            Some(name) if inside.len() < MAX_DEPTH => {
                match rustix::fs::openat(&directory, &name, DIRECTORY, Mode::empty()) {
                    Ok(child) => directory = child,
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(errno),
                }
                on(Event::Entered(&directory))?;
                pending.push(children(&directory)?);
                inside.push(name);
            }
            Some(_) => return Err(Errno::LOOP),
            None => {
                pending.pop();
                let Some(name) = inside.pop() else { break };
                directory = rustix::fs::openat(&directory, c"..", DIRECTORY, Mode::empty())?;
                on(Event::Left { parent: &directory, name: &name })?;
            }
        }
    }
    Ok(())
}

fn children(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    // A directory has a link for its name, one for its `.` and one for the `..` of each child.
    if rustix::fs::fstat(directory)?.st_nlink <= 2 {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = match entry {
            Ok(entry) => entry,
            // The directory was removed while it was read.
            Err(Errno::NOENT) => break,
            Err(errno) => return Err(errno),
        };
        let name = entry.file_name();
        if entry.file_type() == FileType::Directory && name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
