//! Reads events and watches for ends that nobody else tells.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use containerv_spec::ContainerId;

use super::shortage::Shortage;
use crate::Result;
use crate::backend::events::{Announce, End, Last, Read, Reader, Subject, living};
use crate::backend::linux::store::{Directory, Witness};
use crate::backend::linux::{System, process};
use crate::events::Event;

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
    follow: bool,
    reader: Reader,
    /// Containers that run, as far as the events that were read tell.
    running: BTreeMap<ContainerId, Watched>,
    /// How long to wait before what is not settled is looked at again.
    retry: Duration,
    /// When the counts were read that nothing announces.
    looked: Instant,
    finished: bool,
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
        let mut events = Events {
            system: Arc::clone(self),
            follow,
            reader: Reader::open(self.log_directory(), since, follow)?,
            running: BTreeMap::new(),
            retry: RETRY,
            looked: Instant::now(),
            finished: false,
        };
        if follow {
            events.watch_all()?;
        }
        Ok(events)
    }

    /// Writes down ends that nobody has seen: of containers that the log takes for running.
    fn notice_ends(&self) -> Result<()> {
        for (last, event) in living(self.log_directory())?.values() {
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
    fn step(&mut self) -> Result<Option<Result<Event>>> {
        match self.reader.read()? {
            Read::Event(event) => {
                self.keep_account(&event)?;
                Ok(self.reader.is_wanted(&event).then_some(Ok(event)))
            }
            Read::Other(error) => Ok(error.map(Err)),
            Read::Nothing => self.at_end().map(|()| None),
        }
    }

    fn at_end(&mut self) -> Result<()> {
        if self.reader.is_over() {
            self.finished = true;
            return Ok(());
        }
        self.reader.look_again()?;
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
        let most = self.reader.patience(most);
        let ended = self.running.values().filter_map(|it| it.pidfd.as_ref());
        // One that has ended stays readable, and is not waited for a second time.
        let others: Vec<_> = ended.filter(|it| !process::has_ended(it)).map(AsFd::as_fd).collect();
        let changed = match self.reader.watch() {
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
        if let (Some(watched), Some(watch)) = (watched, self.reader.watch()) {
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
        let shortage = journal.as_ref().map_or_else(Shortage::default, |journal| {
            Shortage::of(&journal.intent.groups, self.reader.watch())
        });
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
