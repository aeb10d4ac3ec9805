//! Ends of containers, which happen while nobody needs to look.

use containerv_spec::Request;
use containerv_spec::state::Exit;

use super::file::{self, Last};
use super::{OOM_KILLS, Subject, action};
use crate::Result;
use crate::backend::clock::now_unix_ns;
use crate::backend::linux::execute::Fault;
use crate::backend::linux::store::{Directory, Journal, Witness};
use crate::backend::linux::{System, cgroup, process};
use crate::events::Event;

/// What is known of the end of a container.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct End {
    /// Its command was started.
    pub(crate) started: bool,
    /// How it ended, if somebody has recorded that.
    pub(crate) exit: Option<Exit>,
    /// Processes that were killed because memory ran out, if they are still counted.
    pub(crate) kills: Option<u64>,
    /// It was removed.
    pub(crate) destroyed: bool,
}

impl System {
    pub(crate) fn announce_end(&self, request: &Request, end: End) {
        self.announce_end_of(&Subject::of(request), end);
    }

    /// Writes down the end of a container, unless that was done.
    pub(crate) fn announce_end_of(&self, subject: &Subject, end: End) {
        let _ = file::append(&self.store, |log| {
            let last = log.last(&subject.id);
            // What is older than the whole log was told and has been dropped.
            let forgotten = last.is_none()
                && end.exit.is_some_and(|exit| log.oldest_unix_ns() > Some(exit.finished_unix_ns));
            let end = End { started: end.started && !forgotten, ..end };
            events(subject, last, end, &|| log.told_kills(&subject.id))
        });
    }

    /// Removes a container with everything, and writes that down. The caller holds its lock.
    pub(crate) fn dismantle_and_tell(
        &self,
        directory: &Directory,
        journal: &Journal,
        fault: Fault,
    ) -> Result<()> {
        let started = journal.started_unix_ns.is_some();
        // One that was never finished was not told either.
        let request = if started || journal.ready { directory.request().ok() } else { None };
        let witness = directory.witness().ok();
        let kills = cgroup::oom_kills(&journal.intent.groups);
        self.dismantle(directory, journal, fault)?;
        if let Some(request) = request {
            let exit = witness.and_then(|witness| witness.exit());
            self.announce_end(&request, End { started, exit, kills, destroyed: true });
        }
        Ok(())
    }

    /// Writes down the end that an operation has waited for.
    pub(crate) fn announce_seen_end(
        &self,
        directory: &Directory,
        request: &Request,
        witness: Option<&Witness>,
    ) {
        if !directory.path.exists() {
            let exit = witness.and_then(Witness::exit);
            self.announce_end(request, End { started: true, exit, kills: None, destroyed: true });
        } else if let Ok(Some(_lock)) = directory.try_lock() {
            // Whoever has the lock instead is about to see the end as well.
            let _ = self.notice_end(directory, request, witness);
        }
    }

    /// Looks whether a container has ended or was short of memory, and writes that down. The caller
    /// holds its lock, so that nobody starts it again meanwhile. Returns whether it runs.
    pub(crate) fn notice_end(
        &self,
        directory: &Directory,
        request: &Request,
        witness: Option<&Witness>,
    ) -> Result<bool> {
        let journal = directory.journal()?;
        let started = journal.started_unix_ns.is_some();
        let kills = cgroup::oom_kills(&journal.intent.groups);
        if directory.is_supervised()? || process::runs(journal.process.as_ref())? {
            if let Some(kills) = kills.filter(|kills| started && *kills > 0) {
                self.announce_kills(&Subject::of(request), kills);
            }
            return Ok(true);
        }
        if started {
            // A monitor that removes its container takes no lock: by now its record may be gone.
            let exit = directory.exit()?.or_else(|| witness.and_then(Witness::exit));
            self.announce_end(request, End { started, exit, kills, destroyed: false });
        }
        Ok(false)
    }
}

/// What is still to be told of an end.
fn events(subject: &Subject, last: Option<Last>, end: End, told_kills: &dyn Fn() -> u64) -> Vec<Event> {
    let dies = match last {
        Some(Last::Destroyed) => return Vec::new(),
        Some(Last::Started) => true,
        Some(Last::Died | Last::Created) => false,
        None => end.started,
    };
    let mut events = Vec::new();
    if dies {
        let time = end.exit.map_or_else(now_unix_ns, |exit| exit.finished_unix_ns);
        let out_of_memory = u64::from(end.exit.is_some_and(|exit| exit.out_of_memory));
        let kills = end.kills.unwrap_or(0).max(out_of_memory);
        if kills > 0 && kills > told_kills() {
            let known = end.kills.map(|_| (OOM_KILLS, kills.to_string()));
            events.push(subject.event(action::OOM, time, known.as_slice()));
        }
        let code = end.exit.map(|exit| ("exitCode", exit.code.to_string()));
        events.push(subject.event(action::DIE, time, code.as_slice()));
    }
    if end.destroyed {
        events.push(subject.event(action::DESTROY, now_unix_ns(), &[]));
    }
    events
}
