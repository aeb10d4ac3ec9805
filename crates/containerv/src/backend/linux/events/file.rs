//! The file of events: appends, rotation, and the search for what was told of a container last.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use containerv_spec::ContainerId;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{OOM_KILLS, action};
use crate::backend::linux::store::Store;
use crate::events::Event;

/// Name of the newest file in the run root.
pub(super) const NAME: &str = "events";
/// How many files are kept.
pub(super) const FILES: u32 = 2;
/// A file with more bytes is followed by a new one.
pub(super) const MAX_BYTES: u64 = 1 << 20;
/// How long an append waits for others, which hold the lock for microseconds. One that was stopped
/// meanwhile must not stop everybody else.
const PATIENCE: Duration = Duration::from_millis(100);
/// First block that is searched from the end, in bytes; later ones are longer.
const FIRST_BLOCK: u64 = 4 << 10;
const BLOCK: u64 = 64 << 10;

/// What the log said last of a container's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Created,
    Started,
    Died,
    Destroyed,
}

impl Last {
    /// What an event says of a life; `None` if it says nothing.
    pub(super) fn of(action: &str) -> Option<Self> {
        match action {
            action::CREATE => Some(Self::Created),
            action::START => Some(Self::Started),
            action::DIE => Some(Self::Died),
            action::DESTROY => Some(Self::Destroyed),
            _ => None,
        }
    }
}

/// First line of a file that took the place of another one. A reader that finds one left out knows
/// that it was too slow.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// How many files came before this one.
    pub(super) rotation: u64,
}

impl Rotation {
    /// Reads a line, if it is one of these.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        line.starts_with(b"{\"rotation\":").then(|| serde_json::from_slice(line).ok()).flatten()
    }
}

/// The log while nobody else appends to it.
pub(super) struct Held<'a> {
    store: &'a Store,
    file: OwnedFd,
    size: u64,
    /// What a file that is still empty has to begin with.
    heading: Option<Rotation>,
}

/// Appends events, with one write(2). `events` is asked for them while nobody else appends.
pub(super) fn append(store: &Store, events: impl FnOnce(&Held<'_>) -> Vec<Event>) -> Result<(), Errno> {
    let held = hold(store)?;
    let events = events(&held);
    if events.is_empty() {
        return Ok(());
    }
    let mut lines = Vec::new();
    let mut add = |line: serde_json::Result<Vec<u8>>| {
        lines.extend(line.unwrap_or_default());
        lines.push(b'\n');
    };
    if let Some(heading) = held.heading {
        add(serde_json::to_vec(&heading));
    }
    events.iter().for_each(|event| add(serde_json::to_vec(event)));
    loop {
        match rustix::io::write(&held.file, &lines) {
            Ok(count) if count == lines.len() => return Ok(()),
            Ok(_) => {
                // The disk is full: half a line would damage the next one.
                rustix::fs::ftruncate(&held.file, held.size)?;
                return Err(Errno::NOSPC);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn path(store: &Store, number: u32) -> PathBuf {
    if number == 0 { store.run.join(NAME) } else { store.run.join(format!("{NAME}.{number}")) }
}

/// Opens and locks the newest file; begins a new one if it is full.
fn hold(store: &Store) -> Result<Held<'_>, Errno> {
    let deadline = Instant::now() + PATIENCE;
    let mut made_roots = false;
    loop {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match rustix::fs::open(path(store, 0), flags, Mode::from_raw_mode(0o600)) {
            // What is in `/run` is gone after a restart of the machine; the containers are not.
            Err(Errno::NOENT) if !made_roots => {
                made_roots = true;
                store.make_roots().map_err(|_| Errno::NOENT)?;
                continue;
            }
            other => other?,
        };
        let locked = lock(&file, deadline)?;
        let stat = rustix::fs::fstat(&file)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let named = rustix::fs::stat(path(store, 0));
        let is_newest = named.is_ok_and(|named| (named.st_dev, named.st_ino) == (stat.st_dev, stat.st_ino));
        if locked && !is_newest {
            continue;
        }
        if locked && size >= MAX_BYTES {
            rustix::fs::rename(path(store, 0), path(store, 1))?;
            continue;
        }
        let mut held = Held { store, file, size, heading: None };
        if locked && size == 0 {
            held.heading = held.next_rotation();
        }
        return Ok(held);
    }
}

/// Locks a file; false if the time is over.
fn lock(file: &OwnedFd, deadline: Instant) -> Result<bool, Errno> {
    let mut pause = Duration::from_micros(20);
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(1));
            }
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(errno) => return Err(errno),
        }
    }
}

