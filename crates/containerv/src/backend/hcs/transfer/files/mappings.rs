//! Directories of a container that are mapped from the host. Its own disk does not have them: what was
//! read or written there would be something else than the container sees.

use std::path::PathBuf;

use super::obstacle::Obstacle;
use super::place::Side;
use crate::backend::hcs::transfer::path::{Name, is_same};

const BACKSLASH: u16 = b'\\' as u16;

/// A path in the container, and the directory or file of the host that is seen there.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) names: Vec<Name>,
    /// None for what is there for the copy itself.
    pub(crate) host: Option<PathBuf>,
}

impl Mapping {
    /// Why nothing is copied there.
    pub(super) fn obstacle(&self) -> Obstacle {
        let own = || "the program that copies".to_owned();
        Obstacle::Mapped(self.host.as_ref().map_or_else(own, |host| host.display().to_string()))
    }
}

/// Those below one directory, their names from there.
#[derive(Clone, Debug, Default)]
pub(super) struct Mappings(Vec<Mapping>);

impl Mappings {
    /// Those that are below `at` on a side; none on the host.
    pub(super) fn of(side: Side<'_>, at: &[Name]) -> Self {
        let Side::Container(root, _) = side else { return Self::default() };
        let below = root.mapped.iter().filter(|mapping| begins_with(&mapping.names, at));
        let relative = |mapping: &Mapping| Mapping {
            names: mapping.names[at.len()..].to_vec(),
            host: mapping.host.clone(),
        };
        Self(below.map(relative).filter(|mapping| !mapping.names.is_empty()).collect())
    }

    /// Those that are below an entry of the directory.
    pub(super) fn inside(&self, name: &Name) -> Self {
        let start = std::slice::from_ref(name);
        let below = self.0.iter().filter(|mapping| begins_with(&mapping.names, start));
        let relative =
            |mapping: &Mapping| Mapping { names: mapping.names[1..].to_vec(), host: mapping.host.clone() };
        Self(below.map(relative).filter(|mapping| !mapping.names.is_empty()).collect())
    }

    /// Their paths, those left out that nobody needs to know of.
    pub(super) fn below(&self) -> Vec<Vec<u16>> {
        self.0
            .iter()
            .filter(|mapping| mapping.host.is_some())
            .map(|mapping| mapping.names.join(&BACKSLASH))
            .collect()
    }

    /// Says whether one of them is at this path.
    pub(super) fn is_one(&self, path: &[u16]) -> bool {
        self.find(path).is_some()
    }

    /// Refuses to write where one of them is.
    pub(super) fn refuse(&self, path: &[u16]) -> Result<(), Obstacle> {
        match self.find(path) {
            None => Ok(()),
            Some(mapping) => Err(mapping.obstacle()),
        }
    }

    fn find(&self, path: &[u16]) -> Option<&Mapping> {
        if self.0.is_empty() {
            return None;
        }
        let names: Vec<Name> = path.split(|unit| *unit == BACKSLASH).map(<[u16]>::to_vec).collect();
        self.0
            .iter()
            .find(|mapping| mapping.names.len() == names.len() && begins_with(&names, &mapping.names))
    }
}

/// Says whether names are a beginning of others.
pub(super) fn begins_with(names: &[Name], start: &[Name]) -> bool {
    names.len() >= start.len() && names.iter().zip(start).all(|(one, other)| is_same(one, other))
}
