//! Applying the members of an archive to a directory of the container.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::rc::Rc;

use containerv_sys::windows::relative::{self, Access, DIRECTORY, How, READ_ONLY, Times};

use super::super::Root;
use super::super::content::{self, BUFFER};
use super::super::make;
use super::super::node::{Kind as NodeKind, Opened, stale};
use super::super::obstacle::Obstacle;
use super::super::place::{Side, leads_to_directory};
use super::super::writer::{Rules, stamp};
use super::parents::{Implied, Parent, Parents};
use super::{ATTRIBUTES, CREATED, DESCRIPTOR, JUNCTION};
use crate::archive::{Fault, Kind, Member, Reader, clean};
use crate::backend::hcs::transfer::path::{self, Name};
use crate::backend::hcs::transfer::reparse::Link;
use crate::backend::hcs::transfer::time;
use crate::backend::transfer::{FileId, Meter};
use crate::base64;
use crate::copy::{CopyOptions, CopySummary, SkipReason};
use crate::{Error, Result};

/// Bytes that what is known of directories and links may take until the end, when they are finished.
const MOST_PENDING_BYTES: usize = 128 << 20;
/// What one of them costs besides its names.
const PENDING_COST: usize = 192;

/// Where the members of an archive go below a directory.
pub(in super::super) struct Below<'a> {
    pub(in super::super) side: Side<'a>,
    /// Names that come before those of all members.
    pub(in super::super) prefix: Vec<Name>,
    /// Neither times nor attributes are kept.
    pub(in super::super) plain: bool,
}

/// Applies an archive to `top`, a directory.
pub(in super::super) fn extract(
    stream: impl Read,
    top: (Opened, Vec<Name>),
    below: Below<'_>,
    rules: Rules,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let Below { side, prefix, plain } = below;
    // Only in a container, whose root is known, are links among the parents followed.
    let root = match side {
        Side::Container(root, _) => Some(root),
        Side::Host(_) => None,
    };
    let stream = std::io::BufReader::with_capacity(BUFFER, stream);
    let mut extraction = Extraction {
        reader: Reader::new(stream),
        at: top.1.clone(),
        parents: Parents::new(root, side, rules.making, top),
        root,
        side,
        prefix,
        plain,
        rules,
        devices: options.devices,
        meter: Meter::new(options.progress.clone()),
        pending: Pending::default(),
        buffer: vec![0; BUFFER],
    };
    while let Some(member) = extraction.reader.next().map_err(Fault::into_error)? {
        extraction.apply(&member)?;
    }
    extraction.reader.drain().map_err(Fault::into_error)?;
    extraction.finish_links()?;
    extraction.finish_directories()?;
    Ok(extraction.meter.summary)
}

struct Extraction<'a, R> {
    reader: Reader<R>,
    parents: Parents<'a>,
    root: Option<&'a Root>,
    side: Side<'a>,
    prefix: Vec<Name>,
    plain: bool,
    /// Where the destination really is.
    at: Vec<Name>,
    rules: Rules,
    devices: bool,
    meter: Meter,
    pending: Pending,
    buffer: Vec<u8>,
}

/// Why a member could not be applied.
enum Failure {
    Obstacle(Obstacle),
    Fault(Fault),
}

