//! Making a layer's members into files.
//!
//! Every entry is made by its parent's descriptor and its name, without following links. A parent is found
//! with openat2(2) below the layer's top, where no component may be a link; if one is, we follow it
//! ourselves, and never out of the layer.

mod below;
mod directories;
mod early;
mod failure;
mod foreign;
mod links;
mod ownership;
#[cfg(test)]
mod tests;
mod tree;

use std::ffi::CString;
use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use containerv_spec::OsText;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use self::below::{Below, by_descriptor, is_whiteout};
use self::directories::Pending;
use self::early::Early;
use self::failure::{Failure, refused, system};
use self::foreign::{Foreign, Owned};
use self::ownership::CAPABILITY;
use self::tree::{Parent, Tree};
use super::Parents;
use super::names::{Meaning, Place};
use crate::archive::{Attribute, Fault, Kind, Member, Metadata, Reader};
use crate::backend::linux::System;
use crate::backend::linux::transfer::listing::Listing;
use crate::backend::linux::transfer::node::Node;
use crate::backend::linux::transfer::owners::Belonging;
use crate::backend::linux::transfer::{attributes, content, remove_tree};
use crate::backend::transfer::Meter;
use crate::copy::{CopyProgress, CopySummary, SkipReason};
use crate::{Error, Result};

/// Largest file with holes: what ext4 holds. The file of last logins has terabytes, nearly all of them holes.
const MOST_SPARSE: u64 = 16 << 40;

/// Applies the archive that `stream` is.
pub(super) fn apply(
    stream: impl BufRead,
    target: BorrowedFd<'_>,
    parents: Parents,
    entries: u64,
    owner: Option<&System>,
    progress: Option<CopyProgress>,
) -> Result<CopySummary> {
    let at_top = |failure: Failure| failure.into_error(b"/");
    let maps = owner.and_then(System::subordinate_maps);
    let foreign = maps.map(|maps| Foreign::new(maps, target)).transpose();
    let foreign = foreign.map_err(tree::noting).map_err(at_top)?;
    let tree = Tree::new(target, Below::new(parents), entries, foreign).map_err(at_top)?;
    let space = rustix::fs::fstatvfs(target).map_err(system("stat the file system of")).map_err(at_top)?;
    let mut layer = Layer {
        reader: Reader::new(stream),
        tree,
        meter: Meter::new(progress),
        early: Early::start(),
        room: space.f_bavail.saturating_mul(space.f_frsize),
        top_is_opaque: false,
    };
    while let Some(member) = layer.reader.next().map_err(Fault::into_error)? {
        layer.member(&member).map_err(|failure| failure.into_error(&member.name))?;
        layer.settle(false)?;
    }
    layer.reader.check_end().map_err(Fault::into_error)?;
    layer.hide_below_top().map_err(at_top)?;
    layer.settle(true)?;
    if let Some((foreign, owner)) = layer.tree.foreign.take().zip(owner) {
        foreign.give(owner, target)?;
    }
    Ok(layer.meter.summary)
}

/// Removes what is in a directory.
pub(super) fn empty(target: BorrowedFd<'_>) -> Result<()> {
    let mut names = Vec::new();
    for_each_name(target, |name| names.push(OsText::from_bytes(name)))
        .map_err(|errno| Error::os(errno.raw_os_error(), "cannot list what was unpacked of the layer"))?;
    names.iter().try_for_each(|name| remove_tree(target, name))
}

fn for_each_name(directory: BorrowedFd<'_>, mut visit: impl FnMut(&[u8])) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(directory, c".", flags, Mode::empty())?;
    let mut listing = Listing::new();
    while listing.read(directory.as_fd())? {
        for index in 0..listing.len() {
            if let Some((name, _)) = listing.entry(index) {
                visit(name.to_bytes());
            }
        }
    }
    Ok(())
}

struct Layer<R> {
    reader: Reader<R>,
    tree: Tree,
    meter: Meter,
    early: Early,
    /// Free bytes of the file system, less what was written.
    room: u64,
    /// The layer's top hides those below it, which overlayfs has no mark for.
    top_is_opaque: bool,
}

