//! A tree of the container as a tar stream.

use std::ffi::CStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::FileType;
use rustix::io::{Errno, retry_on_intr};

use super::super::attributes::{self, Carried};
use super::super::content::{BUFFER, next_data};
use super::super::make::Obstacle;
use super::super::node::{FileId, Node};
use super::super::owners::{Unmapped, inside};
use super::super::walk::{Item, Side, Sink, Walk};
use super::super::{Root, Single};
use super::{kind_of, metadata_of};
use crate::archive::{Attribute, Entry, Kind, MOST_RUNS, Map, Output};
use crate::backend::transfer::{Links, Meter};
use crate::copy::{CopyOptions, CopySummary, SkipReason};
use crate::{Error, Result};

/// What is copied: the top of a tree, or one entry.
pub(in super::super) enum Subject {
    Tree(OwnedFd, Node),
    Entry(Single),
}

/// Writes a tree or an entry as an archive. `name` is its name there; with an empty one the
/// members' names begin with `./`.
pub(in super::super) fn pack(
    stream: impl Write,
    root: &Root<'_>,
    from: Side<'_>,
    name: &[u8],
    subject: Subject,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let carried = Carried { capabilities: true, lists: false, privileged: false };
    let prefix = if name.is_empty() { b"." } else { name };
    let mut archive = Archive::new(stream, root, prefix, carried, Meter::new(options.progress.clone()));
    let packed = match subject {
        Subject::Tree(directory, node) => archive.tree(from, directory, node),
        Subject::Entry((item, node)) => {
            let put = archive.put(c"", b"", item, node);
            put.map_err(|obstacle| obstacle.into_error(&from.name(b""), "the archive"))
        }
    };
    archive.finish(packed)
}

/// Writes entries as members of an archive.
pub(crate) struct Archive<'a, W: Write> {
    output: Output<io::BufWriter<W>>,
    root: &'a Root<'a>,
    prefix: &'a [u8],
    carried: Carried,
    links: Links,
    meter: Meter,
    buffer: Vec<u8>,
    /// What the stream said when it broke; the walk only hears that it did.
    broken: Option<io::Error>,
}

impl<'a, W: Write> Archive<'a, W> {
    /// Members' names begin with `prefix` and a slash unless that is empty.
    pub(crate) fn new(
        stream: W,
        root: &'a Root<'a>,
        prefix: &'a [u8],
        carried: Carried,
        meter: Meter,
    ) -> Self {
        Self {
            output: Output::new(io::BufWriter::with_capacity(BUFFER, stream)),
            root,
            prefix,
            carried,
            links: Links::default(),
            meter,
            buffer: vec![0; BUFFER],
            broken: None,
        }
    }

    /// Ends the archive, after the entries were `packed`.
    pub(crate) fn finish(mut self, packed: Result<()>) -> Result<CopySummary> {
        let ended = |error| Error::io(error, "write the archive");
        let finished = packed.and_then(|()| self.output.finish().map_err(ended));
        match self.broken.take() {
            Some(error) => Err(ended(error)),
            None => finished.map(|()| self.meter.summary),
        }
    }

    /// Writes an empty file that only its name means something of.
    pub(crate) fn mark(&mut self, path: &[u8], node: &Node) -> Result<(), Obstacle> {
        self.bare(
            path,
            &Node { kind: FileType::RegularFile, mode: 0, uid: 0, gid: 0, size: 0, ..node.clone() },
        )
    }

    /// Writes a file or directory without what is in it. If its owner has no id inside, it is root's.
    pub(crate) fn hollow(&mut self, path: &[u8], node: &Node) -> Result<(), Obstacle> {
        let kind = if node.is_directory() { FileType::Directory } else { FileType::RegularFile };
        let (root, map) = (self.root, |ranges: &_, id| inside(ranges, id).unwrap_or(0));
        let (uid, gid) = (map(root.uids, node.uid), map(root.gids, node.gid));
        self.bare(path, &Node { kind, uid, gid, size: 0, ..node.clone() })
    }

    /// Writes a header of a file or directory whose ids are those inside.
    fn bare(&mut self, path: &[u8], node: &Node) -> Result<(), Obstacle> {
        let (name, metadata) = (self.member_name(path), metadata_of(node));
        self.write(|output| {
            output.header(&Entry {
                name: &name,
                link: b"",
                kind: kind_of(node.kind),
                metadata: &metadata,
                attributes: &[],
                foreign: &[],
                sparse: None,
            })
        })
    }

    fn tree(&mut self, from: Side<'_>, directory: OwnedFd, node: Node) -> Result<()> {
        let entered = self.enter(c"", b"", directory.as_fd(), &node);
        entered.map_err(|obstacle| obstacle.into_error(&from.name(b""), "the archive"))?;
        Walk::run(self, from, directory, node)
    }

    /// Runs a write and keeps its error.
    fn write(
        &mut self,
        write: impl FnOnce(&mut Output<io::BufWriter<W>>) -> io::Result<()>,
    ) -> Result<(), Obstacle> {
        write(&mut self.output).map_err(|error| {
            self.broken = Some(error);
            Obstacle::System("write", Errno::PIPE)
        })
    }

    fn member_name(&self, path: &[u8]) -> Vec<u8> {
        match (self.prefix, path) {
            (b"", b"") => b".".to_vec(),
            (prefix, b"") => prefix.to_vec(),
            (b"", path) => path.to_vec(),
            (prefix, path) => [prefix, b"/", path].concat(),
        }
    }