impl From<Obstacle> for Failure {
    fn from(obstacle: Obstacle) -> Self {
        Self::Obstacle(obstacle)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn refused(complaint: impl Into<String>) -> Failure {
    Failure::Fault(Fault::from(complaint.into()))
}

/// What a member gets besides content.
#[derive(Clone, Debug, Default)]
struct Belongings {
    times: Times,
    attributes: u32,
    descriptor: Option<Vec<u8>>,
    junction: bool,
}

impl<R: Read> Extraction<'_, R> {
    fn apply(&mut self, member: &Member) -> Result<()> {
        self.apply_member(member).map_err(|failure| match failure {
            Failure::Fault(fault) => fault.about(&member.name).into_error(),
            Failure::Obstacle(obstacle) => self.failed(obstacle, &member.name),
        })
    }

    fn failed(&self, obstacle: Obstacle, name: &[u8]) -> Error {
        let source = format!("member `{}` of the archive", containerv_spec::OsText::from_bytes(name));
        let below: Vec<u16> = String::from_utf8_lossy(name).replace('/', "\\").encode_utf16().collect();
        obstacle.into_error(&source, &self.side.name(&below))
    }

    fn apply_member(&mut self, member: &Member) -> Result<(), Failure> {
        let names = [&self.prefix[..], &names_of(&member.name).map_err(refused)?].concat();
        let Some((name, parent)) = names.split_last() else {
            return match member.kind {
                // `./` is the destination, which exists and keeps its attributes.
                Kind::Directory => Ok(()),
                _ => Err(refused("no name and is not a directory")),
            };
        };
        match member.kind {
            kind if kind.is_device() && !self.devices => {
                self.meter.skip(&member.name, SkipReason::Device);
                return Ok(());
            }
            kind if kind.is_device() => {
                return Err(refused(
                    "the type of a device node, which Windows does not have: copy without devices",
                ));
            }
            Kind::Fifo => return Err(refused("the type of a FIFO, which Windows does not have")),
            _ => {}
        }
        let parent = self.parent(parent)?;
        parent.mapped.refuse(name)?;
        let belongings = self.belongings(member)?;
        match member.kind {
            Kind::HardLink => self.hard_link(&member.link, &parent, name),
            Kind::Directory => self.directory(belongings, &names, &parent, name),
            Kind::Symlink => self.link((member, belongings), &names, &parent, name),
            _ => self.file((member, belongings), &parent, name),
        }
    }

    /// Opens the directory of a member.
    fn parent(&mut self, names: &[Name]) -> Result<Rc<Parent>, Failure> {
        let mut implied = Vec::new();
        let parent = self.parents.find(names, &mut implied)?;
        for Implied { names, directory } in implied {
            self.meter.entry(|summary| &mut summary.directories);
            self.pending.add_directory(&names, directory.node.id(), None)?;
        }
        Ok(parent)
    }

    fn belongings(&self, member: &Member) -> Result<Belongings, Failure> {
        let metadata = &member.metadata;
        if self.plain {
            return Ok(Belongings::default());
        }
        let mut belongings = Belongings {
            times: Times {
                created: 0,
                accessed: time::of_unix(metadata.accessed),
                modified: time::of_unix(metadata.modified),
            },
            // Archives of other systems tell by the mode who may write.
            attributes: match member.kind {
                Kind::File if metadata.mode & 0o222 == 0 => READ_ONLY,
                _ => 0,
            },
            ..Belongings::default()
        };
        for (keyword, value) in &member.foreign {
            let text = || std::str::from_utf8(value).map_err(|_| refused(bad(keyword)));
            match &keyword[..] {
                ATTRIBUTES => belongings.attributes = text()?.parse().map_err(|_| refused(bad(keyword)))?,
                CREATED => {
                    belongings.times.created = created(text()?).ok_or_else(|| refused(bad(keyword)))?
                }
                JUNCTION => belongings.junction = value == b"1",
                DESCRIPTOR if self.rules.making.security => {
                    let descriptor = base64::decode(value).ok_or_else(|| refused(bad(keyword)))?;
                    belongings.descriptor = Some(descriptor);
                }
                // What Windows' own tools write for themselves.
                _ => {}
            }
        }
        Ok(belongings)
    }

    fn directory(
        &mut self,
        belongings: Belongings,
        names: &[Name],
        parent: &Parent,
        name: &Name,
    ) -> Result<(), Failure> {
        let made = make::directory(self.rules.making, parent.opened.file.as_handle(), name)?;
        // It may have been made a moment ago, for a member that came before it.
        let known = self.pending.knows(made.node.id());
        if known && made.other_case {
            return Err(Obstacle::Twin.into());
        }
        if !known {
            self.meter.entry(|summary| &mut summary.directories);
        }
        if made.new || known {
            self.pending.add_directory(names, made.node.id(), Some(belongings))?;
        }
        Ok(())
    }

    fn file(
        &mut self,
        (member, belongings): (&Member, Belongings),
        parent: &Parent,
        name: &Name,
    ) -> Result<(), Failure> {
        let file = File::from(make::file(self.rules.making, parent.opened.file.as_handle(), name)?);
        let written = self
            .content(member, &file)
            .and_then(|()| Ok(give(file.as_handle(), &belongings, belongings.attributes)?));
        if let Err(failure) = written {
            let _ = relative::remove(file.as_handle());
            return Err(failure);
        }
        self.meter.entry(|summary| &mut summary.files);
        Ok(())
    }

    fn content(&mut self, member: &Member, to: &File) -> Result<(), Failure> {
        let Some(map) = &member.sparse else { return self.run(0, member.stored, to) };
        // A file system without holes gets zeros.
        let _ = relative::set_sparse(to.as_handle());
        to.set_len(map.size).map_err(|error| Obstacle::System("extend", error))?;
        for &(offset, length) in &map.runs {
            self.run(offset, length, to)?;
        }
        self.meter.moved(map.size - member.stored);
        Ok(())
    }

    /// Writes the next `length` bytes of content at `offset`.
    fn run(&mut self, offset: u64, length: u64, to: &File) -> Result<(), Failure> {
        let mut done = 0;
        while done < length {
            let room = self.buffer.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
            let count = self.reader.read(&mut self.buffer[..room])?;
            content::write_all_at(to, &self.buffer[..count], offset + done)?;
            done += count as u64;
            self.meter.moved(count as u64);
        }
        Ok(())
    }

    fn link(
        &mut self,
        (member, belongings): (&Member, Belongings),
        names: &[Name],
        parent: &Parent,
        name: &Name,
    ) -> Result<(), Failure> {
        let link = Link::of_text(&member.link, belongings.junction).map_err(refused)?;
        let told = member.foreign.iter().any(|(keyword, _)| keyword == ATTRIBUTES);
        let to_directory = match told {
            true => belongings.attributes & DIRECTORY != 0,
            // Windows wants to know what it is a link to; archives of other systems do not tell.
            false => member.link.ends_with(b"/") || self.leads_to_directory(names, &link),
        };
        self.make_link(parent, name, &link, to_directory, &belongings)?;
        if !told && !to_directory {
            self.pending.add_link(names, link, belongings)?;
        }
        self.meter.entry(|summary| &mut summary.symlinks);
        Ok(())
    }

    fn make_link(
        &self,
        parent: &Parent,
        name: &Name,
        link: &Link,
        to_directory: bool,
        belongings: &Belongings,
    ) -> Result<(), Obstacle> {
        let made = make::link(self.rules.making, parent.opened.file.as_handle(), name, link, to_directory)?;
        let given = give(made.as_handle(), belongings, belongings.attributes & !READ_ONLY);
        if given.is_err() {
            let _ = relative::remove(made.as_handle());
        }
        given
    }

    /// Says whether a link of these names leads to a directory that is there.
    fn leads_to_directory(&self, names: &[Name], link: &Link) -> bool {
        let at = [&self.at[..], &names[..names.len() - 1]].concat();
        self.root.is_some_and(|root| leads_to_directory(root, &at, link))
    }

    /// Gives an earlier member one more name. Its attributes stay as they are: the link's are
    /// those of a file that may be older than this archive.
    fn hard_link(&mut self, target: &[u8], parent: &Parent, name: &Name) -> Result<(), Failure> {
        let names = names_of(target).map_err(|complaint| refused(format!("as link target {complaint}")))?;
        let names = [&self.prefix[..], &names].concat();
        let Some((first_name, directory)) = names.split_last() else {
            return Err(refused("a hard link to a directory"));
        };
        let making = self.rules.making;
        let directory = self.parents.find_existing(directory)?;
        let directory = directory.ok_or_else(|| refused("a hard link to what is not there"))?;
        directory.mapped.refuse(first_name)?;
        let how = How::open(Access::CHANGE, making.backup);
        let first = Opened::at(directory.opened.file.as_handle(), first_name, how).map_err(Obstacle::Read)?;
        let first = first.ok_or_else(|| refused("a hard link to what is not there"))?;
        if first.node.kind != NodeKind::File {
            return Err(refused("a hard link to a directory or link"));
        }
        let there = Opened::at(parent.opened.file.as_handle(), name, How::open(Access::LOOK, making.backup));
        let same = there.map_err(Obstacle::Read)?.is_some_and(|there| there.node.id() == first.node.id());
        if !same && !make::hard_link(making, &first, parent.opened.file.as_handle(), name)? {
            const NOT_SUPPORTED: i32 = 50;
            let error = std::io::Error::from_raw_os_error(NOT_SUPPORTED);
            return Err(Obstacle::System("hard link", error).into());
        }
        self.meter.entry(|summary| &mut summary.files);
        Ok(())
    }

    /// Makes links again whose target turned out to be a directory.
    fn finish_links(&mut self) -> Result<()> {
        for (names, link, belongings) in std::mem::take(&mut self.pending.links) {
            if !self.leads_to_directory(&names, &link) {
                continue;
            }
            self.finish_link(&names, &link, &belongings)
                .map_err(|obstacle| self.failed(obstacle, path::display(&names).as_bytes()))?;
        }
        Ok(())
    }

    fn finish_link(&mut self, names: &[Name], link: &Link, belongings: &Belongings) -> Result<(), Obstacle> {
        let Some((name, parent)) = names.split_last() else { return Ok(()) };
        let Some(parent) = self.parents.find_existing(parent)? else { return Ok(()) };
        let how = How::open(Access::LOOK, self.rules.making.backup);
        let found = Opened::at(parent.opened.file.as_handle(), name, how).map_err(Obstacle::Read)?;
        // A later member may have taken its place.
        match found {
            Some(found) if found.node.kind == NodeKind::Link(link.clone()) => {
                self.make_link(&parent, name, link, true, belongings)
            }
            _ => Ok(()),
        }
    }

    /// Gives the directories that are new their attributes, the deepest first: what is made in a
    /// directory changes its times.
    fn finish_directories(&mut self) -> Result<()> {
        for directory in self.pending.take_directories() {
            self.finish_directory(&directory)
                .map_err(|obstacle| self.failed(obstacle, path::display(&directory.names).as_bytes()))?;
        }
        Ok(())
    }

    fn finish_directory(&mut self, directory: &PendingDirectory) -> Result<(), Obstacle> {
        let Some(belongings) = &directory.belongings else { return Ok(()) };
        let open = |error| Obstacle::System("open the directory", error);
        let Some((name, parent)) = directory.names.split_last() else { return Ok(()) };
        let parent = self.parents.find_existing(parent)?.ok_or_else(|| open(stale()))?;
        let making = self.rules.making;
        let access =
            if making.security { Access::CHANGE.and(Access::WRITE_SECURITY) } else { Access::CHANGE };
        let found = Opened::at(parent.opened.file.as_handle(), name, How::open(access, making.backup));
        let found = found.map_err(open)?.filter(|found| found.node.id() == directory.id);
        let found = found.ok_or_else(|| open(stale()))?;
        give(found.file.as_handle(), belongings, belongings.attributes)
    }
}

fn bad(keyword: &[u8]) -> String {
    format!("a record `{}` that cannot be read", keyword.escape_ascii())
}

/// Gives what was made its security descriptor, times and attributes.
fn give(to: BorrowedHandle<'_>, belongings: &Belongings, attributes: u32) -> Result<(), Obstacle> {
    if let Some(descriptor) = &belongings.descriptor {
        relative::set_security_descriptor(to, descriptor).map_err(Obstacle::Owner)?;
    }
    stamp(to, &belongings.times, attributes)
}

/// Reads seconds since 1970 with an optional fraction.
fn created(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(time::of_unix((seconds.parse().ok()?, nanoseconds)))
}

/// Takes the components of a member's name, each of which has to be a plain name of Windows.
pub(super) fn names_of(name: &[u8]) -> Result<Vec<Name>, String> {
    let text = std::str::from_utf8(name).map_err(|_| "a name that is not UTF-8")?;
    if text.contains('\\') {
        return Err("a name with a backslash, which Windows reads as a separator".into());
    }
    let path = clean(text.as_bytes())?;
    let components = path.split(|byte| *byte == b'/').filter(|component| !component.is_empty());
    components
        .map(|component| {
            let name: Name = String::from_utf8_lossy(component).encode_utf16().collect();
            match path::check(&name) {
                Ok(()) => Ok(name),
                Err(problem) => Err(format!("a name that Windows reads as something else: {problem}")),
            }
        })
        .collect()
}

/// A new directory and what it gets at the end.
struct PendingDirectory {
    names: Vec<Name>,
    id: FileId,
    /// None for a directory that the archive did not name.
    belongings: Option<Belongings>,
}

/// What is finished when all members are there.
#[derive(Default)]
struct Pending {
    directories: HashMap<FileId, PendingDirectory>,
    links: Vec<(Vec<Name>, Link, Belongings)>,
    bytes: usize,
}

impl Pending {
    fn knows(&self, id: FileId) -> bool {
        self.directories.contains_key(&id)
    }

