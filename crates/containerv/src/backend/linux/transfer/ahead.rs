//! A walk on a thread of its own, ahead of who writes the copy.
//!
//! Half of the work of copying small files is the kernel's in the source, and half in the destination. The
//! walk opens files and reads small ones; what it finds comes to the writer in parcels, so that
//! neither wakes the other for each file.

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use super::attributes;
use super::make::Obstacle;
use super::node::{FileId, Node};
use super::tree::Tree;
use super::walk::{Item, Side, Sink, Walk};
use super::writer::{Content, Original};
use crate::copy::SkipReason;
use crate::{Error, ErrorKind, Result};

/// Most entries and bytes in one parcel.
const PARCEL: usize = 64;
const PARCEL_BYTES: usize = 1 << 20;
/// Parcels between the two threads.
const PARCELS: usize = 2;
/// Larger files are left to the writer.
const SMALL: u64 = 64 << 10;
/// A process that may open fewer files than this copies by one thread: parcels hold files open.
const FEWEST_FILES: u64 = 512;

/// What the walk has found.
#[derive(Default)]
struct Parcel {
    found: Vec<Found>,
    /// Paths, each with a NUL behind it, and contents: memory of their own would cost more than the reading.
    bytes: Vec<u8>,
    /// How many of the bytes mean something; the others are there to be overwritten.
    used: usize,
}

impl Parcel {
    /// The next bytes, of this number.
    fn room(&mut self, count: usize) -> &mut [u8] {
        let end = self.used + count;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.used..end]
    }
}

/// A path below the top of the source: where it begins, its name, and the NUL.
#[derive(Clone, Copy)]
struct Span {
    path: usize,
    name: usize,
    end: usize,
}

struct Found {
    span: Span,
    what: What,
}

enum What {
    Count,
    Skip(SkipReason),
    Enter(Node),
    File(OwnedFd, Node),
    /// What was read of a file, which is still open if it has extended attributes.
    Content(Option<OwnedFd>, Range<usize>, Node),
    Link(Vec<u8>, Node),
    Special(Node),
    Leave(OwnedFd, Node),
}

/// Copies everything below `source`, the top of the tree; beginning it was the caller's part.
pub(super) fn copy(tree: &mut Tree<'_>, from: Side<'_>, source: OwnedFd, node: Node) -> Result<()> {
    let spare = source.try_clone().ok().filter(|_| pays());
    let Some(spare) = spare else { return Walk::run(tree, from, source, node) };
    let (send, receive) = sync_channel(PARCELS);
    let (give_back, used) = channel();
    let mut relay = Relay::new(tree, send, used);
    let top = node.clone();
    thread::scope(|scope| {
        let walk = move || {
            let walked = Walk::run(&mut relay, from, source, top);
            relay.pass_on().map_err(|Gone| gone()).and(walked)
        };
        let Ok(walker) = thread::Builder::new().spawn_scoped(scope, walk) else {
            return Walk::run(tree, from, spare, node);
        };
        let written = write(tree, from, &receive, &give_back);
        // The walk ends when nobody takes its parcels.
        drop(receive);
        let walked = walker.join().unwrap_or_else(|panic| resume_unwind(panic));
        written.and(walked)
    })
}

/// Says whether there are two processors, and room for the files of all parcels.
fn pays() -> bool {
    let processors = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    processors > 1 && getrlimit(Resource::Nofile).current.is_none_or(|most| most >= FEWEST_FILES)
}

fn write(
    tree: &mut Tree<'_>,
    from: Side<'_>,
    parcels: &Receiver<Parcel>,
    give_back: &Sender<Parcel>,
) -> Result<()> {
    for mut parcel in parcels {
        for Found { span, what } in parcel.found.drain(..) {
            let path = &parcel.bytes[span.path..span.end];
            let name = CStr::from_bytes_with_nul(&parcel.bytes[span.name..=span.end]).unwrap_or_default();
            let written = write_one(tree, (name, path), what, &parcel.bytes);
            written.map_err(|obstacle| obstacle.into_error(&from.name(path), &tree.describe(path)))?;
        }
        parcel.used = 0;
        // The walk may have ended.
        let _ = give_back.send(parcel);
    }
    Ok(())
}

