//! A layer's folder, walked by handles: no path of a layer is ever a path of the host.

use std::collections::HashMap;
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;
use std::rc::Rc;

use containerv_sys::windows::relative::{self, Access, DIRECTORY, How, Listing, REPARSE_POINT};

use crate::images::windows::path::Place;
use crate::{Error, ErrorKind, Result};

/// How many directories stay open.
const OPEN: usize = 64;

pub(super) fn wide(name: &str) -> Vec<u16> {
    name.encode_utf16().collect()
}

/// What happened to a file of the layer.
pub(super) fn failed(error: io::Error, doing: &str, place: &Place) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Error::new(
            ErrorKind::Corrupt,
            format!(
                "{doing} `{place}`: another file of the layer has this name on Windows, perhaps as its short one"
            ),
        ),
        _ => Error::io(error, format!("{doing} `{place}` of the layer")),
    }
}

pub(super) struct Folder {
    root: Rc<OwnedHandle>,
    open: HashMap<String, Rc<OwnedHandle>>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let root = relative::open_path(path, Access::LIST)
            .map_err(|error| Error::io(error, format!("open the layer's folder `{}`", path.display())))?;
        Ok(Self { root: Rc::new(root), open: HashMap::new() })
    }

    /// The same folder once more.
    pub(super) fn sharing(other: &Self) -> Self {
        Self { root: other.root.clone(), open: HashMap::new() }
    }

    /// Closes what is open besides the folder itself.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// The directory that a place is in, which is there, and the place's name.
    pub(super) fn parent<'p>(&mut self, place: &'p Place) -> Result<(Rc<OwnedHandle>, &'p str)> {
        let Some((name, above)) = place.names.split_last() else {
            return Ok((self.root.clone(), place.part.name()));
        };
        let above = Place { part: place.part, names: above.to_vec() };
        match self.directory(&above)? {
            Some(directory) => Ok((directory, name)),
            None => Err(failed(io::ErrorKind::NotFound.into(), "open the directory", &above)),
        }
    }

    /// A directory; none if it is not there.
    pub(super) fn directory(&mut self, place: &Place) -> Result<Option<Rc<OwnedHandle>>> {
        let key = place.key();
        if let Some(open) = self.open.get(&key) {
            return Ok(Some(open.clone()));
        }
        let mut at = self.root.clone();
        for name in std::iter::once(place.part.name()).chain(place.names.iter().map(String::as_str)) {
            let opened = relative::open(at.as_handle(), &wide(name), How::directory(Access::LIST, true));
            let opened = match opened {
                Err(error) if is_missing(&error) => return Ok(None),
                opened => opened.map_err(|error| failed(error, "open the directory", place))?,
            };
            // Below a junction there is nothing of the layer.
            if is_reparse_point(opened.as_handle()).map_err(|error| failed(error, "look at", place))? {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("`{place}` of the layer lies behind a link"),
                ));
            }
            at = Rc::new(opened);
        }
        if self.open.len() == OPEN {
            self.open.clear();
        }
        self.open.insert(key, at.clone());
        Ok(Some(at))
    }

    /// What is at a place itself; none if nothing is.
    pub(super) fn find(&mut self, place: &Place, access: Access) -> Result<Option<OwnedHandle>> {
        let Some((name, above)) = place.names.split_last() else {
            return found(
                relative::open(self.root.as_handle(), &wide(place.part.name()), How::open(access, true)),
                place,
            );
        };
        let above = Place { part: place.part, names: above.to_vec() };
        let Some(directory) = self.directory(&above)? else { return Ok(None) };
        found(relative::open(directory.as_handle(), &wide(name), How::open(access, true)), place)
    }

    /// Makes an empty file or directory, which must not be there.
    pub(super) fn make(&mut self, place: &Place, directory: bool) -> Result<OwnedHandle> {
        let access = Access::WRITE_SECURITY.and(Access::WRITE_EXTENDED).and(Access::REMOVE);
        let how = match directory {
            true => How::new_directory(access.and(Access::LIST), true),
            false => How::new_file(access.and(Access::WRITE), true),
        };
        let (parent, name) = self.parent(place)?;
        match relative::open(parent.as_handle(), &wide(name), how) {
            // A directory of the layers below that was cloned.
            Err(error) if directory && error.kind() == io::ErrorKind::AlreadyExists => {
                let how = How { create: false, ..how };
                relative::open(parent.as_handle(), &wide(name), how)
                    .map_err(|error| failed(error, "open", place))
            }
            made => made.map_err(|error| failed(error, "make", place)),
        }
    }

    /// Says whether a directory may be put where there is one already. What else is there has to go.
    pub(super) fn make_room(&mut self, place: &Place, directory: bool) -> Result<bool> {
        let Some(there) = self.find(place, Access::LOOK)? else { return Ok(true) };
        let found =
            relative::information(there.as_handle()).map_err(|error| failed(error, "look at", place))?;
        Ok(directory && found.attributes & (DIRECTORY | REPARSE_POINT) == DIRECTORY)
    }

    /// Removes what is at a place and below; that nothing is there is fine.
    pub(super) fn remove(&mut self, place: &Place) -> Result<()> {
        let Some(top) = self.find(place, Access::LIST.and(Access::REMOVE))? else { return Ok(()) };
        let key = place.key();
        self.open.retain(|open, _| *open != key && !open.starts_with(&format!("{key}/")));
        remove_tree(top).map_err(|error| failed(error, "remove", place))
    }
}

fn found(opened: io::Result<OwnedHandle>, place: &Place) -> Result<Option<OwnedHandle>> {
    match opened {
        Err(error) if is_missing(&error) => Ok(None),
        opened => opened.map(Some).map_err(|error| failed(error, "open", place)),
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

pub(super) fn is_reparse_point(file: BorrowedHandle<'_>) -> io::Result<bool> {
    Ok(relative::information(file)?.attributes & REPARSE_POINT != 0)
}

/// Removes a file or tree; links are removed and not followed.
fn remove_tree(top: OwnedHandle) -> io::Result<()> {
    let mut pending = vec![(top, false)];
    while let Some((file, emptied)) = pending.pop() {
        let attributes = relative::information(file.as_handle())?.attributes;
        if emptied || attributes & (DIRECTORY | REPARSE_POINT) != DIRECTORY {
            relative::remove(file.as_handle())?;
            continue;
        }
        let mut below = Vec::new();
        let mut listing = Listing::default();
        loop {
            let entries = listing.read(file.as_handle())?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let how = How::open(Access::LIST.and(Access::REMOVE), true);
                below.push((relative::open(file.as_handle(), &entry.name, how)?, false));
            }
        }
        pending.push((file, true));
        pending.append(&mut below);
    }
    Ok(())
}