    fn count(&mut self, names: &[Name], extra: usize) -> Result<(), Failure> {
        self.bytes += names.iter().map(|name| 2 * name.len() + 24).sum::<usize>() + extra + PENDING_COST;
        if self.bytes > MOST_PENDING_BYTES {
            return Err(refused("too many directories and links before it"));
        }
        Ok(())
    }

    fn add_directory(
        &mut self,
        names: &[Name],
        id: FileId,
        belongings: Option<Belongings>,
    ) -> Result<(), Failure> {
        let descriptor = belongings.as_ref().and_then(|belongings| belongings.descriptor.as_ref());
        self.count(names, descriptor.map_or(0, Vec::len))?;
        self.directories.insert(id, PendingDirectory { names: names.to_vec(), id, belongings });
        Ok(())
    }

    fn add_link(&mut self, names: &[Name], link: Link, belongings: Belongings) -> Result<(), Failure> {
        self.count(names, 2 * link.target.len() + belongings.descriptor.as_ref().map_or(0, Vec::len))?;
        self.links.push((names.to_vec(), link, belongings));
        Ok(())
    }

    fn take_directories(&mut self) -> Vec<PendingDirectory> {
        let mut directories: Vec<_> = std::mem::take(&mut self.directories).into_values().collect();
        // A path sorts before those below it.
        directories.sort_by(|one, other| other.names.cmp(&one.names));
        directories
    }
}
