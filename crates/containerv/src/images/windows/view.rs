//! What is seen of several layers over each other, and how two of them differ.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use containerv_spec::image::Digest;

use super::check::{Checker, Item};
use super::facts::{Facts, Security};
use super::form::{self, Content};
use super::path::{self, Name, Part, Place};
use crate::archive::Fault;
use crate::backend::hcs::transfer::reparse::Link;
use crate::{Error, ErrorKind, Result};

/// The most bytes that descriptors, attributes and streams of all entries take: 512 for each member that a layer may
/// have.
const MOST_FACTS: usize = 512 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A file.
    File,
    /// A symbolic link.
    Symlink,
    /// A junction or mounted volume.
    Junction,
}

/// One entry as a container sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name from the layer's root, with slashes, as the layer has it: `Files/Windows/win.ini`.
    pub path: String,
    /// Which layer it is of, 0 for the lowest.
    pub layer: usize,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of content.
    pub size: u64,
    /// Digest of the content; none if there is none.
    pub digest: Option<Digest>,
    /// Where a link leads, as the archive has it.
    pub target: Option<String>,
    /// What is said of it.
    pub facts: Facts,
    /// Streams: name, size and digest, sorted by name.
    pub streams: Vec<(String, u64, Option<Digest>)>,
}

/// What a stream, or an extended attribute, takes besides its bytes.
const OVERHEAD: usize = 128;

impl Entry {
    fn content(&self) -> Content {
        Content { size: self.size, digest: self.digest.clone() }
    }

    /// Bytes of what is said of it.
    fn weight(&self) -> usize {
        let security = match &self.facts.security {
            Some(Security::Raw(bytes)) => bytes.len(),
            Some(Security::Text(text)) => text.len(),
            None => 0,
        };
        let attributes = self.facts.extended.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD);
        let streams = self.streams.iter().map(|(name, ..)| name.len() + OVERHEAD);
        security + attributes.sum::<usize>() + streams.sum::<usize>()
    }
}

/// Layers over each other.
#[derive(Clone, Debug, Default)]
pub struct View {
    folders: Vec<PathBuf>,
    entries: BTreeMap<String, Entry>,
    /// Files of the registry: layer, name and content.
    hives: Vec<(usize, String, Content)>,
    /// Bytes of what was said of entries, those that are hidden by now included.
    facts: usize,
}

/// What a layer holds, by kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerSummary {
    /// Files and hard links.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links and junctions.
    pub links: u64,
    /// What of the layers below is gone.
    pub tombstones: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Files of the registry, by name.
    pub hives: Vec<String>,
    /// It has files of a virtual machine for Hyper-V isolation.
    pub utility_vm: bool,
}

/// Looks into a layer's folder.
///
/// # Errors
///
/// A folder that is damaged.
pub fn summary(folder: &Path) -> Result<LayerSummary> {
    let mut found = LayerSummary::default();
    each(folder, false, |item, content| {
        match &item {
            Item::Directory(..) => found.directories += 1,
            Item::File(..) | Item::HardLink { .. } => found.files += 1,
            Item::Link(..) => found.links += 1,
            Item::Gone(_) => found.tombstones += 1,
            Item::Stream(..) => {}
        }
        if let Item::File(place, _) = &item
            && place.part == Part::Hives
        {
            found.hives.extend(place.names.last().cloned());
        }
        found.utility_vm |= matches!(&item, Item::Directory(place, _) if place.part == Part::UtilityVm);
        found.bytes += content.size;
        Ok(())
    })?;
    Ok(found)
}

/// Goes through the members of a folder as those of an archive, with the same checks.
fn each(folder: &Path, base: bool, mut take: impl FnMut(Item, Content) -> Result<()>) -> Result<()> {
    let mut reader = form::Reader::open(folder)?;
    let mut checker = Checker::new(base);
    while let Some(kept) = reader.next()? {
        let member = kept.member()?;
        let item = checker
            .take(&member)
            .map_err(|complaint| Fault::from(complaint).about(&member.name).into_error())?;
        take(item, kept.content)?;
    }
    Ok(())
}

impl View {
    /// Puts the layers of these folders over each other, the lowest first.
    ///
    /// # Errors
    ///
    /// A folder that is damaged; a hard link to what no layer below has.
    pub fn of(folders: &[PathBuf]) -> Result<Self> {
        let mut view = Self::default();
        for folder in folders {
            view.add(folder)?;
        }
        Ok(view)
    }

    /// Puts one more layer on top.
    ///
    /// # Errors
    ///
    /// As [`View::of`].
    pub fn add(&mut self, folder: &Path) -> Result<()> {
        let layer = self.folders.len();
        each(folder, layer == 0, |item, content| self.apply(layer, item, content))?;
        let own = self.entries.values_mut().filter(|entry| entry.layer == layer);
        own.for_each(|entry| entry.streams.sort());
        self.folders.push(folder.to_owned());
        Ok(())
    }

