//! Making files, directories and links under a name, replacing what may be replaced.
//!
//! Every function takes the directory's handle and the name in it, and follows no link.

use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};

use containerv_sys::windows::relative::{self, Access, How};

use super::node::{Kind, Naming, Node, Opened, naming, stale};
use super::obstacle::Obstacle;
use crate::backend::hcs::transfer::path::{self, Name};
use crate::backend::hcs::transfer::reparse::Link;

/// How often a name is cleared for a new file, when somebody keeps taking it.
const MOST_TRIES: usize = 100;

/// How things are made in the destination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making {
    /// With the privileges of backup programs.
    pub(super) backup: bool,
    /// Security descriptors will be set.
    pub(super) security: bool,
    /// When the copy began, in the system's units: what changed since then is its own.
    pub(super) began: i64,
}

impl Making {
    fn access(self, access: Access) -> Access {
        if self.security { access.and(Access::WRITE_SECURITY) } else { access }
    }

    fn look(self) -> How {
        How::open(Access::REMOVE, self.backup)
    }
}

fn create(error: io::Error) -> Obstacle {
    Obstacle::System("create", error)
}

/// Runs `make`, and removes the file or link that has the name already until it succeeds.
fn replacing<T>(
    making: Making,
    parent: BorrowedHandle<'_>,
    name: &Name,
    mut make: impl FnMut() -> io::Result<T>,
) -> Result<T, Obstacle> {
    path::check(name).map_err(Obstacle::Name)?;
    for _ in 0..MOST_TRIES {
        match make() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => clear(making, parent, name)?,
            made => return made.map_err(create),
        }
    }
    Err(Obstacle::System("replace", io::ErrorKind::AlreadyExists.into()))
}

/// Removes what has the name, unless it is a directory or has the name by chance only.
fn clear(making: Making, parent: BorrowedHandle<'_>, name: &Name) -> Result<(), Obstacle> {
    let replace = |error| Obstacle::System("replace", error);
    let Some(found) = Opened::at(parent, name, making.look()).map_err(replace)? else { return Ok(()) };
    if found.node.is_directory() {
        return Err(Obstacle::Directory);
    }
    match naming(parent, name).map_err(replace)? {
        Naming::Gone => return Ok(()),
        Naming::Short(actual) => return Err(Obstacle::Alias(actual)),
        Naming::OtherCase if is_own(making, &found).map_err(replace)? => return Err(Obstacle::Twin),
        Naming::Exact | Naming::OtherCase => {}
    }
    relative::remove(found.file.as_handle()).map_err(replace)
}

fn is_own(making: Making, found: &Opened) -> io::Result<bool> {
    Ok(relative::changed(found.file.as_handle())? >= making.began)
}

/// Makes an empty file, open for writing.
///
/// A file that is there gives its name to the new one, so other names of it keep the old content.
pub(super) fn file(making: Making, parent: BorrowedHandle<'_>, name: &Name) -> Result<OwnedHandle, Obstacle> {
    let how = How::new_file(making.access(Access::WRITE), making.backup);
    replacing(making, parent, name, || relative::open(parent, name, how))
}

/// A directory of the destination.
pub(super) struct Directory {
    pub(super) file: OwnedHandle,
    pub(super) node: Node,
    /// It was not there before.
    pub(super) new: bool,
    /// It was, in other upper and lower case.
    pub(super) other_case: bool,
}

impl Directory {
    /// Says whether this copy made it, or something in it.
    pub(super) fn is_own(&self, making: Making) -> Result<bool, Obstacle> {
        let changed = relative::changed(self.file.as_handle());
        Ok(changed.map_err(|error| Obstacle::System("look at the directory", error))? >= making.began)
    }
}

/// Makes a directory, or opens the one that is there.
pub(super) fn directory(
    making: Making,
    parent: BorrowedHandle<'_>,
    name: &Name,
) -> Result<Directory, Obstacle> {
    path::check(name).map_err(Obstacle::Name)?;
    let new = How::new_directory(making.access(Access::LIST.and(Access::REMOVE)), making.backup);
    let there = How::open(Access::LIST, making.backup);
    for _ in 0..MOST_TRIES {
        match relative::open(parent, name, new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                let made =
                    Opened::of(made.map_err(|error| Obstacle::System("create the directory", error))?, new);
                let Opened { file, node } = made.map_err(create)?;
                return Ok(Directory { file, node, new: true, other_case: false });
            }
        }
        let open = |error| Obstacle::System("open the directory", error);
        let Some(found) = Opened::at(parent, name, there).map_err(open)? else { continue };
        if !found.node.is_directory() {
            return Err(Obstacle::NotDirectory);
        }
        let other_case = match naming(parent, name).map_err(open)? {
            Naming::Gone => continue,
            Naming::Short(actual) => return Err(Obstacle::Alias(actual)),
            Naming::Exact => false,
            Naming::OtherCase => true,
        };
        let Opened { file, node } = found;
        return Ok(Directory { file, node, new: false, other_case });
    }
    Err(Obstacle::System("create the directory", io::ErrorKind::AlreadyExists.into()))
}

/// Makes a symbolic link or junction, to a directory or not, and returns it.
pub(super) fn link(
    making: Making,
    parent: BorrowedHandle<'_>,
    name: &Name,
    link: &Link,
    to_directory: bool,
) -> Result<OwnedHandle, Obstacle> {
    let Some(data) = link.write() else {
        return Err(create(io::ErrorKind::InvalidFilename.into()));
    };
    let access = making.access(Access::WRITE);
    let how = match to_directory || link.junction {
        true => How::new_directory(access, making.backup),
        false => How::new_file(access, making.backup),
    };
    let made = replacing(making, parent, name, || relative::open(parent, name, how))?;
    if let Err(error) = relative::set_reparse_data(made.as_handle(), &data) {
        // An empty file in the place of a link would be taken for one.
        let _ = relative::remove(made.as_handle());
        return Err(Obstacle::System("make the link", error));
    }
    Ok(made)
}

/// Gives a file one more name. `Ok(false)` when the file system cannot.
pub(super) fn hard_link(
    making: Making,
    first: &Opened,
    parent: BorrowedHandle<'_>,
    name: &Name,
) -> Result<bool, Obstacle> {
    if first.node.kind != Kind::File {
        return Err(create(stale()));
    }
    match replacing(making, parent, name, || relative::hard_link(first.file.as_handle(), parent, name)) {
        Ok(()) => Ok(true),
        Err(Obstacle::System("create", error)) if cannot_link(&error) => Ok(false),
        Err(obstacle) => Err(obstacle),
    }
}

/// Another volume, too many names, a file system without them.
fn cannot_link(error: &io::Error) -> bool {
    const INVALID_FUNCTION: i32 = 1;
    const NOT_SAME_DEVICE: i32 = 17;
    const NOT_SUPPORTED: i32 = 50;
    const TOO_MANY_LINKS: i32 = 1142;
    let numbers = [INVALID_FUNCTION, NOT_SAME_DEVICE, NOT_SUPPORTED, TOO_MANY_LINKS];
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}
