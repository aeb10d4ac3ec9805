//! Applying the members of an archive to a directory of the container.

use std::collections::HashMap;
use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{FileType, Mode, OFlags, Timestamps};
use rustix::io::Errno;

use super::super::attributes;
use super::super::content::{self, BUFFER};
use super::super::make::{self, Obstacle};
use super::super::node::{FileId, Node};
use super::super::owners::Belonging;
use super::super::place::open_below;
use super::super::walk::Side;
use super::super::writer::Rules;
use super::parents::{Implied, Parents};
use super::{node_of, type_of};
use crate::archive::{Attribute, Fault, Kind, Member, Reader, clean};
use crate::backend::transfer::Meter;
use crate::copy::{CopyOptions, CopySummary, SkipReason};
use crate::{Error, Result};

/// Bytes that what is known of directories may take until the end, when they get their attributes.
const MOST_DIRECTORY_BYTES: usize = 128 << 20;
/// What one directory costs besides its path and attributes.
const DIRECTORY_COST: usize = 192;

/// Applies an archive to `top`, a directory of the container at `to`.
pub(in super::super) fn extract(
    stream: impl Read,
    top: OwnedFd,
    to: Side<'_>,
    rules: Rules,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let stream = std::io::BufReader::with_capacity(BUFFER, stream);
    let mut extraction = Extraction {
        reader: Reader::new(stream),
        parents: Parents::new(to.place, to.path, top),
        to,
        rules,
        meter: Meter::new(options.progress.clone()),
        directories: Directories::default(),
        buffer: vec![0; BUFFER],
    };
    while let Some(member) = extraction.reader.next().map_err(Fault::into_error)? {
        extraction.apply(&member)?;
    }
    extraction.reader.drain().map_err(Fault::into_error)?;
    extraction.finish_directories()?;
    Ok(extraction.meter.summary)
}

struct Extraction<'a, R> {
    reader: Reader<R>,
    parents: Parents<'a>,
    to: Side<'a>,
    rules: Rules,
    meter: Meter,
    directories: Directories,
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

