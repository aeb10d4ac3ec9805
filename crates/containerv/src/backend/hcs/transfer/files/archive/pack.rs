//! A tree or one entry as a tar stream.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::io::{AsHandle, BorrowedHandle};

use containerv_sys::windows::relative::{self, ATTRIBUTES_KEPT, DIRECTORY};

use super::super::Single;
use super::super::content::BUFFER;
use super::super::node::{Kind as NodeKind, Node, Opened};
use super::super::obstacle::Obstacle;
use super::super::walk::{Item, Reading, Sink, Walk, shown};
use super::{ATTRIBUTES, CREATED, DESCRIPTOR, JUNCTION};
use crate::archive::{Attribute, Entry, Kind, Metadata, Output};
use crate::backend::hcs::transfer::path::Name;
use crate::backend::hcs::transfer::time;
use crate::backend::transfer::{FileId, Links, Meter};
use crate::base64;
use crate::copy::{CopyOptions, CopySummary, SkipReason};
use crate::{Error, Result};

/// What is copied: the top of a tree, or one entry.
pub(in super::super) enum Subject {
    Tree(Opened),
    Entry(Single),
}

/// Writes a tree or an entry as an archive. `name` is its name there; with an empty one the
/// members' names begin with `./`.
pub(in super::super) fn pack(
    stream: impl Write,
    reading: Reading<'_>,
    name: &Name,
    subject: Subject,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let mut archive = Archive {
        output: Output::new(io::BufWriter::with_capacity(BUFFER, stream)),
        prefix: if name.is_empty() { vec![u16::from(b'.')] } else { name.clone() },
        security: reading.security,
        links: Links::default(),
        meter: Meter::new(options.progress.clone()),
        buffer: vec![0; BUFFER],
        broken: None,
    };
    let failed = |obstacle: Obstacle| obstacle.into_error(&reading.from.name(&[]), "the archive");
    let packed = match subject {
        Subject::Tree(top) => {
            let entered = archive.enter(&Name::new(), &[], top.file.as_handle(), &top.node);
            entered.map_err(failed).and_then(|()| Walk::run(&mut archive, reading, top))
        }
        Subject::Entry((item, node)) => archive.put(&Name::new(), &[], &item, &node).map_err(failed),
    };
    let finished =
        packed.and_then(|()| archive.output.finish().map_err(|error| Error::io(error, "write the archive")));
    match archive.broken.take() {
        Some(error) => Err(Error::io(error, "write the archive")),
        None => finished.map(|()| archive.meter.summary),
    }
}

struct Archive<W: Write> {
    output: Output<W>,
    prefix: Name,
    security: bool,
    links: Links,
    meter: Meter,
    buffer: Vec<u8>,
    /// What the stream said when it broke; the walk only hears that it did.
    broken: Option<io::Error>,
}

/// What is written of a member besides its name and node.
struct What<'a> {
    kind: Kind,
    link: &'a [u8],
    junction: bool,
}

impl<W: Write> Archive<W> {
    /// Runs a write and keeps its error.
    fn write(&mut self, write: impl FnOnce(&mut Output<W>) -> io::Result<()>) -> Result<(), Obstacle> {
        write(&mut self.output).map_err(|error| {
            self.broken = Some(error);
            Obstacle::System("write", io::ErrorKind::BrokenPipe.into())
        })
    }

    /// The name of a member, with slashes; none for a name that is no Unicode.
    fn member_name(&self, path: &[u16]) -> Option<Vec<u8>> {
        const BACKSLASH: u16 = b'\\' as u16;
        let joint = if path.is_empty() { &[][..] } else { &[BACKSLASH] };
        let whole = String::from_utf16(&[&self.prefix, joint, path].concat()).ok()?;
        Some(whole.replace('\\', "/").into_bytes())
    }

    /// Writes the headers of a member; false, and it is left out, if its name is no Unicode.
    fn header(
        &mut self,
        path: &[u16],
        what: &What<'_>,
        file: Option<BorrowedHandle<'_>>,
        node: &Node,
    ) -> Result<bool, Obstacle> {
        let Some(name) = self.member_name(path) else {
            self.meter.skip(&shown(path), SkipReason::Name);
            return Ok(false);
        };
        let mut foreign = Vec::new();
        if what.kind != Kind::HardLink {
            foreign = records(node, what.junction);
        }
        if let Some(file) = file.filter(|_| self.security) {
            let descriptor = relative::security_descriptor(file).map_err(Obstacle::Owner)?;
            foreign.push((DESCRIPTOR.to_vec(), base64::encode(&descriptor).into_bytes()));
        }
        let (metadata, link, kind) = (metadata(node), what.link, what.kind);
        let (metadata, foreign) = (&metadata, &foreign[..]);
        self.write(|output| {
            let entry = Entry { name: &name, link, kind, metadata, attributes: &[], foreign, sparse: None };
            output.header(&entry)
        })?;
        Ok(true)
    }

