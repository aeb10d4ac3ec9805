//! Hard links, also to files that only the layers below have.

use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::below::by_descriptor;
use super::failure::{Failure, refused, system};
use super::{Layer, Spot, is_whiteout};
use crate::archive::Member;
use crate::backend::linux::transfer::attributes;
use crate::backend::linux::transfer::content::{self, BUFFER, Extent};
use crate::backend::linux::transfer::node::Node;
use crate::backend::linux::transfer::place::link_target;
use crate::copy::SkipReason;
use crate::images::layers::names::{Meaning, Place};

impl<R: BufRead> Layer<R> {
    /// Gives an earlier member, or a file of a layer below, one more name. Its attributes stay as they are.
    pub(super) fn hard_link(&mut self, member: &Member, spot: &Spot) -> Result<(), Failure> {
        let place =
            Place::of(&member.link).map_err(|complaint| refused(format!("as link target {complaint}")))?;
        let target = match place.meaning() {
            Ok(Meaning::Entry(name)) if !name.is_empty() => self.target(&place)?,
            _ => return Err(refused("as link target what is no file")),
        };
        let (first, name) = (&target.parent, &target.name);
        let node = Node::at(first, name).map_err(system("find the target of"))?;
        if node.is_directory() {
            return Err(refused("a hard link to a directory"));
        }
        if Node::at(&spot.parent, &spot.name).is_ok_and(|there| there.id == node.id) {
            return Ok(());
        }
        let linked = self.tree.create(&spot.parent, &spot.name, || {
            rustix::fs::linkat(first, name, &spot.parent, &spot.name, AtFlags::empty())
        });
        match linked {
            // It was below the directory that had the link's name.
            Err(Failure::System(_, Errno::NOENT)) => return Err(refused("a hard link to what it replaces")),
            linked => linked?,
        }
        self.meter.entry(|summary| &mut summary.files);
        Ok(())
    }

    /// Finds the file that a link names in this layer, or brings it here.
    fn target(&mut self, place: &Place) -> Result<Spot, Failure> {
        let missing = || refused("as link target what is neither in this layer nor below");
        let name = std::ffi::CString::new(place.name()).map_err(|_| refused("a name with a NUL byte"))?;
        if let Some(parent) = self.tree.existing(place.directory())? {
            match Node::at(&parent, &name) {
                Ok(node) if is_whiteout(&node) => return Err(missing()),
                Ok(_) => return Ok(Spot { parent, name }),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(system("find the target of")(errno)),
            }
        }
        if self.tree.hides_below(place.directory())? {
            return Err(missing());
        }
        let below = self.tree.below.find(place.path())?;
        let (file, node) = below.ok_or_else(missing)?;
        let parent = self.tree.parent(place.directory())?;
        let spot = Spot { parent, name };
        self.tree.count()?;
        self.bring(&spot, file, &node)?;
        self.tree.keep_owner(&spot.path(), &node)?;
        Ok(spot)
    }

    /// Copies an entry of a layer below to the same place in this one, as overlayfs does for a link.
    fn bring(&mut self, spot: &Spot, file: OwnedFd, node: &Node) -> Result<(), Failure> {
        match node.kind {
            FileType::Directory => return Err(refused("a hard link to a directory")),
            FileType::RegularFile => return self.bring_file(spot, &file, node),
            FileType::Symlink => {
                let target = link_target(&file).map_err(system("read the target of"))?;
                self.symlink(&target, spot)?;
            }
            kind => {
                let (parent, name) = (&spot.parent, &spot.name);
                let mode = Mode::RUSR | Mode::WUSR;
                self.tree
                    .create(parent, name, || rustix::fs::mknodat(parent, name, kind, mode, node.device))?;
            }
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&spot.parent, &spot.name, flags, Mode::empty());
        let is_link = node.kind == FileType::Symlink;
        let belonging = self.tree.ownership.of(node);
        let made = made.map_err(system("open"))?;
        Ok(attributes::give_opened(made.as_fd(), &belonging, is_link, &node.times())?)
    }

    fn bring_file(&mut self, spot: &Spot, file: &OwnedFd, node: &Node) -> Result<(), Failure> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let from = rustix::fs::open(by_descriptor(file.as_fd()), flags, Mode::empty());
        let from = from.map_err(system("read the target of"))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (parent, name) = (&spot.parent, &spot.name);
        let to = self
            .tree
            .create(parent, name, || rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR))?;
        let mut buffer = vec![0; BUFFER];
        content::copy(from.as_fd(), node, to.as_fd(), Extent::AsOpened, &mut buffer, &mut self.meter)?;
        let carried = self.tree.ownership.carried();
        let found = attributes::read(from.as_fd(), carried).map_err(system("read the target of"))?;
        let belonging = self.tree.ownership.of(node);
        if !attributes::give(to.as_fd(), &belonging, &found, &node.times())? {
            self.meter.skip(&spot.path(), SkipReason::Attribute);
        }
        Ok(())
    }
}