/// A name in a directory of the layer.
struct Spot {
    parent: Rc<Parent>,
    name: CString,
}

impl Spot {
    fn path(&self) -> Vec<u8> {
        self.parent.join(self.name.to_bytes())
    }
}

impl<R: BufRead> Layer<R> {
    fn member(&mut self, member: &Member) -> Result<(), Failure> {
        let place = Place::of(&member.name).map_err(refused)?;
        let meaning = place.meaning().map_err(refused)?;
        self.tree.count()?;
        match meaning {
            Meaning::Ignored => Ok(()),
            Meaning::Entry(b"") => self.top(member),
            Meaning::Opaque => self.opaque(&place),
            Meaning::Whiteout(name) => {
                let spot = self.spot(place.directory(), name)?;
                self.whiteout(&spot)
            }
            Meaning::Entry(name) => {
                let spot = self.spot(place.directory(), name)?;
                self.entry(member, &spot)
            }
        }
    }

    fn spot(&mut self, directory: &[u8], name: &[u8]) -> Result<Spot, Failure> {
        let name = CString::new(name).map_err(|_| refused("a name with a NUL byte"))?;
        Ok(Spot { parent: self.tree.parent(directory)?, name })
    }

    /// Gives the layer's top its attributes.
    fn top(&mut self, member: &Member) -> Result<(), Failure> {
        if member.kind != Kind::Directory {
            return Err(refused("no name and is not a directory"));
        }
        let id = Node::of(self.tree.top()).map_err(system("stat"))?.id;
        self.note(member, Vec::new(), id)
    }

    fn entry(&mut self, member: &Member, spot: &Spot) -> Result<(), Failure> {
        match member.kind {
            Kind::HardLink => return self.hard_link(member, spot),
            Kind::Directory => {
                let id = self.tree.directory(&spot.parent, &spot.name)?;
                self.note(member, spot.path(), id)?;
                self.meter.entry(|summary| &mut summary.directories);
                return Ok(());
            }
            Kind::File => self.file(member, spot)?,
            Kind::Symlink => self.symlink(&member.link, spot)?,
            // What overlayfs takes for a removal is one.
            Kind::CharacterDevice if member.metadata.device == (0, 0) => return self.whiteout(spot),
            Kind::Fifo | Kind::CharacterDevice | Kind::BlockDevice => {
                if !self.special(member, spot)? {
                    return Ok(());
                }
            }
        }
        if member.kind != Kind::File {
            let attributes = self.kept(member, &spot.path());
            self.give(spot, member.kind == Kind::Symlink, &member.metadata, &attributes)?;
        }
        if self.tree.foreign.is_some() || self.loses_owner(&member.metadata) {
            self.own(member, &spot.path())?;
        }
        self.meter.entry(|summary| match member.kind {
            Kind::File => &mut summary.files,
            Kind::Symlink => &mut summary.symlinks,
            _ => &mut summary.special,
        });
        Ok(())
    }

    fn note(&mut self, member: &Member, path: Vec<u8>, id: (u64, u64)) -> Result<(), Failure> {
        self.own(member, &path)?;
        let attributes = self.kept(member, &path);
        let belonging = self.belonging(&member.metadata);
        let times = times(&member.metadata);
        self.tree.directories.note(id, Pending { path, belonging, attributes, times, implied: false });
        Ok(())
    }

    /// Notes who will own what was made, if that is not settled by now.
    fn own(&mut self, member: &Member, path: &[u8]) -> Result<(), Failure> {
        let Some(foreign) = &mut self.tree.foreign else {
            if self.loses_owner(&member.metadata) {
                self.meter.skip(path, SkipReason::Owner);
            }
            return Ok(());
        };
        let Metadata { uid, gid, mode, .. } = member.metadata;
        let is_link = member.kind == Kind::Symlink;
        let (times, attributes) = (&times(&member.metadata), &member.attributes[..]);
        let noted = foreign.note(&Owned { path, uid, gid, mode, is_link, times, attributes });
        if !noted.map_err(tree::noting)? {
            self.meter.skip(path, SkipReason::Owner);
        }
        Ok(())
    }

