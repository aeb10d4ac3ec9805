//! Reads the log of events.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containerv_spec::ContainerId;

use super::MAX_LINE;
use super::file::{FILES, Last, NAME, Rotation};
use crate::backend::clock::now_unix_ns;
use crate::backend::lines::{self, Line, Lines, Series, Watch};
use crate::events::Event;
use crate::{Error, ErrorKind, Result};

/// The log, line by line.
#[derive(Debug)]
pub(crate) struct Reader {
    directory: PathBuf,
    since: u64,
    until: Option<u64>,
    follow: bool,
    log: Option<Log>,
    /// Which file comes after the one that is being read; unknown before the first line, unless the
    /// log was empty.
    next_rotation: Option<u64>,
}

/// The open log.
#[derive(Debug)]
struct Log {
    lines: Lines,
    watch: Option<Watch>,
}

/// What was read.
#[derive(Debug)]
pub(crate) enum Read {
    /// An event, whether it is wanted or not.
    Event(Event),
    /// Something that is no event: what is wrong, if it is more than a heading.
    Other(Option<Error>),
    /// There is nothing more, or not yet.
    Nothing,
}

/// A line of the log.
enum Entry {
    Event(Event),
    Rotation(Rotation),
}

fn parse(line: &Line) -> Result<Entry, &'static str> {
    match line {
        Line::Whole(bytes) => match Rotation::of(bytes) {
            Some(rotation) => Ok(Entry::Rotation(rotation)),
            None => serde_json::from_slice(bytes).map(Entry::Event).map_err(|_| "it is not an event"),
        },
        Line::TooLong => Err("it is longer than an event can be"),
        Line::CutOff => Err("it is cut off"),
    }
}

fn open(path: &Path, follow: bool) -> Result<Option<Log>> {
    let opened = lines::open_directory(path);
    let opened = opened.map_err(|error| Error::io(error, format!("cannot open `{}`", path.display())))?;
    let Some(directory) = opened else { return Ok(None) };
    let watch = follow.then(|| Watch::new(&directory));
    let series = Series { directory, path: path.to_owned(), name: NAME, files: FILES, max_line: MAX_LINE };
    Ok(Some(Log { lines: Lines::open(series, follow)?, watch }))
}

/// Returns containers that exist as far as the log tells: what it said last of their lives.
pub(crate) fn living(directory: &Path) -> Result<BTreeMap<ContainerId, (Last, Event)>> {
    let mut living: BTreeMap<ContainerId, (Last, Event)> = BTreeMap::new();
    let Some(mut log) = open(directory, false)? else { return Ok(living) };
    while let Some(line) = log.lines.next_line()? {
        let Ok(Entry::Event(event)) = parse(&line) else { continue };
        match Last::of(&event.action) {
            Some(Last::Destroyed) => drop(living.remove(&event.id)),
            Some(last) => drop(living.insert(event.id.clone(), (last, event))),
            None => {}
        }
    }
    Ok(living)
}

impl Reader {
    /// Opens the log of a directory, for events since a moment.
    pub(crate) fn open(directory: &Path, since: u64, follow: bool) -> Result<Self> {
        let log = open(directory, follow)?;
        let nothing_yet = log.as_ref().is_none_or(|log| log.lines.is_empty());
        let (directory, next_rotation) = (directory.to_owned(), nothing_yet.then_some(0));
        Ok(Self { directory, since, until: None, follow, log, next_rotation })
    }

    /// Ends when this time has come.
    pub(crate) fn end_at(&mut self, unix_ns: u64) {
        self.until = Some(unix_ns);
    }

    /// Reads a line.
    pub(crate) fn read(&mut self) -> Result<Read> {
        let Some(log) = &mut self.log else { return Ok(Read::Nothing) };
        let Some(line) = log.lines.next_line()? else { return Ok(Read::Nothing) };
        Ok(match parse(&line) {
            Ok(Entry::Event(event)) => {
                // The very first file has no heading.
                self.next_rotation = self.next_rotation.max(Some(1));
                Read::Event(event)
            }
            Ok(Entry::Rotation(rotation)) => Read::Other(self.enter_file(rotation)),
            Err(what) => Read::Other(Some(log.lines.damaged(what))),
        })
    }

    /// Notes which file is being read; an error if one before it was not.
    fn enter_file(&mut self, Rotation { rotation }: Rotation) -> Option<Error> {
        if rotation <= self.next_rotation.replace(rotation.saturating_add(1))? {
            return None;
        }
        let error = Error::new(
            ErrorKind::ResourceExhausted,
            "events were lost: they came faster than they were read",
        );
        Some(
            error
                .with_hint("the events after them are read all the same; `cv ps -a` shows what is there now"),
        )
    }

    /// Says whether an event is of the time that is asked for.
    pub(crate) fn is_wanted(&self, event: &Event) -> bool {
        event.time_unix_ns >= self.since && self.until.is_none_or(|until| event.time_unix_ns <= until)
    }

    /// Says whether nothing is waited for, now that all was read.
    pub(crate) fn is_over(&self) -> bool {
        !self.follow || self.until.is_some_and(|until| now_unix_ns() > until)
    }

    /// Opens a log that did not exist when this was opened.
    pub(crate) fn look_again(&mut self) -> Result<()> {
        if self.log.is_none() {
            self.log = open(&self.directory, true)?;
        }
        Ok(())
    }

    /// Returns what sees the log grow, if it exists.
    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.log.as_ref()?.watch.as_ref()
    }

    /// Shortens a time to wait, so that it does not pass the end.
    pub(crate) fn patience(&self, most: Duration) -> Duration {
        let left = |until: u64| Duration::from_nanos(until.saturating_sub(now_unix_ns()).saturating_add(1));
        most.min(self.until.map_or(Duration::MAX, left))
    }
}
