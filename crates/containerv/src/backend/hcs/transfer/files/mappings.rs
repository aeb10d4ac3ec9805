//! Directories and files of a container that are mapped from the host: its own disk does not have them.
//! A copy goes on in the host's directory, as the container sees it.

use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::path::PathBuf;

use containerv_sys::windows::relative::{self, Access};

use super::make::{self, Directory, Making};
use super::node::Opened;
use super::obstacle::Obstacle;
use super::place::Side;
use crate::backend::hcs::transfer::path::{Name, is_same};

const BACKSLASH: u16 = b'\\' as u16;

/// A path in the container, and the directory or file of the host that is seen there.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) names: Vec<Name>,
    /// None for what is there for the copy itself, which nobody copies.
    pub(crate) host: Option<PathBuf>,
    pub(crate) read_only: bool,
}

impl Mapping {
    /// Opens what is mapped.
    pub(super) fn open(&self, access: Access) -> io::Result<Opened> {
        let host = self.host.as_ref().ok_or_else(|| io::Error::other("it is the program that copies"))?;
        // A file cannot be opened as what a directory is opened as.
        relative::open_path(host, access)
            .or_else(|_| relative::open_path(host, Access::LOOK))
            .and_then(Opened::led_to)
    }

    /// Refuses to write what is not to be written: a mapping that is read-only, or that is one file, whose
    /// name cannot be given to another one.
    pub(super) fn refuse_writes(&self) -> Result<(), Obstacle> {
        let Some(host) = &self.host else { return Err(Obstacle::Mapped("the program that copies".into())) };
        let shown = host.display().to_string();
        if self.read_only {
            return Err(Obstacle::ReadOnly(shown));
        }
        if host.is_dir() { Ok(()) } else { Err(Obstacle::Mapped(shown)) }
    }
}

/// Those below one directory, their names from there.
#[derive(Clone, Debug, Default)]
pub(super) struct Mappings(Vec<Mapping>);

impl Mappings {
    /// Those that are below `at` on a side; none on the host.
    pub(super) fn of(side: Side<'_>, at: &[Name]) -> Self {
        let Side::Container(root, _) = side else { return Self::default() };
        Self(below(&root.mapped, at))
    }

    /// Those that are below an entry of the directory.
    pub(super) fn inside(&self, name: &Name) -> Self {
        Self(below(&self.0, std::slice::from_ref(name)))
    }

    /// Those whose names are in the directory at this path, with their names there.
    pub(super) fn children(&self, path: &[u16]) -> Vec<(Name, Mapping)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let children = below(&self.0, &names(path)).into_iter().filter(|mapping| mapping.names.len() == 1);
        children.filter_map(|mapping| Some((mapping.names.first()?.clone(), mapping))).collect()
    }

    /// The one at this path.
    pub(super) fn at(&self, path: &[u16]) -> Option<&Mapping> {
        if self.0.is_empty() {
            return None;
        }
        let names = names(path);
        self.0
            .iter()
            .find(|mapping| mapping.names.len() == names.len() && begins_with(&names, &mapping.names))
    }

    /// Says whether these names are those of one, or of something below it.
    pub(super) fn cover(&self, names: &[Name]) -> bool {
        self.0.iter().any(|mapping| begins_with(names, &mapping.names))
    }

    /// Refuses to make something under the name of one.
    pub(super) fn refuse(&self, path: &[u16]) -> Result<(), Obstacle> {
        let shown = |mapping: &Mapping| mapping.host.as_ref().map(|host| host.display().to_string());
        match self.at(path) {
            None => Ok(()),
            Some(mapping) => Err(Obstacle::Mapped(shown(mapping).unwrap_or_default())),
        }
    }

    /// Makes or opens a directory of the destination, at `path` from where these begin.
    pub(super) fn enter(
        &self,
        making: Making,
        parent: BorrowedHandle<'_>,
        name: &Name,
        path: &[u16],
    ) -> Result<Directory, Obstacle> {
        let Some(mapping) = self.at(path) else { return make::directory(making, parent, name) };
        mapping.refuse_writes()?;
        let opened = mapping.open(Access::LIST);
        let Opened { file, node } =
            opened.map_err(|error| Obstacle::System("open what is mapped at", error))?;
        Ok(Directory { file, node, new: false, other_case: false })
    }
}

/// Opens a directory once more.
pub(super) fn again(directory: &Directory, making: Making) -> Result<Opened, Obstacle> {
    let how = relative::How { through: true, ..relative::How::directory(Access::LIST, making.backup) };
    let file = relative::reopen(directory.file.as_handle(), how);
    let file = file.map_err(|error| Obstacle::System("open the directory", error))?;
    Ok(Opened { file, node: directory.node.clone() })
}

fn below(mappings: &[Mapping], at: &[Name]) -> Vec<Mapping> {
    let deeper = |mapping: &&Mapping| mapping.names.len() > at.len() && begins_with(&mapping.names, at);
    let relative =
        |mapping: &Mapping| Mapping { names: mapping.names[at.len()..].to_vec(), ..mapping.clone() };
    mappings.iter().filter(deeper).map(relative).collect()
}

fn names(path: &[u16]) -> Vec<Name> {
    if path.is_empty() {
        return Vec::new();
    }
    path.split(|unit| *unit == BACKSLASH).map(<[u16]>::to_vec).collect()
}

/// Says whether names are a beginning of others.
pub(super) fn begins_with(names: &[Name], start: &[Name]) -> bool {
    names.len() >= start.len() && names.iter().zip(start).all(|(one, other)| is_same(one, other))
}
