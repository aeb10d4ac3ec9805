//! Events of containers on Windows: a supervisor tells of the end of its command; other ends are seen
//! by who looks.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use containerv_spec::ContainerId;

use super::perform::make_private;
use super::store::Directory;
use super::system::System;
use crate::backend::events::{Announce, End, Last, Read, Reader, Subject, living};
use crate::events::Event;
use crate::{Error, ErrorKind, Result};

/// How often ends are looked for that nobody tells.
const ROUND: Duration = Duration::from_secs(1);

/// Events, as they come.
#[derive(Debug)]
pub(crate) struct Events {
    system: Arc<System>,
    reader: Reader,
    /// Containers that exist, as far as the events that were read tell, and whether they run.
    living: BTreeMap<ContainerId, (Subject, bool)>,
    /// When ends were looked for.
    looked: Instant,
    finished: bool,
}

impl Announce for System {
    fn log_directory(&self) -> &Path {
        self.store().data()
    }

    fn make_log_directory(&self) -> io::Result<()> {
        match make_private(self.store().data()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }
}

impl System {
    /// Opens the log of events.
    pub(crate) fn events(self: &Arc<Self>, since: u64, follow: bool) -> Result<Events> {
        for (last, event) in living(self.log_directory())?.values() {
            self.notice_end_of(&Subject::of_event(event), *last == Last::Started)?;
        }
        let mut events = Events {
            system: Arc::clone(self),
            reader: Reader::open(self.log_directory(), since, follow)?,
            living: BTreeMap::new(),
            looked: Instant::now(),
            finished: false,
        };
        if follow {
            events.watch_all()?;
        }
        Ok(events)
    }

    /// Writes down the end of a container if it has come and nobody else tells it. Returns whether that
    /// was done.
    fn notice_end_of(&self, subject: &Subject, started: bool) -> Result<bool> {
        let Some(directory) = self.store().find(&subject.id) else {
            self.announce_end_of(subject, End { started, destroyed: true, ..End::default() });
            return Ok(true);
        };
        if !started || directory.is_supervised()? {
            return Ok(false);
        }
        // Whoever holds it tells what he does to it.
        let Some(_lock) = directory.try_lock()? else { return Ok(false) };
        if self.still_runs(&directory)? {
            return Ok(false);
        }
        let exit = directory.exit()?;
        self.announce_end_of(subject, End { started, exit, ..End::default() });
        Ok(true)
    }

    fn still_runs(&self, directory: &Directory) -> Result<bool> {
        match directory.journal() {
            Ok(journal) => Ok(journal.removing || self.running(directory, &journal)?.is_some()),
            // It is being removed, or waits for a repair.
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl Events {
    /// Ends when this time has come.
    pub(crate) fn end_at(&mut self, unix_ns: u64) {
        self.reader.end_at(unix_ns);
    }

    pub(crate) fn next(&mut self) -> Option<Result<Event>> {
        while !self.finished {
            match self.step() {
                Ok(None) => {}
                Ok(Some(item)) => return Some(item),
                Err(error) => {
                    self.finished = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Reads one line, or waits. An error of the outer kind ends the iteration.
    fn step(&mut self) -> Result<Option<Result<Event, Error>>> {
        match self.reader.read()? {
            Read::Event(event) => {
                self.keep_account(&event);
                Ok(self.reader.is_wanted(&event).then_some(Ok(event)))
            }
            Read::Other(error) => Ok(error.map(Err)),
            Read::Nothing => self.at_end().map(|()| None),
        }
    }

    fn keep_account(&mut self, event: &Event) {
        match Last::of(&event.action) {
            Some(Last::Destroyed) => drop(self.living.remove(&event.id)),
            Some(last) => {
                let entry = (Subject::of_event(event), last == Last::Started);
                self.living.insert(event.id.clone(), entry);
            }
            None => {}
        }
    }

    fn at_end(&mut self) -> Result<()> {
        if self.reader.is_over() {
            self.finished = true;
            return Ok(());
        }
        self.reader.look_again()?;
        if self.looked.elapsed() >= ROUND {
            self.looked = Instant::now();
            for (subject, started) in self.living.values() {
                self.system.notice_end_of(subject, *started)?;
            }
        }
        let most = self.reader.patience(ROUND);
        match self.reader.watch() {
            Some(watch) => watch.wait(&[], most),
            None => std::thread::sleep(most.min(Duration::from_millis(100))),
        }
        Ok(())
    }

    /// Watches what exists already; the events of its start may have been dropped.
    fn watch_all(&mut self) -> Result<()> {
        for id in self.system.store().ids()? {
            let Some(directory) = self.system.store().find(&id) else { continue };
            // One that is being made or removed tells of itself.
            let (Ok(request), Ok(journal)) = (directory.request(), directory.journal()) else { continue };
            self.living.insert(id, (Subject::of(&request), journal.open && journal.complete));
        }
        Ok(())
    }
}
