//! The log of events: lines of JSON that every process of this library appends to.
//!
//! It is the one place that says which ends of containers were told already, so each is told once,
//! whoever sees it.

mod ends;
mod file;
mod reader;
mod system;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use containerv_spec::{ContainerId, OsText, Request};

use super::clock::now_unix_ns;
use crate::events::Event;
use crate::host::generated_name;

pub(crate) use ends::End;
pub(crate) use file::Last;
pub(crate) use reader::{Read, Reader, living};

/// Most bytes of an event's line. Labels that do not fit are left out and counted.
const MAX_LINE: usize = 64 << 10;
/// Most bytes of labels in an event.
const MAX_LABELS: usize = 32 << 10;

/// Attributes that belong to one event and not to its container.
const OWN_ATTRIBUTES: [&str; 10] = [
    "exitCode",
    "signal",
    "oldName",
    OOM_KILLS,
    "execID",
    "execCommand",
    "crashParameters",
    "crashStatus",
    "crashLog",
    "dumpFile",
];
/// Attribute of `oom`: processes killed since the container's last start, this one included.
const OOM_KILLS: &str = "oomKills";
/// Most bytes of a command in an event.
const MAX_COMMAND: usize = 256;

/// Names of events.
pub(crate) mod action {
    pub(crate) const CREATE: &str = "create";
    pub(crate) const START: &str = "start";
    pub(crate) const KILL: &str = "kill";
    pub(crate) const OOM: &str = "oom";
    #[cfg(any(windows, test))]
    pub(crate) const CRASH: &str = "crash";
    pub(crate) const DIE: &str = "die";
    pub(crate) const STOP: &str = "stop";
    pub(crate) const PAUSE: &str = "pause";
    pub(crate) const UNPAUSE: &str = "unpause";
    pub(crate) const UPDATE: &str = "update";
    pub(crate) const RENAME: &str = "rename";
    pub(crate) const DESTROY: &str = "destroy";
    pub(crate) const EXEC_START: &str = "exec_start";
    pub(crate) const EXEC_DIE: &str = "exec_die";
}

/// Whom events are about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) id: ContainerId,
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Subject {
    /// A container with its labels.
    pub(crate) fn of(request: &Request) -> Self {
        let bytes: usize = request.labels.iter().map(|(name, label)| name.len() + label.len()).sum();
        let attributes = match bytes > MAX_LABELS {
            false => request.labels.clone(),
            true => BTreeMap::from([("labelsLeftOut".to_owned(), request.labels.len().to_string())]),
        };
        let name = request.name.clone().unwrap_or_else(|| generated_name(&request.id));
        Self { id: request.id.clone(), name, attributes }
    }

    /// A container of which only an earlier event is left.
    pub(crate) fn of_event(event: &Event) -> Self {
        let mut attributes = event.attributes.clone();
        OWN_ATTRIBUTES.iter().for_each(|name| drop(attributes.remove(*name)));
        Self { id: event.id.clone(), name: event.name.clone(), attributes }
    }

    fn event(&self, action: &str, time_unix_ns: u64, more: &[(&str, String)]) -> Event {
        let mut attributes = self.attributes.clone();
        attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let (id, name) = (self.id.clone(), self.name.clone());
        Event { time_unix_ns, id, name, action: action.to_owned(), attributes }
    }
}

/// A further process of a container whose start was told.
#[derive(Debug)]
pub(crate) struct ToldExec {
    subject: Subject,
    id: String,
}

/// Whoever keeps a log of events. A failure to write is passed over: what is told has happened.
pub(crate) trait Announce {
    /// The directory that the log is in.
    fn log_directory(&self) -> &Path;

    /// Makes that directory, private to the caller.
    fn make_log_directory(&self) -> io::Result<()>;

    /// Writes down that a further process was started. `id` is for this process alone.
    fn announce_exec(&self, request: &Request, id: &ContainerId, arguments: &[OsText]) -> ToldExec {
        let told = ToldExec { subject: Subject::of(request), id: id.as_str().to_owned() };
        let mut command = arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        command.truncate(command.floor_char_boundary(MAX_COMMAND));
        let more = [("execID", told.id.clone()), ("execCommand", command)];
        let event = told.subject.event(action::EXEC_START, now_unix_ns(), &more);
        let _ = file::append(self, |_| vec![event]);
        told
    }

    /// Writes down how it ended.
    fn announce_exec_end(&self, told: ToldExec, exit_code: i32) {
        let more = [("execID", told.id), ("exitCode", exit_code.to_string())];
        let event = told.subject.event(action::EXEC_DIE, now_unix_ns(), &more);
        let _ = file::append(self, |_| vec![event]);
    }

    /// Writes down what has just happened to a container.
    fn announce(&self, request: &Request, action: &str, more: &[(&str, String)]) {
        let event = Subject::of(request).event(action, now_unix_ns(), more);
        let _ = file::append(self, |_| vec![event]);
    }

    /// Does something to a container and writes it down, before anybody else can write down what
    /// came of it.
    fn announce_done<E>(
        &self,
        request: &Request,
        action: &str,
        more: &[(&str, String)],
        act: impl Fn() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut done = None;
        let _ = file::append(self, |_| {
            let result = done.insert(act());
            let event = || Subject::of(request).event(action, now_unix_ns(), more);
            result.is_ok().then(event).into_iter().collect()
        });
        // Without the log it is done all the same.
        done.unwrap_or_else(act)
    }

    /// Writes down that processes of a container that lives were killed because memory ran out:
    /// `kills` of them since its start. What was told of that is not told again. Windows ends no process
    /// for want of memory.
    #[cfg(target_os = "linux")]
    fn announce_kills(&self, subject: &Subject, kills: u64) {
        let _ = file::append(self, |log| match kills > log.told_kills(&subject.id) {
            true => vec![subject.event(action::OOM, now_unix_ns(), &[(OOM_KILLS, kills.to_string())])],
            false => Vec::new(),
        });
    }

    /// Writes down that a container has crashed as a whole, unless that was done since its start. Linux has no
    /// reports of that.
    #[cfg(any(windows, test))]
    fn announce_crash(&self, request: &Request, report: &[(&str, String)]) {
        let subject = Subject::of(request);
        let _ = file::append(self, |log| match log.told_crash(&subject.id) {
            true => Vec::new(),
            false => vec![subject.event(action::CRASH, now_unix_ns(), report)],
        });
    }

    /// Writes down that a container was made and, unless it waits for that, started.
    fn announce_new(&self, request: &Request, started: bool) {
        let subject = Subject::of(request);
        let now = now_unix_ns();
        let mut events = vec![subject.event(action::CREATE, now, &[])];
        if started {
            events.push(subject.event(action::START, now, &[]));
        }
        let _ = file::append(self, |_| events);
    }

    fn announce_end(&self, request: &Request, end: End) {
        self.announce_end_of(&Subject::of(request), end);
    }

    /// Writes down the end of a container, unless that was done.
    fn announce_end_of(&self, subject: &Subject, end: End) {
        let _ = file::append(self, |log| ends::still_to_be_told(subject, end, log));
    }
}