    /// Says whether what is made belongs to somebody else than the archive says, for good.
    fn loses_owner(&self, metadata: &Metadata) -> bool {
        self.tree.foreign.is_none() && self.tree.ownership.loses(metadata.uid, metadata.gid)
    }

    fn belonging(&self, metadata: &Metadata) -> Belonging {
        self.tree.ownership.belonging(metadata.uid, metadata.gid, metadata.mode)
    }

    /// The member's attributes that files of a layer have; others are noted as left out.
    fn kept(&mut self, member: &Member, path: &[u8]) -> Vec<Attribute> {
        let carried = self.tree.ownership.carried();
        let kept: Vec<_> =
            member.attributes.iter().filter(|(name, _)| carried.carries(name)).cloned().collect();
        let later = |(name, _): &&Attribute| name == CAPABILITY && self.tree.foreign.is_some();
        let later = member.attributes.iter().filter(later).count();
        if kept.len() + later < member.attributes.len() {
            self.meter.skip(path, SkipReason::Attribute);
        }
        kept
    }

    fn file(&mut self, member: &Member, spot: &Spot) -> Result<(), Failure> {
        self.room = self.room.checked_sub(member.stored).ok_or(Failure::Room(member.stored, self.room))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = self
            .tree
            .create(&spot.parent, &spot.name, || rustix::fs::openat(&spot.parent, &spot.name, flags, mode))?;
        self.content(member, file.as_fd())?;
        let attributes = match member.attributes.is_empty() {
            true => Vec::new(),
            false => self.kept(member, &spot.path()),
        };
        let belonging = self.belonging(&member.metadata);
        if !attributes::give(file.as_fd(), &belonging, &attributes, &times(&member.metadata))? {
            self.meter.skip(&spot.path(), SkipReason::Attribute);
        }
        Ok(())
    }

    fn content(&mut self, member: &Member, to: BorrowedFd<'_>) -> Result<(), Failure> {
        let Some(map) = &member.sparse else { return self.run(0, member.stored, to) };
        if map.size > MOST_SPARSE {
            return Err(refused(format!(
                "a size of {} bytes, more than {MOST_SPARSE} with its holes",
                map.size
            )));
        }
        rustix::fs::ftruncate(to, map.size).map_err(system("extend"))?;
        for &(offset, length) in &map.runs {
            self.run(offset, length, to)?;
        }
        self.meter.moved(map.size - member.stored);
        Ok(())
    }

    /// Writes the next `length` bytes of content at `offset`.
    fn run(&mut self, offset: u64, length: u64, to: BorrowedFd<'_>) -> Result<(), Failure> {
        let (mut done, mut begun) = (0, 0);
        while done < length {
            let bytes = self.reader.lend(length - done)?;
            let count = bytes.len();
            content::write_all_at(to, bytes, offset + done)?;
            self.reader.take(count);
            done += count as u64;
            self.meter.moved(count as u64);
            begun = self.early.written(to, offset + begun, offset + done, done == length) - offset;
        }
        Ok(())
    }

    fn symlink(&mut self, target: &[u8], spot: &Spot) -> Result<(), Failure> {
        self.tree.create(&spot.parent, &spot.name, || rustix::fs::symlinkat(target, &spot.parent, &spot.name))
    }

    /// Makes a FIFO or device node; false if the caller may make no such node.
    fn special(&mut self, member: &Member, spot: &Spot) -> Result<bool, Failure> {
        let (major, minor) = member.metadata.device;
        let kind = match member.kind {
            Kind::CharacterDevice => FileType::CharacterDevice,
            Kind::BlockDevice => FileType::BlockDevice,
            _ => FileType::Fifo,
        };
        let mode = Mode::RUSR | Mode::WUSR;
        let device = rustix::fs::makedev(major, minor);
        let made = self.tree.create(&spot.parent, &spot.name, || {
            rustix::fs::mknodat(&spot.parent, &spot.name, kind, mode, device)
        });
        match made {
            Err(Failure::System(_, Errno::PERM)) if member.kind.is_device() => {
                self.meter.skip(&spot.path(), SkipReason::Device);
                Ok(false)
            }
            made => made.map(|()| true),
        }
    }