impl Held<'_> {
    /// Returns what was told last of a container's life; `None` if nothing that is still kept.
    pub(super) fn last(&self, id: &ContainerId) -> Option<Last> {
        self.search(id, &|event| Last::of(&event.action))
    }

    /// Returns how many processes were told of that were killed since the container's last start.
    pub(super) fn told_kills(&self, id: &ContainerId) -> u64 {
        let found = self.search(id, &|event| match event.action.as_str() {
            action::OOM => Some(event.attributes.get(OOM_KILLS).and_then(|it| it.parse().ok()).unwrap_or(1)),
            action::START | action::CREATE => Some(0),
            _ => None,
        });
        found.unwrap_or(0)
    }

    /// Returns what the newest event of a container says to which `read` gives an answer.
    fn search<T>(&self, id: &ContainerId, read: &dyn Fn(&Event) -> Option<T>) -> Option<T> {
        search(&self.file, self.size, id, read).or_else(|| {
            let (file, size) = self.open_older()?;
            search(&file, size, id, read)
        })
    }

    /// Returns the time of the oldest event that is kept.
    pub(super) fn oldest_unix_ns(&self) -> Option<u64> {
        let older = self.open_older();
        let (file, size) = older.as_ref().map_or((&self.file, self.size), |(file, size)| (file, *size));
        let bytes = read(file, 0, size.min(FIRST_BLOCK + super::MAX_LINE as u64)).ok()?;
        let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| Rotation::of(line).is_none());
        serde_json::from_slice::<Event>(lines.next()?).ok().map(|event| event.time_unix_ns)
    }

    /// What the newest file begins with; `None` if it is the first one.
    fn next_rotation(&self) -> Option<Rotation> {
        let (file, size) = self.open_older()?;
        let bytes = read(&file, 0, size.min(FIRST_BLOCK)).ok()?;
        let before = bytes.split(|byte| *byte == b'\n').next().and_then(Rotation::of);
        Some(Rotation { rotation: before.map_or(0, |it| it.rotation).saturating_add(1) })
    }

    fn open_older(&self) -> Option<(OwnedFd, u64)> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(path(self.store, 1), flags, Mode::empty()).ok()?;
        let size = u64::try_from(rustix::fs::fstat(&file).ok()?.st_size).ok()?;
        Some((file, size))
    }
}

/// Searches from the end, where it usually is.
fn search<T>(
    file: &OwnedFd,
    size: u64,
    id: &ContainerId,
    read_event: &dyn Fn(&Event) -> Option<T>,
) -> Option<T> {
    let (mut end, mut block) = (size, FIRST_BLOCK);
    // Beginning of a line whose first bytes are in the next block.
    let mut rest = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(block);
        let mut bytes = read(file, begin, end).ok()?;
        bytes.append(&mut rest);
        let mut lines = bytes.split(|byte| *byte == b'\n');
        if begin > 0 {
            rest = lines.next()?.to_vec();
        }
        if let Some(found) = lines.rev().find_map(|line| read_event(&event_of(line, id)?)) {
            return Some(found);
        }
        (end, block) = (begin, BLOCK);
        if rest.len() > super::MAX_LINE {
            rest.clear();
        }
    }
    None
}

fn event_of(line: &[u8], id: &ContainerId) -> Option<Event> {
    // Reading JSON costs more than looking whether it is worth it: lines begin as they are written.
    let rest = line.strip_prefix(b"{\"time_unix_ns\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = rest.get(digits..)?.strip_prefix(b",\"id\":\"")?;
    if !rest.starts_with(id.as_str().as_bytes()) {
        return None;
    }
    // A container may have thousands of these, which say nothing of its life.
    const EXEC: &[u8] = b"\"action\":\"exec_";
    if line.windows(EXEC.len()).any(|window| window == EXEC) {
        return None;
    }
    serde_json::from_slice(line).ok().filter(|event: &Event| event.id == *id)
}

fn read(file: &OwnedFd, begin: u64, end: u64) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0u8; (end - begin) as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::io::pread(file, &mut bytes[filled..], begin + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