    /// Gives a node the ids that it has inside the container.
    fn inside(&self, node: &Node) -> Result<Node, Obstacle> {
        let uid = inside(self.root.uids, node.uid).ok_or(Obstacle::Unmapped(Unmapped::User(node.uid)))?;
        let gid = inside(self.root.gids, node.gid).ok_or(Obstacle::Unmapped(Unmapped::Group(node.gid)))?;
        Ok(Node { uid, gid, ..node.clone() })
    }

    fn header(
        &mut self,
        path: &[u8],
        link: &[u8],
        hard_link: bool,
        node: &Node,
        attributes: &[Attribute],
        sparse: Option<&Map>,
    ) -> Result<(), Obstacle> {
        let name = self.member_name(path);
        let metadata = metadata_of(&self.inside(node)?);
        let kind = if hard_link { Kind::HardLink } else { kind_of(node.kind) };
        let (metadata, foreign) = (&metadata, &[]);
        self.write(|output| {
            output.header(&Entry { name: &name, link, kind, metadata, attributes, foreign, sparse })
        })
    }

    fn file(&mut self, path: &[u8], file: BorrowedFd<'_>, node: &Node) -> Result<(), Obstacle> {
        let attributes = attributes::read(file, self.carried).map_err(Obstacle::Read)?;
        let map = if node.is_sparse() { runs_of(file, node.size)? } else { None };
        self.header(path, b"", false, node, &attributes, map.as_ref())?;
        let whole = [(0, node.size)];
        let runs = map.as_ref().map_or(&whole[..], |map| &map.runs[..]);
        let mut shrunk = false;
        for &(offset, length) in runs {
            shrunk |= self.run(file, offset, length)?;
        }
        let stored: u64 = runs.iter().map(|&(_, length)| length).sum();
        self.meter.moved(node.size - stored);
        if shrunk {
            self.meter.skip(path, SkipReason::Shrunk);
        }
        self.write(|output| output.pad(stored))
    }

    /// Writes one run of data; what is no longer there becomes zeros, since its size is announced.
    /// Says whether that was so.
    fn run(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<bool, Obstacle> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut done = 0;
        let mut shrunk = false;
        let result = loop {
            if done == length {
                break Ok(shrunk);
            }
            let room = buffer.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
            let read = retry_on_intr(|| rustix::io::pread(file, &mut buffer[..room], offset + done));
            let count = match read {
                Ok(0) => {
                    buffer[..room].fill(0);
                    shrunk = true;
                    room
                }
                Ok(count) => count,
                Err(errno) => break Err(Obstacle::Read(errno)),
            };
            if let Err(obstacle) = self.write(|output| output.content(&buffer[..count])) {
                break Err(obstacle);
            }
            done += count as u64;
            self.meter.moved(count as u64);
        };
        self.buffer = buffer;
        result
    }
}

/// Lists the runs of data of a file with holes; none if there are too many to list.
fn runs_of(file: BorrowedFd<'_>, size: u64) -> Result<Option<Map>, Obstacle> {
    let mut runs = Vec::new();
    let mut position = 0;
    while let Some(data) = next_data(file, position, size)? {
        if runs.len() == MOST_RUNS {
            return Ok(None);
        }
        runs.push((data.start, data.end - data.start));
        position = data.end;
    }
    if position < size {
        // GNU tar takes the end of the file from the last run.
        runs.push((size, 0));
    }
    Ok(Some(Map { size, runs }))
}

impl<W: Write> Sink for Archive<'_, W> {
    fn enter(
        &mut self,
        _name: &CStr,
        path: &[u8],
        directory: BorrowedFd<'_>,
        node: &Node,
    ) -> Result<(), Obstacle> {
        let attributes = attributes::read(directory, self.carried).map_err(Obstacle::Read)?;
        self.header(path, b"", false, node, &attributes, None)
    }

    fn put(&mut self, _name: &CStr, path: &[u8], item: Item, node: Node) -> Result<(), Obstacle> {
        if let Some(first) = self.links.first(node.id).map(|first| first.path.clone()) {
            let target = self.member_name(&first);
            self.header(path, &target, true, &node, &[], None)?;
            self.links.met(node.id);
        } else {
            match item {
                Item::File(file) => self.file(path, file.as_fd(), &node)?,
                Item::Link(target) => self.header(path, &target, false, &node, &[], None)?,
                Item::Special => self.header(path, b"", false, &node, &[], None)?,
            }
            if node.links > 1 && !self.links.remember(node.id, node.links, path.to_vec(), node.id) {
                return Err(Obstacle::System("remember the hard links of", Errno::NOMEM));
            }
        }
        self.meter.entry(|summary| match node.kind {
            FileType::RegularFile => &mut summary.files,
            FileType::Symlink => &mut summary.symlinks,
            _ => &mut summary.special,
        });
        Ok(())
    }

    fn leave(&mut self, _path: &[u8], _directory: BorrowedFd<'_>, _node: &Node) -> Result<(), Obstacle> {
        Ok(())
    }

    fn is_top(&self, _id: FileId) -> bool {
        false
    }

    /// An archive only tells of devices; whoever unpacks it decides.
    fn takes_devices(&self) -> bool {
        true
    }

    fn describe(&self, _below: &[u8]) -> String {
        "the archive".into()
    }

    fn count_directory(&mut self) {
        self.meter.entry(|summary| &mut summary.directories);
    }

    fn skip(&mut self, path: &[u8], reason: SkipReason) {
        self.meter.skip(path, reason);
    }
}