impl<R: Read> Extraction<'_, R> {
    fn apply(&mut self, member: &Member) -> Result<()> {
        self.apply_member(member).map_err(|failure| match failure {
            Failure::Fault(fault) => fault.about(&member.name).into_error(),
            Failure::Obstacle(obstacle) => self.failed(obstacle, &member.name),
        })
    }

    fn failed(&self, obstacle: Obstacle, name: &[u8]) -> Error {
        let source = format!("member `{}` of the archive", containerv_spec::OsText::from_bytes(name));
        let below = clean(name).unwrap_or_default();
        match obstacle {
            // The stream's own failures are faults; what is read here is what a link names.
            Obstacle::Read(errno) => {
                Error::os(errno.raw_os_error(), format!("find the target of the link, {source}"))
            }
            other => other.into_error(&source, &self.to.name(&below)),
        }
    }

    fn apply_member(&mut self, member: &Member) -> Result<(), Failure> {
        let path = clean(&member.name).map_err(refused)?;
        let Some((parent_path, name)) = split(&path) else {
            return match member.kind {
                // `./` is the destination, which exists and keeps its attributes.
                Kind::Directory => Ok(()),
                _ => Err(refused("no name and is not a directory")),
            };
        };
        let parent = self.parent(parent_path)?;
        if member.kind.is_device() && !self.rules.devices {
            self.meter.skip(&path, SkipReason::Device);
            return Ok(());
        }
        let node = node_of(&member.metadata, type_of(member.kind));
        match member.kind {
            Kind::HardLink => self.hard_link(member, parent.as_fd(), &name),
            Kind::Directory => self.directory((member, &node), &path, parent.as_fd(), &name),
            Kind::File => self.file((member, &node), &path, parent.as_fd(), &name),
            _ => self.special(&member.link, &node, parent.as_fd(), &name),
        }
    }

    /// Opens the directory of a member; if it has to be made, it is root's, with mode 0755.
    fn parent(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, Failure> {
        let mut implied = Vec::new();
        let parent = self.parents.find(path, &mut implied)?;
        for Implied { path, directory } in implied {
            let mut node = directory.node;
            (node.mode, node.uid, node.gid) = (0o755, 0, 0);
            self.meter.entry(|summary| &mut summary.directories);
            let id = node.id;
            self.directories.add(&path, id, self.belonging(&node)?, Vec::new(), None)?;
        }
        Ok(parent)
    }

    fn belonging(&self, node: &Node) -> Result<Belonging, Failure> {
        let owner = self.rules.owners.of(node);
        owner.map_err(|unmapped| Obstacle::Unmapped(unmapped).into())
    }

    fn carried(&self, member: &Member, belonging: &Belonging) -> Vec<Attribute> {
        let mut carried = self.rules.carried;
        carried.capabilities &= belonging.same_user;
        member.attributes.iter().filter(|(name, _)| carried.carries(name)).cloned().collect()
    }

    fn directory(
        &mut self,
        (member, node): (&Member, &Node),
        path: &[u8],
        parent: BorrowedFd<'_>,
        name: &CString,
    ) -> Result<(), Failure> {
        let made = make::directory(parent, name)?;
        // It may have been made a moment ago, for a member that came before it.
        let implied = self.directories.known(made.node.id);
        if !implied {
            self.meter.entry(|summary| &mut summary.directories);
        }
        if made.new || implied {
            let belonging = self.belonging(node)?;
            let attributes = self.carried(member, &belonging);
            let times = Some(node.times());
            self.directories.add(path, made.node.id, belonging, attributes, times)?;
        }
        Ok(())
    }

    fn file(
        &mut self,
        (member, node): (&Member, &Node),
        path: &[u8],
        parent: BorrowedFd<'_>,
        name: &CString,
    ) -> Result<(), Failure> {
        let belonging = self.belonging(node)?;
        let file = make::file(parent, name, 0o600)?;
        let written = self.content(member, file.as_fd()).and_then(|()| {
            let carried = self.carried(member, &belonging);
            Ok(attributes::give(file.as_fd(), &belonging, &carried, &node.times())?)
        });
        match written {
            Ok(true) => {}
            Ok(false) => self.meter.skip(path, SkipReason::Attribute),
            Err(failure) => {
                let _ = super::super::place::unlink(parent, &**name);
                return Err(failure);
            }
        }
        self.meter.entry(|summary| &mut summary.files);
        Ok(())
    }

    fn content(&mut self, member: &Member, to: BorrowedFd<'_>) -> Result<(), Failure> {
        let Some(map) = &member.sparse else { return self.run(0, member.stored, to) };
        rustix::fs::ftruncate(to, map.size).map_err(|errno| Obstacle::System("extend", errno))?;
        for &(offset, length) in &map.runs {
            self.run(offset, length, to)?;
        }
        self.meter.moved(map.size - member.stored);
        Ok(())
    }

    /// Writes the next `length` bytes of content at `offset`.
    fn run(&mut self, offset: u64, length: u64, to: BorrowedFd<'_>) -> Result<(), Failure> {
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

    fn special(
        &mut self,
        target: &[u8],
        node: &Node,
        parent: BorrowedFd<'_>,
        name: &CString,
    ) -> Result<(), Failure> {
        let belonging = self.belonging(node)?;
        let is_link = node.kind == FileType::Symlink;
        let made = match is_link {
            true => make::symlink(parent, name, target)?,
            false => make::special(parent, name, node.kind, node.device)?,
        };
        attributes::give_opened(made.as_fd(), &belonging, is_link, &node.times())?;
        self.meter.entry(|summary| match is_link {
            true => &mut summary.symlinks,
            false => &mut summary.special,
        });
        Ok(())
    }

    /// Gives an earlier member one more name. Its attributes stay as they are: the link's are
    /// those of a file that may be older than this archive.
    fn hard_link(&mut self, member: &Member, parent: BorrowedFd<'_>, name: &CString) -> Result<(), Failure> {
        let target =
            clean(&member.link).map_err(|complaint| refused(format!("as link target {complaint}")))?;
        let (directory, target_name) = split(&target).ok_or_else(|| refused("a hard link to a directory"))?;
        let mut implied = Vec::new();
        let directory = match open_below(self.parents.top(), directory) {
            Ok(directory) => Rc::new(directory),
            Err(Errno::LOOP | Errno::NOTDIR) => self.parents.find(directory, &mut implied)?,
            Err(errno) => return Err(Obstacle::Read(errno).into()),
        };
        let found = Node::at(&directory, &target_name).map_err(Obstacle::Read)?;
        if found.is_directory() {
            return Err(refused("a hard link to a directory"));
        }
        let same = Node::at(parent, name).is_ok_and(|node| node.id == found.id);
        if !same {
            let first = (directory.as_fd(), target_name.to_bytes());
            let linked = make::hard_link(first, found.id, parent, name)?;
            linked.ok_or(Obstacle::System("hard link", Errno::XDEV))?;
        }
        self.meter.entry(|summary| &mut summary.files);
        Ok(())
    }

    /// Gives the directories that are new their attributes, the deepest first: what is made in a
    /// directory changes its times, and a mode may forbid to make anything.
    fn finish_directories(&mut self) -> Result<()> {
        for directory in self.directories.take() {
            self.finish_directory(&directory).map_err(|obstacle| self.failed(obstacle, &directory.path))?;
        }
        Ok(())
    }

    fn finish_directory(&mut self, directory: &Pending) -> Result<(), Obstacle> {
        let open = |errno| Obstacle::System("open the directory", errno);
        let (parent_path, name) = split(&directory.path).ok_or(open(Errno::STALE))?;
        let parent = self.parents.find(parent_path, &mut Vec::new())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&parent, &name, flags, Mode::empty()).map_err(open)?;
        let node = Node::of(&file).map_err(open)?;
        if node.id != directory.id {
            return Err(open(Errno::STALE));
        }
        let times = directory.times.clone().unwrap_or_else(|| node.times());
        if !attributes::give(file.as_fd(), &directory.belonging, &directory.attributes, &times)? {
            self.meter.skip(&directory.path, SkipReason::Attribute);
        }
        Ok(())
    }
}

