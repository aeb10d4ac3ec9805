//! Reads events and watches for ends that nobody else tells.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use containerv_spec::ContainerId;
use rustix::fs::{Mode, OFlags};

use super::ends::End;
use super::file::{FILES, Last, NAME, Rotation};
use super::shortage::Shortage;
use super::{MAX_LINE, Subject};
use crate::backend::clock::now_unix_ns;
use crate::backend::lines::{Line, Lines, Series, Watch};
use crate::backend::linux::store::{Directory, Witness};
use crate::backend::linux::{System, process};
use crate::events::Event;
use crate::{Error, ErrorKind, Result};

/// How long a monitor gets to write its record before it is looked for again.
const RETRY: Duration = Duration::from_millis(5);
/// How often counts are read that nothing announces.
const ROUND: Duration = Duration::from_millis(500);
/// How long a monitor gets to remove its container. If it was killed, a repair does it later.
const REMOVAL: Duration = Duration::from_secs(10);
/// Longest time between two looks at one that was stopped or works on it for long.
const MAX_RETRY: Duration = Duration::from_millis(500);

/// Events, as they come.
#[derive(Debug)]
pub(crate) struct Events {
    system: Arc<System>,
    since: u64,
    until: Option<u64>,
    follow: bool,
    log: Option<Log>,
    /// Containers that run, as far as the events that were read tell.
    running: BTreeMap<ContainerId, Watched>,
    /// How long to wait before what is not settled is looked at again.
    retry: Duration,
    /// Which file comes after the one that is being read; unknown before the first line, unless the
    /// log was empty.
    next_rotation: Option<u64>,
    /// When the counts were read that nothing announces.
    looked: Instant,
    finished: bool,
}

/// The open log.
#[derive(Debug)]
struct Log {
    lines: Lines,
    watch: Option<Watch>,
}

/// A running container.
#[derive(Debug)]
struct Watched {
    subject: Subject,
    /// Its first process; `None` if that cannot be watched, so that it is asked for now and then.
    pidfd: Option<OwnedFd>,
    /// Tells its exit once its directory is gone; if it removes itself.
    witness: Option<Witness>,
    /// Since when its end is known.
    ended: Option<Instant>,
    shortage: Shortage,
}

impl System {
    /// Opens the log of events.
    pub(crate) fn events(self: &Arc<Self>, since: u64, follow: bool) -> Result<Events> {
        self.notice_ends()?;
        let log = self.open_log(follow)?;
        let system = Arc::clone(self);
        let nothing_yet = log.as_ref().is_none_or(|log| log.lines.is_empty());
        let mut events = Events {
            system,
            since,
            until: None,
            follow,
            log,
            running: BTreeMap::new(),
            retry: RETRY,
            looked: Instant::now(),
            next_rotation: nothing_yet.then_some(0),
            finished: false,
        };
        if follow {
            events.watch_all()?;
        }
        Ok(events)
    }

    fn open_log(&self, follow: bool) -> Result<Option<Log>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match rustix::fs::open(&self.store.run, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(errno) => {
                let path = self.store.run.display();
                return Err(crate::Error::os(errno.raw_os_error(), format!("cannot open `{path}`")));
            }
        };
        let watch = follow.then(|| Watch::new(&directory));
        let path = self.store.run.clone();
        let series = Series { directory, path, name: NAME, files: FILES, max_line: MAX_LINE };
        Ok(Some(Log { lines: Lines::open(series, follow)?, watch }))
    }

    /// Writes down ends that nobody has seen: of containers that the log takes for running.
    fn notice_ends(&self) -> Result<()> {
        let Some(mut log) = self.open_log(false)? else { return Ok(()) };
        let mut living: BTreeMap<ContainerId, (Last, Event)> = BTreeMap::new();
        while let Some(line) = log.lines.next_line()? {
            let Ok(Entry::Event(event)) = parse(&line) else { continue };
            match Last::of(&event.action) {
                Some(Last::Destroyed) => drop(living.remove(&event.id)),
                Some(last) => drop(living.insert(event.id.clone(), (last, event))),
                None => {}
            }
        }
        for (last, event) in living.values() {
            self.notice_end_of(&Subject::of_event(event), *last == Last::Started, None)?;
        }
        Ok(())
    }

    /// Writes down the end of a container if it has come. Returns false if that is still to be
    /// found out: somebody works on it, or its monitor has not finished.
    fn notice_end_of(&self, subject: &Subject, started: bool, witness: Option<&Witness>) -> Result<bool> {
        let Some(directory) = self.store.find(&subject.id)? else {
            let exit = witness.and_then(Witness::exit);
            self.announce_end_of(subject, End { started, exit, kills: None, destroyed: true });
            return Ok(true);
        };
        if !started {
            return Ok(true);
        }
        let Some(_lock) = directory.try_lock()? else { return Ok(false) };
        // A directory that is just being removed has no request any more.
        let Ok(request) = directory.request() else { return Ok(false) };
        self.notice_end(&directory, &request, witness).map(|runs| !runs)
    }
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