    fn file(&mut self, path: &[u16], mut file: &File, node: &Node) -> Result<(), Obstacle> {
        let what = What { kind: Kind::File, link: b"", junction: false };
        if !self.header(path, &what, Some(file.as_handle()), node)? {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let (mut left, mut shrunk) = (node.size(), false);
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = match file.read(&mut buffer[..room]) {
                // What is no longer there becomes zeros, since its size is announced.
                Ok(0) => {
                    buffer[..room].fill(0);
                    shrunk = true;
                    room
                }
                Ok(count) => count,
                Err(error) => return Err(Obstacle::Read(error)),
            };
            self.write(|output| output.content(&buffer[..count]))?;
            left -= count as u64;
            self.meter.moved(count as u64);
        }
        self.buffer = buffer;
        if shrunk {
            self.meter.skip(&shown(path), SkipReason::Shrunk);
        }
        self.write(|output| output.pad(node.size()))?;
        self.meter.entry(|summary| &mut summary.files);
        Ok(())
    }

    /// Writes one more name of an earlier member; false if it is the first.
    fn further_name(&mut self, path: &[u16], node: &Node) -> Result<bool, Obstacle> {
        let Some(target) = self.links.first(node.id()).map(|first| first.path.to_vec()) else {
            return Ok(false);
        };
        let what = What { kind: Kind::HardLink, link: &target, junction: false };
        if self.header(path, &what, None, node)? {
            self.meter.entry(|summary| &mut summary.files);
        }
        self.links.met(node.id());
        Ok(true)
    }
}

impl<W: Write> Sink for Archive<W> {
    fn enter(
        &mut self,
        _name: &Name,
        path: &[u16],
        directory: BorrowedHandle<'_>,
        node: &Node,
    ) -> Result<(), Obstacle> {
        let what = What { kind: Kind::Directory, link: b"", junction: false };
        self.header(path, &what, Some(directory), node).map(drop)
    }

    fn put(&mut self, _name: &Name, path: &[u16], item: &Item, node: &Node) -> Result<(), Obstacle> {
        match item {
            Item::Link(link, file) => {
                // What leads to a volume or share means nothing where the archive is unpacked.
                let Some(text) = link.text() else {
                    self.meter.skip(&shown(path), SkipReason::ReparsePoint);
                    return Ok(());
                };
                let what = What { kind: Kind::Symlink, link: text.as_bytes(), junction: link.junction };
                if self.header(path, &what, Some(file.as_handle()), node)? {
                    self.meter.entry(|summary| &mut summary.symlinks);
                }
                Ok(())
            }
            Item::File(_) if node.information.links > 1 && self.further_name(path, node)? => Ok(()),
            Item::File(file) => {
                self.file(path, file, node)?;
                let names = u64::from(node.information.links);
                let (id, name) = (node.id(), self.member_name(path));
                let Some(name) = name.filter(|_| names > 1) else { return Ok(()) };
                if self.links.remember(id, names, name, id) { Ok(()) } else { Err(Obstacle::Links) }
            }
        }
    }

    fn leave(&mut self, _path: &[u16], _directory: BorrowedHandle<'_>, _node: &Node) -> Result<(), Obstacle> {
        Ok(())
    }

    fn is_top(&self, _id: FileId) -> bool {
        false
    }

    fn describe(&self, _below: &[u16]) -> String {
        "the archive".into()
    }

    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

/// What POSIX has of it: read-only files nobody may write.
fn metadata(node: &Node) -> Metadata {
    let mode = match node.kind {
        NodeKind::Directory => 0o755,
        NodeKind::Link(_) => 0o777,
        _ if node.is_read_only() => 0o444,
        _ => 0o644,
    };
    let times = node.information.times;
    Metadata {
        mode,
        uid: 0,
        gid: 0,
        size: node.size(),
        device: (0, 0),
        accessed: time::to_unix(times.accessed),
        modified: time::to_unix(times.modified),
    }
}

fn records(node: &Node, junction: bool) -> Vec<Attribute> {
    let attributes = node.information.attributes & (ATTRIBUTES_KEPT | DIRECTORY);
    let mut records = vec![(ATTRIBUTES.to_vec(), attributes.to_string().into_bytes())];
    let (seconds, nanoseconds) = time::to_unix(node.information.times.created);
    if seconds >= 0 {
        records.push((CREATED.to_vec(), format!("{seconds}.{nanoseconds:09}").into_bytes()));
    }
    if junction {
        records.push((JUNCTION.to_vec(), b"1".to_vec()));
    }
    records
}