    /// Gives a link or node its owner, mode, attributes and times.
    fn give(
        &mut self,
        spot: &Spot,
        is_link: bool,
        metadata: &Metadata,
        attributes: &[Attribute],
    ) -> Result<(), Failure> {
        let Belonging { uid, gid, mode, .. } = self.belonging(metadata);
        let (parent, name, nofollow) = (&spot.parent, &spot.name, AtFlags::SYMLINK_NOFOLLOW);
        let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(parent, name, owner, group, nofollow).map_err(system("set the owner of"))?;
        if !is_link {
            let mode = Mode::from_raw_mode(mode);
            rustix::fs::chmodat(parent, name, mode, AtFlags::empty()).map_err(system("set the mode of"))?;
        }
        let path = [by_descriptor(parent.as_fd()).as_bytes(), b"/", name.to_bytes()].concat();
        for (attribute, value) in attributes {
            match rustix::fs::lsetxattr(&path[..], &attribute[..], value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP | Errno::PERM | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => {
                    self.meter.skip(&spot.path(), SkipReason::Attribute);
                }
                Err(errno) => return Err(system("set an extended attribute of")(errno)),
            }
        }
        rustix::fs::utimensat(parent, name, &times(metadata), nofollow).map_err(system("set the times of"))
    }

    /// Hides what the layers below have under a name. What this layer itself has there stays, whichever
    /// came first in the archive.
    fn whiteout(&mut self, spot: &Spot) -> Result<(), Failure> {
        if self.tree.below.is_empty() {
            return Ok(());
        }
        match make_whiteout(&spot.parent, &spot.name) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let found = rustix::fs::openat(&spot.parent, &spot.name, flags, Mode::empty());
                let found = found.map_err(system("open"))?;
                if Node::of(&found).map_err(system("stat"))?.is_directory() {
                    self.tree.hide(&found)?;
                }
                Ok(())
            }
            Err(errno) => Err(system("mark as removed")(errno)),
        }
    }

    fn opaque(&mut self, place: &Place) -> Result<(), Failure> {
        let directory = self.tree.parent(place.directory())?;
        if directory.is_top() {
            self.top_is_opaque = true;
            return Ok(());
        }
        self.tree.hide(&*directory)
    }

    /// Removes, one by one, what the layers below have at the top: overlayfs merges tops in any case.
    fn hide_below_top(&mut self) -> Result<(), Failure> {
        if !self.top_is_opaque {
            return Ok(());
        }
        let mut names = std::collections::BTreeSet::new();
        for layer in self.tree.below.layers()? {
            for_each_name(layer.as_fd(), |name| {
                names.insert(name.to_vec());
            })
            .map_err(system("list what is below"))?;
        }
        for name in names {
            self.tree.count()?;
            let spot = self.spot(b"", &name)?;
            self.whiteout(&spot)?;
        }
        Ok(())
    }

    /// Gives directories their attributes: at the end, or before if they are many.
    fn settle(&mut self, at_end: bool) -> Result<()> {
        let meter = &mut self.meter;
        let incomplete = |path: &[u8]| meter.skip(path, SkipReason::Attribute);
        let settled = match at_end {
            true => self.tree.settle(incomplete),
            false => self.tree.settle_if_many(incomplete),
        };
        settled.map_err(|(failure, path)| failure.into_error(&path))
    }
}

fn make_whiteout(parent: &Parent, name: &CString) -> Result<(), Errno> {
    rustix::fs::mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), 0)
}

fn times(metadata: &Metadata) -> Timestamps {
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    Timestamps { last_access: time(metadata.accessed), last_modification: time(metadata.modified) }
}