    fn apply(&mut self, layer: usize, item: Item, content: Content) -> Result<()> {
        match item {
            Item::Directory(place, facts) => {
                // What is below a directory of lower layers is seen through it.
                if self.entries.get(&place.key()).is_some_and(|entry| entry.kind != EntryKind::Directory) {
                    self.remove(&place, None);
                }
                self.insert(&place, entry(layer, &place, EntryKind::Directory, facts))?;
            }
            Item::File(place, facts) => {
                if let (Part::Hives, [name]) = (place.part, &place.names[..]) {
                    self.hives.push((layer, name.clone(), content.clone()));
                }
                self.remove(&place, None);
                let mut entry = entry(layer, &place, EntryKind::File, facts);
                (entry.size, entry.digest) = (content.size, content.digest);
                self.insert(&place, entry)?;
            }
            Item::Link(place, facts, link) => {
                self.remove(&place, None);
                let kind = if link.junction { EntryKind::Junction } else { EntryKind::Symlink };
                let mut entry = entry(layer, &place, kind, facts);
                entry.target = Some(shown(&link));
                self.insert(&place, entry)?;
            }
            Item::Stream(place, name) => {
                self.weigh(name.len() + OVERHEAD)?;
                if let Some(entry) = self.entries.get_mut(&place.key()) {
                    entry.streams.push((name, content.size, content.digest));
                }
            }
            Item::HardLink { place, target, .. } => {
                let found = self.entries.get(&target.key()).cloned();
                let Some(found) = found.filter(|found| found.kind != EntryKind::Directory) else {
                    return Err(Error::new(
                        ErrorKind::Corrupt,
                        format!(
                            "the layer has a hard link `{place}` to `{target}`, which no layer below has"
                        ),
                    )
                    .with_hint("its layers do not belong together; pull the image again"));
                };
                self.remove(&place, None);
                self.insert(&place, Entry { path: place.to_string(), layer, ..found })?;
            }
            // What this layer has there itself stays.
            Item::Gone(place) => self.remove(&place, Some(layer)),
        }
        Ok(())
    }

    fn insert(&mut self, place: &Place, entry: Entry) -> Result<()> {
        self.weigh(entry.weight())?;
        self.entries.insert(place.key(), entry);
        Ok(())
    }

    fn weigh(&mut self, bytes: usize) -> Result<()> {
        self.facts += bytes;
        if self.facts <= MOST_FACTS {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "the layers have more than {MOST_FACTS} bytes of security descriptors, extended attributes and streams"
            ),
        ))
    }

    /// Removes an entry and what is below it; what is of this layer stays.
    fn remove(&mut self, place: &Place, keep: Option<usize>) {
        let key = place.key();
        let (from, to) = (format!("{key}/"), format!("{key}0"));
        let below = self.entries.range(from..to);
        let gone = below.filter(|(_, entry)| Some(entry.layer) != keep).map(|(key, _)| key.clone());
        let gone: Vec<String> = gone.collect();
        gone.iter().for_each(|key| _ = self.entries.remove(key));
        if self.entries.get(&key).is_some_and(|entry| Some(entry.layer) != keep) {
            self.entries.remove(&key);
        }
    }

    /// Files of the registry that are called one of these, the topmost layer's first.
    pub(super) fn hives<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = (&'a Path, &'a Content)> {
        let named = move |name: &str| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        let found = self.hives.iter().rev().filter(move |(_, name, _)| named(name));
        found.map(|(layer, _, content)| (self.folders[*layer].as_path(), content))
    }

    /// How many layers there are.
    pub fn layers(&self) -> usize {
        self.folders.len()
    }

    /// All entries, sorted by their names without letter case.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub(super) fn find(&self, place: &Place) -> Option<&Entry> {
        self.entries.get(&place.key())
    }

    fn named(&self, path: &str) -> Option<&Entry> {
        match path::parse(path.as_bytes()) {
            Ok(Name::Entry(place)) => self.find(&place),
            _ => None,
        }
    }

    /// Which layer an entry is of, by its path.
    pub(in crate::images) fn layer_of(&self, path: &str) -> Option<usize> {
        self.named(path).map(|entry| entry.layer)
    }

    /// Says whether there is a directory, by its path.
    pub(in crate::images) fn is_directory(&self, path: &str) -> bool {
        self.named(path).is_some_and(|entry| entry.kind == EntryKind::Directory)
    }

    /// Writes the content of a file.
    ///
    /// # Errors
    ///
    /// Content that is damaged; what `to` says.
    pub fn read(&self, entry: &Entry, mut to: impl std::io::Write) -> Result<()> {
        let folders = self.folders[..=entry.layer.min(self.folders.len().saturating_sub(1))].iter().rev();
        let content = entry.content();
        // The content of a hard link may be a lower layer's.
        for folder in folders {
            if form::has_content(folder, &content) {
                return form::copy_content(folder, &content, &mut to);
            }
        }
        Err(Error::new(ErrorKind::Corrupt, format!("no layer has the content of `{}`", entry.path)))
    }
}

