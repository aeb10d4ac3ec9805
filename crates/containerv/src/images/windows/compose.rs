//! New layers, made without Windows: files and directories, tombstones, values of the registry.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::facts::{ARCHIVE, DIRECTORY, Facts, Security, usual_descriptor};
use super::hive::{RegistryChange, delta_hives};
use super::path::{self, Part, Place};
use super::unpack::{Hashing, Unpacked};
use super::view::{EntryKind, View};
use crate::archive::{self, Kind, Metadata, Output, Time};
use crate::backend::hcs::transfer::time;
use crate::{Error, ErrorKind, Result};

const BUFFER: usize = 256 << 10;

/// One change that a new layer makes. Paths in the image are `C:\app\file`, `/app/file` or `Files/app/file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerChange {
    /// A file, or a directory with all that is in it, comes from this machine.
    Add {
        /// Where it is here.
        from: PathBuf,
        /// What it is called in the image.
        to: String,
    },
    /// A file has this content.
    Write {
        /// What it is called in the image.
        to: String,
        /// Its content.
        content: Vec<u8>,
    },
    /// A directory is there.
    MakeDirectory {
        /// What it is called in the image.
        path: String,
    },
    /// A file, or a directory with all that is in it, is gone.
    Remove {
        /// What it is called in the image.
        path: String,
    },
    /// A value of the registry is set.
    SetValue(RegistryChange),
}

/// What a new file's content is.
enum Source {
    File(PathBuf, u64),
    Bytes(Vec<u8>),
}

enum New {
    Directory(Facts),
    File(Facts, Source),
    Gone,
}

struct Composer<'a> {
    below: &'a View,
    now: Time,
    new: BTreeMap<String, (Place, New)>,
}

/// Writes the archive of a layer that makes these changes over the layers of `below`. What it makes has the time
/// `now`; the same changes give the same bytes.
///
/// Directories above a change come along as the layers below have them. A file that replaces one has its attributes and
/// security descriptor; a new one is the administrators' and can be read by users.
///
/// # Errors
///
/// A path that no layer may have; what is to be removed and is not there; changes that contradict each other; a
/// registry that cannot be read; what the system says.
pub fn compose(below: &View, changes: &[LayerChange], now: SystemTime, to: impl Write) -> Result<Unpacked> {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos()));
    let mut composer = Composer { below, now, new: BTreeMap::new() };
    composer.above(&Place { part: Part::Files, names: Vec::new() })?;
    let mut values = Vec::new();
    for change in changes {
        match change {
            LayerChange::Add { from, to } => composer.tree(from, place_of(to)?)?,
            LayerChange::Write { to, content } => {
                composer.file(place_of(to)?, Source::Bytes(content.clone()))?
            }
            LayerChange::MakeDirectory { path } => composer.directory(place_of(path)?)?,
            LayerChange::Remove { path } => composer.remove(place_of(path)?)?,
            LayerChange::SetValue(change) => values.push(change.clone()),
        }
    }
    let hives = Place { part: Part::Hives, names: Vec::new() };
    composer.above(&hives)?;
    for (name, content) in delta_hives(below, &values)? {
        let place = Place { names: vec![name], ..hives.clone() };
        let facts = Facts { attributes: ARCHIVE, ..Facts::default() };
        composer.put(place, New::File(facts, Source::Bytes(content)))?;
    }
    composer.write(to)
}

fn place_of(text: &str) -> Result<Place> {
    let refused = |why: &str| {
        Error::new(ErrorKind::InvalidArgument, format!("`{text}` in the image: it is {why}"))
            .with_hint(r"give a path such as `C:\app\file`")
    };
    let place = path::of_person(text).map_err(|why| refused(&why))?;
    match place.part {
        Part::Files if !place.names.is_empty() => Ok(place),
        Part::Files => Err(refused("the root of the image")),
        _ => Err(refused("in a tree that only Windows writes")),
    }
}