impl Events {
    /// Ends when this time has come.
    pub(crate) fn end_at(&mut self, unix_ns: u64) {
        self.until = Some(unix_ns);
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
    fn step(&mut self) -> Result<Option<Result<Event>>> {
        let line = match &mut self.log {
            Some(log) => log.lines.next_line()?,
            None => None,
        };
        let Some(line) = line else { return self.at_end().map(|()| None) };
        Ok(match (parse(&line), &self.log) {
            (Ok(Entry::Event(event)), _) => {
                // The very first file has no heading.
                self.next_rotation = self.next_rotation.max(Some(1));
                self.keep_account(&event)?;
                self.is_wanted(&event).then_some(Ok(event))
            }
            (Ok(Entry::Rotation(rotation)), _) => self.enter_file(rotation).map(Err),
            (Err(what), Some(log)) => Some(Err(log.lines.damaged(what))),
            (Err(_), None) => None,
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

    fn is_wanted(&self, event: &Event) -> bool {
        event.time_unix_ns >= self.since && self.until.is_none_or(|until| event.time_unix_ns <= until)
    }

    fn at_end(&mut self) -> Result<()> {
        if !self.follow || self.until.is_some_and(|until| now_unix_ns() > until) {
            self.finished = true;
            return Ok(());
        }
        if self.log.is_none() {
            self.log = self.system.open_log(true)?;
        }
        self.tell_kills();
        if self.tell_ends()? {
            self.retry = RETRY;
            self.wait(Duration::MAX);
        } else {
            self.wait(self.retry);
            self.retry = (self.retry * 2).min(MAX_RETRY);
        }
        Ok(())
    }

    fn wait(&mut self, most: Duration) {
        let left = |until: u64| Duration::from_nanos(until.saturating_sub(now_unix_ns()).saturating_add(1));
        let most = most.min(self.until.map_or(Duration::MAX, left));
        let ended = self.running.values().filter_map(|it| it.pidfd.as_ref());
        // One that has ended stays readable, and is not waited for a second time.
        let others: Vec<_> = ended.filter(|it| !process::has_ended(it)).map(AsFd::as_fd).collect();
        let changed = match self.watcher() {
            Some(watch) => watch.wait(&others, most),
            None => {
                std::thread::sleep(most.min(Duration::from_millis(100)));
                BTreeSet::new()
            }
        };
        for watched in self.running.values_mut() {
            watched.shortage.notice(&changed);
        }
    }

    fn watcher(&self) -> Option<&Watch> {
        self.log.as_ref()?.watch.as_ref()
    }

    /// Writes down processes that were killed because memory ran out.
    fn tell_kills(&mut self) {
        let round = self.looked.elapsed() >= ROUND;
        if round {
            self.looked = Instant::now();
        }
        for watched in self.running.values_mut() {
            if let Some(kills) = watched.shortage.look(round) {
                self.system.announce_kills(&watched.subject, kills);
            }
        }
    }

    /// Writes down the ends that have come. Returns whether nothing is left to be found out soon.
    fn tell_ends(&mut self) -> Result<bool> {
        let mut settled = true;
        let mut done = Vec::new();
        for (id, watched) in &mut self.running {
            if watched.pidfd.as_ref().is_some_and(|pidfd| !process::has_ended(pidfd)) {
                continue;
            }
            // Looked at first, so that a removal in between is told by the next line.
            let stays = watched.is_being_removed() && self.system.store.find(id)?.is_some();
            let told = self.system.notice_end_of(&watched.subject, true, watched.witness.as_ref())?;
            if told && !stays {
                done.push(id.clone());
            } else if watched.pidfd.is_some() {
                settled = false;
            }
        }
        done.iter().for_each(|id| self.forget(id));
        Ok(settled)
    }

    fn keep_account(&mut self, event: &Event) -> Result<()> {
        match Last::of(&event.action) {
            Some(Last::Started) if self.follow => self.watch(Subject::of_event(event)),
            Some(Last::Died) if self.running.get(&event.id).is_some_and(|it| it.witness.is_some()) => Ok(()),
            Some(Last::Died | Last::Destroyed) => {
                self.forget(&event.id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn forget(&mut self, id: &ContainerId) {
        let watched = self.running.remove(id);
        if let (Some(watched), Some(watch)) = (watched, self.watcher()) {
            watched.shortage.forget(watch);
        }
    }

    /// Watches what runs already; the events of its start may have been dropped.
    fn watch_all(&mut self) -> Result<()> {
        for id in self.system.store.ids()? {
            let request = self.system.store.find(&id)?.and_then(|directory| directory.request().ok());
            if let Some(request) = request {
                self.watch(Subject::of(&request))?;
            }
        }
        Ok(())
    }

    fn watch(&mut self, subject: Subject) -> Result<()> {
        // One that is gone already has an end in the log, or will have: it is told like others.
        let directory = self.system.store.find(&subject.id)?;
        let journal = directory.as_ref().and_then(|directory| directory.journal().ok());
        let shortage = journal
            .as_ref()
            .map_or_else(Shortage::default, |journal| Shortage::of(&journal.intent.groups, self.watcher()));
        let record = journal.and_then(|journal| journal.process);
        if directory.is_some() && record.is_none() {
            return Ok(());
        }
        let removes_itself = |directory: &&Directory| directory.request().is_ok_and(|it| it.auto_remove);
        let witness = directory.as_ref().filter(removes_itself).and_then(|it| it.witness().ok());
        let pidfd = process::open(record.as_ref())?;
        self.forget(&subject.id);
        self.running.insert(subject.id.clone(), Watched { subject, pidfd, witness, ended: None, shortage });
        Ok(())
    }
}

impl Watched {
    /// Whether its monitor may be about to remove it, now that it has ended.
    fn is_being_removed(&mut self) -> bool {
        let ended = self.ended.get_or_insert_with(Instant::now);
        self.witness.is_some() && ended.elapsed() < REMOVAL
    }
}