fn entry(layer: usize, place: &Place, kind: EntryKind, facts: Facts) -> Entry {
    let (size, digest, target, streams) = (0, None, None, Vec::new());
    Entry { path: place.to_string(), layer, kind, size, digest, target, facts, streams }
}

/// A target as people read it.
fn shown(link: &Link) -> String {
    let text = String::from_utf16_lossy(&link.target);
    text.strip_prefix(r"\??\").unwrap_or(&text).to_owned()
}

/// What differs of an entry that both have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// What it is.
    Kind,
    /// Content, or a stream's.
    Content,
    /// Where a link leads.
    Target,
    /// Attributes, or extended attributes.
    Attributes,
    /// Who may do what.
    Security,
    /// Times.
    Times,
}

/// How an entry differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Deleted,
    /// Both have it, and these differ.
    Modified(Vec<Aspect>),
}

/// One entry that differs, with its name as the second has it, or the first if that alone does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// Its name, as in [`Entry::path`].
    pub path: String,
    /// How.
    pub difference: Difference,
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.difference {
            Difference::Added => write!(f, "A {}", self.path),
            Difference::Deleted => write!(f, "D {}", self.path),
            Difference::Modified(aspects) => {
                write!(f, "C {} (", self.path)?;
                for (at, aspect) in aspects.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    f.write_str(aspect.word())?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Aspect {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Content => "content",
            Self::Target => "target",
            Self::Attributes => "attributes",
            Self::Security => "security",
            Self::Times => "times",
        }
    }
}

/// Compares what two images hold, entry by entry, in the order of names.
pub fn differences(one: &View, other: &View) -> Vec<Differing> {
    let mut found = Vec::new();
    let (mut left, mut right) = (one.entries.iter().peekable(), other.entries.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return found,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((one, _)), Some((other, _))) => one.cmp(other),
        };
        let mut add =
            |entry: &Entry, difference| found.push(Differing { path: entry.path.clone(), difference });
        match order {
            std::cmp::Ordering::Less => {
                left.next().into_iter().for_each(|(_, one)| add(one, Difference::Deleted))
            }
            std::cmp::Ordering::Greater => {
                right.next().into_iter().for_each(|(_, other)| add(other, Difference::Added));
            }
            std::cmp::Ordering::Equal => {
                if let (Some((_, one)), Some((_, other))) = (left.next(), right.next()) {
                    let aspects = aspects(one, other);
                    if !aspects.is_empty() {
                        add(other, Difference::Modified(aspects));
                    }
                }
            }
        }
    }
}

fn aspects(one: &Entry, other: &Entry) -> Vec<Aspect> {
    let attributes = |entry: &Entry| (entry.facts.attributes, entry.facts.extended.clone());
    // Directories get new times with everything that is made in them.
    let times = |entry: &Entry| {
        let mut times = entry.facts.times;
        times.accessed = 0;
        (entry.kind != EntryKind::Directory).then_some(times)
    };
    let security = |entry: &Entry| -> Option<Security> { entry.facts.security.clone() };
    [
        (Aspect::Kind, one.kind != other.kind),
        (Aspect::Content, (&one.digest, &one.streams) != (&other.digest, &other.streams)),
        (Aspect::Target, one.target != other.target),
        (Aspect::Attributes, attributes(one) != attributes(other)),
        (Aspect::Security, security(one) != security(other)),
        (Aspect::Times, times(one) != times(other)),
    ]
    .into_iter()
    .filter_map(|(aspect, differs)| differs.then_some(aspect))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_entries_is_bounded_together() {
        let place = Place { part: Part::Files, names: vec!["a".into()] };
        let facts = Facts { security: Some(Security::Raw(vec![0; 20])), ..Facts::default() };
        let mut view = View { facts: MOST_FACTS - 50, ..View::default() };
        let mut file = || view.apply(0, Item::File(place.clone(), facts.clone()), Content::default());
        file().unwrap();
        file().unwrap();
        assert!(file().unwrap_err().to_string().contains("security descriptors"));
        let mut view = View { facts: MOST_FACTS - OVERHEAD, ..View::default() };
        assert!(view.apply(0, Item::Stream(place, "s".into()), Content::default()).is_err());
    }
}