/// A new directory and what it gets at the end.
struct Pending {
    path: Vec<u8>,
    id: FileId,
    belonging: Belonging,
    attributes: Vec<Attribute>,
    /// None for a directory that the archive did not name.
    times: Option<Timestamps>,
}

#[derive(Default)]
struct Directories {
    new: HashMap<FileId, Pending>,
    bytes: usize,
}

impl Directories {
    fn known(&self, id: FileId) -> bool {
        self.new.contains_key(&id)
    }

    fn add(
        &mut self,
        path: &[u8],
        id: FileId,
        belonging: Belonging,
        attributes: Vec<Attribute>,
        times: Option<Timestamps>,
    ) -> Result<(), Failure> {
        let extra: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.bytes += path.len() + extra + DIRECTORY_COST;
        if self.bytes > MOST_DIRECTORY_BYTES {
            return Err(refused("too many directories before it"));
        }
        self.new.insert(id, Pending { path: path.to_vec(), id, belonging, attributes, times });
        Ok(())
    }

    fn take(&mut self) -> Vec<Pending> {
        let mut directories: Vec<_> = std::mem::take(&mut self.new).into_values().collect();
        // A path sorts before those below it.
        directories.sort_by(|one, other| other.path.cmp(&one.path));
        directories
    }
}

/// Splits a clean path into its directory and its last component; none if it is empty.
fn split(path: &[u8]) -> Option<(&[u8], CString)> {
    let (directory, name) = match path.iter().rposition(|&byte| byte == b'/') {
        Some(cut) => (&path[..cut], &path[cut + 1..]),
        None => (&b""[..], path),
    };
    let name = CString::new(name).ok().filter(|name| !name.is_empty())?;
    Some((directory, name))
}