fn write_one(
    tree: &mut Tree<'_>,
    (name, path): (&CStr, &[u8]),
    what: What,
    bytes: &[u8],
) -> Result<(), Obstacle> {
    match what {
        What::Count => tree.count_directory(),
        What::Skip(reason) => tree.skip(path, reason),
        What::Enter(node) => tree.begin(name, &node)?,
        What::File(file, node) => tree.put(name, path, Item::File(file), node)?,
        What::Content(file, at, node) => {
            let content = Content::Read(&bytes[at], file.as_ref().map(AsFd::as_fd));
            tree.put_original(name, path, Original::File(content), &node)?;
        }
        What::Link(target, node) => tree.put(name, path, Item::Link(target), node)?,
        What::Special(node) => tree.put(name, path, Item::Special, node)?,
        What::Leave(directory, node) => tree.leave(path, directory.as_fd(), &node)?,
    }
    Ok(())
}

/// The writer takes nothing more: it has failed, and says why.
struct Gone;

fn gone() -> Error {
    Error::new(ErrorKind::Other, "the copy was given up")
}

/// The walk's end of the channel.
struct Relay<'a> {
    parcels: SyncSender<Parcel>,
    used: Receiver<Parcel>,
    parcel: Parcel,
    top: FileId,
    devices: bool,
    to: Side<'a>,
}

impl<'a> Relay<'a> {
    fn new(tree: &Tree<'a>, parcels: SyncSender<Parcel>, used: Receiver<Parcel>) -> Self {
        let (top, devices, to) = (tree.top, tree.takes_devices(), tree.to);
        Self { parcels, used, parcel: Parcel::default(), top, devices, to }
    }

    fn add(&mut self, path: &[u8], what: What) -> Result<(), Gone> {
        let name = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let start = self.parcel.used;
        let (room, nul) = self.parcel.room(path.len() + 1).split_at_mut(path.len());
        room.copy_from_slice(path);
        nul.fill(0);
        self.parcel.used += path.len() + 1;
        let span = Span { path: start, name: start + name, end: start + path.len() };
        self.parcel.found.push(Found { span, what });
        let full = self.parcel.found.len() >= PARCEL || self.parcel.used >= PARCEL_BYTES;
        if full { self.pass_on() } else { Ok(()) }
    }

    fn pass_on(&mut self) -> Result<(), Gone> {
        let next = self.used.try_recv().unwrap_or_default();
        self.parcels.send(std::mem::replace(&mut self.parcel, next)).map_err(|_| Gone)
    }

    /// Reads a small file to its end. One that has grown meanwhile is left to the writer.
    fn read(&mut self, file: OwnedFd, node: Node) -> Result<What, Obstacle> {
        let most = usize::try_from(node.size).unwrap_or(0) + 1;
        let room = self.parcel.room(most);
        // A pread(2) of a regular file returns less than asked only at its end.
        let count = retry_on_intr(|| rustix::io::pread(&file, &mut *room, 0)).map_err(Obstacle::Read)?;
        if count == most {
            return Ok(What::File(file, node));
        }
        let start = self.parcel.used;
        self.parcel.used += count;
        let file = attributes::are_there(file.as_fd()).map_err(Obstacle::Read)?.then_some(file);
        Ok(What::Content(file, start..start + count, node))
    }
}

impl From<Gone> for Obstacle {
    /// Nobody reads it: the writer's own failure is told.
    fn from(Gone: Gone) -> Self {
        Self::System("write", Errno::PIPE)
    }
}

impl Sink for Relay<'_> {
    fn enter(&mut self, _: &CStr, path: &[u8], _: BorrowedFd<'_>, node: &Node) -> Result<(), Obstacle> {
        Ok(self.add(path, What::Enter(node.clone()))?)
    }

    fn put(&mut self, _: &CStr, path: &[u8], item: Item, node: Node) -> Result<(), Obstacle> {
        let what = match item {
            Item::File(file) if node.size <= SMALL && !node.is_sparse() => self.read(file, node)?,
            Item::File(file) => What::File(file, node),
            Item::Link(target) => What::Link(target, node),
            Item::Special => What::Special(node),
        };
        Ok(self.add(path, what)?)
    }

    fn leave(&mut self, path: &[u8], directory: BorrowedFd<'_>, node: &Node) -> Result<(), Obstacle> {
        let directory = rustix::io::fcntl_dupfd_cloexec(directory, 3).map_err(Obstacle::Read)?;
        Ok(self.add(path, What::Leave(directory, node.clone()))?)
    }

    fn skip(&mut self, path: &[u8], reason: SkipReason) {
        // If nobody takes it, the next entry tells.
        let _ = self.add(path, What::Skip(reason));
    }

    fn count_directory(&mut self) {
        let _ = self.add(b"", What::Count);
    }

    fn is_top(&self, id: FileId) -> bool {
        id == self.top
    }

    fn takes_devices(&self) -> bool {
        self.devices
    }

    fn describe(&self, below: &[u8]) -> String {
        self.to.name(below)
    }
}
