//! The file of events: appends, rotation, and the search for what was told of a container last.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use containerv_spec::ContainerId;
use serde::{Deserialize, Serialize};

use super::system::{self, Appended};
use super::{Announce, OOM_KILLS, action};
use crate::events::Event;

/// Name of the newest file.
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
pub(crate) enum Last {
    Created,
    Started,
    Died,
    Destroyed,
}

impl Last {
    /// What an event says of a life; `None` if it says nothing.
    pub(crate) fn of(action: &str) -> Option<Self> {
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
    directory: &'a Path,
    file: Appended,
    size: u64,
    /// What a file that is still empty has to begin with.
    heading: Option<Rotation>,
}

/// Appends events, with one write. `events` is asked for them while nobody else appends.
pub(super) fn append(
    log: &(impl Announce + ?Sized),
    events: impl FnOnce(&Held<'_>) -> Vec<Event>,
) -> io::Result<()> {
    let held = hold(log)?;
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
        match held.file.file().write(&lines) {
            Ok(count) if count == lines.len() => return Ok(()),
            Ok(_) => {
                // The disk is full: half a line would damage the next one.
                held.file.truncate(&path(held.directory, 0), held.size)?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn path(directory: &Path, number: u32) -> PathBuf {
    if number == 0 { directory.join(NAME) } else { directory.join(format!("{NAME}.{number}")) }
}

/// Opens and locks the newest file; begins a new one if it is full.
fn hold(log: &(impl Announce + ?Sized)) -> io::Result<Held<'_>> {
    let directory = log.log_directory();
    let newest = path(directory, 0);
    let deadline = Instant::now() + PATIENCE;
    let mut made = false;
    loop {
        let mut file = match Appended::open(&newest) {
            // What is in `/run` is gone after a restart of the machine; the containers are not.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !made => {
                made = true;
                log.make_log_directory()?;
                continue;
            }
            opened => opened?,
        };
        let locked = lock(&mut file, deadline)?;
        let (size, is_newest) = file.look(&newest)?;
        if locked && !is_newest {
            continue;
        }
        // Where a reader is in the way, the file grows until it is not.
        if locked && size >= MAX_BYTES && fs::rename(&newest, path(directory, 1)).is_ok() {
            continue;
        }
        let mut held = Held { directory, file, size, heading: None };
        if locked && size == 0 {
            held.heading = held.next_rotation();
        }
        return Ok(held);
    }
}

/// Locks a file; false if the time is over.
fn lock(file: &mut Appended, deadline: Instant) -> io::Result<bool> {
    let mut pause = Duration::from_micros(20);
    while !file.try_lock()? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
    }
    Ok(true)
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

    /// Says whether a crash was told since the container's last start.
    #[cfg(any(windows, test))]
    pub(super) fn told_crash(&self, id: &ContainerId) -> bool {
        let found = self.search(id, &|event| match event.action.as_str() {
            action::CRASH => Some(true),
            action::START | action::CREATE | action::DESTROY => Some(false),
            _ => None,
        });
        found.unwrap_or(false)
    }

    /// Returns what the newest event of a container says to which `read` gives an answer.
    fn search<T>(&self, id: &ContainerId, read: &dyn Fn(&Event) -> Option<T>) -> Option<T> {
        search(self.file.file(), self.size, id, read).or_else(|| {
            let (file, size) = self.open_older()?;
            search(&file, size, id, read)
        })
    }

    /// Returns the time of the oldest event that is kept.
    pub(super) fn oldest_unix_ns(&self) -> Option<u64> {
        let older = self.open_older();
        let own = (self.file.file(), self.size);
        let (file, size) = older.as_ref().map_or(own, |(file, size)| (file, *size));
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

    fn open_older(&self) -> Option<(File, u64)> {
        system::open_older(&path(self.directory, 1)).ok()
    }
}

/// Searches from the end, where it usually is.
fn search<T>(
    file: &File,
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

fn read(file: &File, begin: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0u8; (end - begin) as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match system::read_at(file, &mut bytes[filled..], begin + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
