//! One file, directory or link, opened as what it is.

use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};

use containerv_sys::windows::relative::{
    self, Access, DIRECTORY, How, Information, READ_ONLY, REPARSE_POINT,
};

use crate::backend::hcs::transfer::path::{self, Name};
use crate::backend::hcs::transfer::reparse::{self, Link};
use crate::backend::transfer::FileId;

/// What something is to a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link(Link),
    /// A socket of the family AF_UNIX.
    Socket,
    /// A reparse point of another kind, with its tag.
    Other(u32),
}

/// Kind, times, attributes and identity of a file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) information: Information,
}

impl Node {
    pub(super) fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    pub(super) fn id(&self) -> FileId {
        self.information.id
    }

    pub(super) fn size(&self) -> u64 {
        self.information.size
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.information.attributes & READ_ONLY != 0
    }

    /// A link is one to a directory.
    pub(super) fn is_directory_link(&self) -> bool {
        self.information.attributes & DIRECTORY != 0
    }
}

/// A file that is open, and what it is.
pub(crate) struct Opened {
    pub(super) file: OwnedHandle,
    pub(super) node: Node,
}

impl Opened {
    /// Looks at what a path of the caller's own led to, through all links: a reparse point that it still
    /// has is the owner's business.
    pub(super) fn led_to(file: OwnedHandle) -> io::Result<Self> {
        let information = relative::information(file.as_handle())?;
        let kind = if information.attributes & DIRECTORY != 0 { Kind::Directory } else { Kind::File };
        Ok(Self { file, node: Node { kind, information } })
    }

    /// Looks at an open file. One whose content a filter completes is opened again, through it.
    pub(super) fn of(file: OwnedHandle, how: How) -> io::Result<Self> {
        let information = relative::information(file.as_handle())?;
        let plain = if information.attributes & DIRECTORY != 0 { Kind::Directory } else { Kind::File };
        if information.attributes & REPARSE_POINT == 0 {
            return Ok(Self { file, node: Node { kind: plain, information } });
        }
        let tag = relative::reparse_tag(file.as_handle())?;
        let kind = match tag {
            reparse::SYMLINK | reparse::MOUNT_POINT => {
                Link::read(&relative::reparse_data(file.as_handle())?).map_or(Kind::Other(tag), Kind::Link)
            }
            reparse::SOCKET => Kind::Socket,
            tag if reparse::is_surrogate(tag) => Kind::Other(tag),
            _ => return through(&file, information.id, how, plain),
        };
        Ok(Self { file, node: Node { kind, information } })
    }

    /// Opens a name; none if nothing has it.
    pub(super) fn at(directory: BorrowedHandle<'_>, name: &[u16], how: How) -> io::Result<Option<Self>> {
        match relative::open(directory, name, how) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Self::of(opened?, how).map(Some),
        }
    }

    /// Opens it once more, for something else.
    pub(super) fn reopen(&self, how: How) -> io::Result<OwnedHandle> {
        let file = relative::reopen(self.file.as_handle(), how)?;
        let same = relative::information(file.as_handle())?.id == self.node.id();
        if same { Ok(file) } else { Err(stale()) }
    }
}

/// Opens a file through its reparse point. Whoever changes that to a link meanwhile is found out by the
/// identity of what was opened, before anything is read or written.
fn through(file: &OwnedHandle, id: FileId, how: How, kind: Kind) -> io::Result<Opened> {
    let file = relative::reopen(file.as_handle(), How { through: true, create: false, ..how })?;
    let information = relative::information(file.as_handle())?;
    if information.id != id {
        return Err(stale());
    }
    Ok(Opened { file, node: Node { kind, information } })
}

/// Something took the place of what was looked at.
pub(super) fn stale() -> io::Error {
    io::Error::other("a process put something else in its place meanwhile; copy again")
}

/// How something is looked at.
pub(super) fn look(backup: bool) -> How {
    How::open(Access::LOOK, backup)
}

/// Says under which other name a directory has `name`: a long name behind a short one, or another case.
pub(super) enum Naming {
    /// Exactly this.
    Exact,
    /// In other upper and lower case.
    OtherCase,
    /// It is the short name of this file.
    Short(Name),
    /// Nothing has it any more.
    Gone,
}

/// Looks how a directory writes the name of something that is there.
pub(super) fn naming(directory: BorrowedHandle<'_>, name: &Name) -> io::Result<Naming> {
    Ok(match relative::actual_name(directory, name)? {
        None => Naming::Gone,
        Some(actual) if actual == *name => Naming::Exact,
        Some(actual) if path::is_same(&actual, name) => Naming::OtherCase,
        Some(actual) => Naming::Short(actual),
    })
}