impl Composer<'_> {
    fn contradiction(place: &Place) -> Error {
        Error::new(
            ErrorKind::InvalidArgument,
            format!("two changes contradict each other at `{place}` of the image"),
        )
        .with_hint("make them in two layers, one after the other")
    }

    /// The place as the layers below write it, as far as they have it.
    fn spelled(&self, place: &Place) -> Place {
        let mut spelled = Place { part: place.part, names: Vec::new() };
        for name in &place.names {
            spelled.names.push(name.clone());
            let known = self.new.get(&spelled.key()).map(|(known, _)| known.clone());
            let below = || self.below.find(&spelled).map(|entry| entry.path.clone());
            let last = match known {
                Some(known) => known.names.last().cloned(),
                None => below().and_then(|path| path.rsplit('/').next().map(str::to_owned)),
            };
            if let (Some(last), Some(name)) = (last, spelled.names.last_mut()) {
                *name = last;
            }
        }
        spelled
    }

    fn put(&mut self, place: Place, new: New) -> Result<()> {
        if let Some((_, above)) = place.names.split_last() {
            self.above(&Place { part: place.part, names: above.to_vec() })?;
        }
        let place = self.spelled(&place);
        // What is gone has nothing below it.
        let key = place.key();
        let below = self.new.range(format!("{key}/")..format!("{key}0")).next().is_some();
        match (self.new.get(&key), &new) {
            (Some((_, New::Directory(_))), New::Directory(_)) => return Ok(()),
            (Some(_), _) => return Err(Self::contradiction(&place)),
            (None, New::Gone) if below => return Err(Self::contradiction(&place)),
            (None, _) => {}
        }
        self.new.insert(key, (place, new));
        Ok(())
    }

    /// Directories on the way, as they are below or new.
    fn above(&mut self, place: &Place) -> Result<()> {
        for depth in 0..=place.names.len() {
            let at = self.spelled(&Place { part: place.part, names: place.names[..depth].to_vec() });
            match self.new.get(&at.key()) {
                Some((_, New::Directory(_))) => continue,
                Some(_) => return Err(Self::contradiction(&at)),
                None => {}
            }
            let facts = match self.below.find(&at) {
                Some(entry) if entry.kind == EntryKind::Directory => entry.facts.clone(),
                Some(_) => {
                    return Err(Error::new(
                        ErrorKind::InvalidArgument,
                        format!("`{at}` of the image is no directory"),
                    )
                    .with_hint("remove it in a layer before, or choose another path"));
                }
                None => self.new_facts(true),
            };
            self.new.insert(at.key(), (at, New::Directory(facts)));
        }
        Ok(())
    }

    fn new_facts(&self, directory: bool) -> Facts {
        let mut facts = Facts {
            attributes: if directory { DIRECTORY } else { ARCHIVE },
            security: Some(Security::Raw(usual_descriptor(directory))),
            ..Facts::default()
        };
        facts.times.created = time::of_unix(self.now);
        facts.times.modified = facts.times.created;
        facts
    }

    fn directory(&mut self, place: Place) -> Result<()> {
        self.above(&place)
    }

    fn file(&mut self, place: Place, source: Source) -> Result<()> {
        let mut facts = self.new_facts(false);
        match self.below.find(&place) {
            Some(entry) if entry.kind == EntryKind::Directory => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("`{place}` of the image is a directory"),
                )
                .with_hint("remove it in a layer before, or choose another path"));
            }
            Some(entry) if entry.kind == EntryKind::File => {
                facts.attributes = entry.facts.attributes;
                facts.security = entry.facts.security.clone().or(facts.security);
            }
            _ => {}
        }
        self.put(place, New::File(facts, source))
    }

    fn remove(&mut self, place: Place) -> Result<()> {
        if self.below.find(&place).is_none() {
            return Err(Error::new(ErrorKind::NotFound, format!("the image has no `{place}` to remove")));
        }
        self.put(place, New::Gone)
    }

    fn tree(&mut self, from: &Path, place: Place) -> Result<()> {
        let mut pending = vec![(from.to_owned(), place)];
        while let Some((from, place)) = pending.pop() {
            let failed = |error| Error::io(error, format!("read `{}`", from.display()));
            let metadata = fs::symlink_metadata(&from).map_err(failed)?;
            if metadata.is_file() {
                self.file(place, Source::File(from, metadata.len()))?;
                continue;
            }
            if !metadata.is_dir() {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("add `{}` to the image: it is neither a file nor a directory", from.display()),
                )
                .with_hint("links of this machine mean nothing in the image: add what they lead to"));
            }
            self.directory(place.clone())?;
            for entry in fs::read_dir(&from).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name();
                let refused = |why: String| {
                    Error::new(
                        ErrorKind::InvalidArgument,
                        format!("add `{}` to the image: it has {why}", entry.path().display()),
                    )
                };
                let name = name.to_str().ok_or_else(|| refused("a name that is not UTF-8".into()))?;
                path::plain(name).map_err(refused)?;
                if name.starts_with(".wh.") {
                    return Err(refused("a name that marks what is gone".into()));
                }
                let mut below = place.clone();
                below.names.push(name.to_owned());
                pending.push((entry.path(), below));
            }
        }
        Ok(())
    }

    fn write(self, to: impl Write) -> Result<Unpacked> {
        let failed = |error| Error::io(error, "write the layer's archive");
        let mut hashing = Hashing::new(BufWriter::with_capacity(BUFFER, to));
        let mut output = Output::new(&mut hashing);
        for (place, new) in self.new.values() {
            match new {
                New::Directory(facts) => {
                    header(&mut output, &place.to_string(), (Kind::Directory, ""), facts, 0)
                }
                New::File(facts, source) => {
                    let size = match source {
                        Source::File(_, size) => *size,
                        Source::Bytes(bytes) => bytes.len() as u64,
                    };
                    header(&mut output, &place.to_string(), (Kind::File, ""), facts, size).map_err(failed)?;
                    content(&mut output, source, size)?;
                    output.pad(size)
                }
                New::Gone => {
                    let text = place.to_string();
                    let (above, name) = text.rsplit_once('/').unwrap_or(("", &text));
                    let mut mark = Facts::default();
                    mark.times.modified = time::of_unix(self.now);
                    header(&mut output, &format!("{above}/.wh.{name}"), (Kind::File, ""), &mark, 0)
                }
            }
            .map_err(failed)?;
        }
        output.finish().map_err(failed)?;
        hashing.flush().map_err(failed)?;
        Ok(hashing.finish())
    }
}

