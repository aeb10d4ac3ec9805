//! Whether the members of a layer are one: each where it may be, once, and below a directory.

use std::collections::{HashMap, HashSet};

use super::facts::Facts;
use super::path::{self, Name, Place, folded};
use crate::archive::{Kind, Member};
use crate::backend::hcs::transfer::reparse::Link;

/// The most members of a layer.
const MOST_MEMBERS: u32 = 1 << 20;
/// The most bytes that their names take together.
const MOST_NAMES: usize = 64 << 20;
/// The most streams of a file: NTFS lists them in 256 KiB, in 32 bytes or more each.
const MOST_STREAMS: usize = 8 << 10;

/// What a member of a layer is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Directory(Place, Facts),
    File(Place, Facts),
    Link(Place, Facts, Link),
    /// A stream of the file or directory before it.
    Stream(Place, String),
    /// A further name of a file; `own` says that it is in this layer, else it is below.
    HardLink {
        place: Place,
        target: Place,
        own: bool,
    },
    /// The lower layers' entry is gone.
    Gone(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Directory,
    Other,
}

/// Looks at members one after the other.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// There are no layers below.
    base: bool,
    members: u32,
    names: usize,
    /// By number of the directory and folded name.
    entries: HashMap<(u32, String), (u32, Sort)>,
    /// What is gone, by key.
    gone: HashSet<String>,
    /// What the next member may be a stream of, and the streams that it has.
    last: Option<(String, HashSet<String>)>,
}

impl Checker {
    pub(crate) fn new(base: bool) -> Self {
        Self { base, ..Self::default() }
    }

    /// Takes the next member.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as the object of "has".
    pub(crate) fn take(&mut self, member: &Member) -> Result<Item, String> {
        if member.sparse.is_some() {
            return Err("a map of holes, which layers of Windows do not have".into());
        }
        self.members += 1;
        self.names += member.name.len();
        if self.members > MOST_MEMBERS || self.names > MOST_NAMES {
            return Err(format!(
                "a place behind {MOST_MEMBERS} others or {MOST_NAMES} bytes of names, more than a layer may have"
            ));
        }
        match (path::parse(&member.name)?, member.kind) {
            (Name::Gone(place), Kind::File) if member.metadata.size == 0 => self.gone(place),
            (Name::Gone(_), _) => Err("the mark of what is gone, and is not an empty file".into()),
            (Name::Stream(place, stream), Kind::File) => self.stream(place, stream),
            (Name::Stream(..), _) => Err("the name of a stream, and is not a file".into()),
            (Name::Entry(place), kind) => self.entry(place, kind, member),
        }
    }

    fn gone(&mut self, place: Place) -> Result<Item, String> {
        if self.base {
            return Err("the mark of what is gone, in a layer with none below".into());
        }
        self.last = None;
        if !self.gone.insert(place.key()) {
            return Err("the mark of what is gone, and an earlier member marks the same".into());
        }
        Ok(Item::Gone(place))
    }

    fn stream(&mut self, place: Place, stream: String) -> Result<Item, String> {
        let Some((_, streams)) = self.last.as_mut().filter(|(key, _)| *key == place.key()) else {
            return Err("the name of a stream, and does not follow its file".into());
        };
        if streams.len() == MOST_STREAMS {
            return Err(format!("a place behind {MOST_STREAMS} streams of its file, more than one can have"));
        }
        if !streams.insert(folded(&stream)) {
            return Err("the name of a stream that its file has already".into());
        }
        Ok(Item::Stream(place, stream))
    }

    fn entry(&mut self, place: Place, kind: Kind, member: &Member) -> Result<Item, String> {
        let item = match kind {
            Kind::Directory => Item::Directory(place.clone(), Facts::of(member)?),
            _ if place.names.is_empty() => return Err("the name of a tree, and is no directory".into()),
            Kind::File => Item::File(place.clone(), Facts::of(member)?),
            Kind::Symlink if place.is_system() => {
                let facts = Facts::of(member)?;
                let link = Link::of_layer(&member.link, facts.junction)?;
                Item::Link(place.clone(), facts, link)
            }
            Kind::HardLink => self.hard_link(place.clone(), &member.link)?,
            _ => return Err("a type that no file of Windows is at this place".into()),
        };
        let sort = if kind == Kind::Directory { Sort::Directory } else { Sort::Other };
        self.add(&place, sort)?;
        // A link has no streams of its own.
        self.last = matches!(kind, Kind::File | Kind::Directory).then(|| (place.key(), HashSet::new()));
        Ok(item)
    }

    fn hard_link(&self, place: Place, target: &[u8]) -> Result<Item, String> {
        let Name::Entry(target) =
            path::parse(target).map_err(|complaint| format!("as the target of a hard link {complaint}"))?
        else {
            return Err("a hard link to what is no file".into());
        };
        if !place.is_system() || !target.is_system() || place.part != target.part {
            return Err("a hard link between what cannot be linked".into());
        }
        let own = match self.find(&target) {
            Some((_, Sort::Directory)) => return Err("a hard link to a directory".into()),
            Some((_, Sort::Other)) => true,
            None if self.base => return Err("a hard link to what no member before it is".into()),
            None => false,
        };
        Ok(Item::HardLink { place, target, own })
    }

    fn find(&self, place: &Place) -> Option<(u32, Sort)> {
        let mut at = self.entries.get(&(0, place.part.name().to_owned())).copied()?;
        for name in &place.names {
            at = self.entries.get(&(at.0, folded(name))).copied()?;
        }
        Some(at)
    }

    fn add(&mut self, place: &Place, sort: Sort) -> Result<(), String> {
        let key = match place.names.split_last() {
            None => (0, place.part.name().to_owned()),
            Some((last, above)) => {
                let above = Place { part: place.part, names: above.to_vec() };
                match self.find(&above) {
                    Some((number, Sort::Directory)) => (number, folded(last)),
                    Some(_) => return Err("a name below what is no directory".into()),
                    None => return Err("a name below a directory that no member before it is".into()),
                }
            }
        };
        if self.entries.insert(key, (self.members, sort)).is_some() {
            return Err("the name of an earlier member, or one that differs in letter case alone".into());
        }
        Ok(())
    }
}
