//! Ends of containers, which happen while nobody needs to look.

use containerv_spec::state::Exit;

use super::file::{Held, Last};
use super::{OOM_KILLS, Subject, action};
use crate::backend::clock::now_unix_ns;
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

/// What is still to be told of an end, of which the log may know.
pub(super) fn still_to_be_told(subject: &Subject, end: End, log: &Held<'_>) -> Vec<Event> {
    let last = log.last(&subject.id);
    // What is older than the whole log was told and has been dropped.
    let forgotten =
        last.is_none() && end.exit.is_some_and(|exit| log.oldest_unix_ns() > Some(exit.finished_unix_ns));
    let end = End { started: end.started && !forgotten, ..end };
    events(subject, last, end, &|| log.told_kills(&subject.id))
}

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