/// Writes the headers of a member, with the records of what is said of it.
pub(super) fn header<W: Write>(
    output: &mut Output<W>,
    name: &str,
    (kind, link): (Kind, &str),
    facts: &Facts,
    size: u64,
) -> std::io::Result<()> {
    let unix = |ticks: i64| if ticks > 0 { time::to_unix(ticks) } else { (0, 0) };
    let modified = unix(facts.times.modified);
    let metadata = Metadata {
        mode: if kind == Kind::Directory { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        size,
        device: (0, 0),
        accessed: modified,
        modified,
    };
    // What marks that something is gone says nothing else.
    let foreign = if facts.attributes == 0 { Vec::new() } else { facts.records() };
    output.header(&archive::Entry {
        name: name.as_bytes(),
        link: link.as_bytes(),
        kind,
        metadata: &metadata,
        attributes: &[],
        foreign: &foreign,
        sparse: None,
    })
}

fn content<W: Write>(output: &mut Output<W>, source: &Source, size: u64) -> Result<()> {
    let failed = |error| Error::io(error, "write the layer's archive");
    let path = match source {
        Source::Bytes(bytes) => return output.content(bytes).map_err(failed),
        Source::File(path, _) => path,
    };
    let read = |error| Error::io(error, format!("read `{}`", path.display()));
    let mut file = File::open(path).map_err(read)?;
    let mut buffer = vec![0; BUFFER];
    let mut left = size;
    while left > 0 {
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = file.read(&mut buffer[..room]).map_err(read)?;
        if count == 0 {
            return Err(Error::new(
                ErrorKind::InvalidState,
                format!("`{}` became shorter while it was read", path.display()),
            )
            .with_hint("add it once nobody writes to it any more"));
        }
        output.content(&buffer[..count]).map_err(failed)?;
        left -= count as u64;
    }
    Ok(())
}
