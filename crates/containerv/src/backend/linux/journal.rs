//! What a container's journal says: one line for each thing that happens.

use containerv_spec::OsText;
use containerv_spec::cgroup::{Group, GroupSet};
use containerv_spec::machine::MountsBelow;
use containerv_spec::plan::IdMaps;
use serde::{Deserialize, Serialize};

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// Objects that are about to be made.
    Intent(Box<Intent>),
    /// The container's first process, before it may run.
    Process(ProcessRecord),
    /// The monitor of the container.
    Monitor {
        /// Its process id.
        pid: u32,
    },
    /// Everything is made; the command waits for `start`.
    Ready,
    /// The command runs since then, in nanoseconds since 1970.
    Started {
        /// When.
        unix_ns: u64,
    },
    /// Control groups that are about to be made for the container that runs.
    Adding {
        /// The groups.
        groups: Vec<Further>,
    },
    /// They are made, and all processes are in them.
    Added,
    /// They are removed again.
    TakenBack,
    /// The container has another name.
    Renamed {
        /// Path of the reserved name.
        name: OsText,
    },
    /// The container is being removed.
    Removing,
}

/// External objects of one start of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Intent {
    /// Control groups.
    pub(crate) groups: GroupSet,
    /// Network interfaces on the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) interfaces: Vec<String>,
    /// Path of the reserved name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<OsText>,
    /// Mappings of its user namespace, whose ids own files in its layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) maps: Option<IdMaps>,
    /// The process that waits for the container's first process itself; there is no monitor and no
    /// keeper then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attached: Option<u32>,
    /// The container has no command; PID 1 is a keeper.
    pub(crate) keeper: bool,
    /// Directories that were copied for its layers. Its layers stay as they are, whatever is mounted
    /// when it is started again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) copies: Vec<MountsBelow>,
}

/// A control group of a controller that the container was made without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Further {
    /// The group.
    pub(crate) group: Group,
    /// Where its processes were before in that hierarchy, if that could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<OsText>,
}

/// A process that cannot be confused with a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessRecord {
    /// Process id in the caller's namespace.
    pub(crate) pid: u32,
    /// Clock ticks between the machine's start and its own; proc_pid_stat(5), field 22.
    pub(crate) start: u64,
}

/// What a journal says, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Journal {
    pub(crate) intent: Intent,
    pub(crate) process: Option<ProcessRecord>,
    pub(crate) monitor: Option<u32>,
    pub(crate) ready: bool,
    pub(crate) started_unix_ns: Option<u64>,
    pub(crate) removing: bool,
    /// Control groups that were being made for it while it ran; processes do not join them yet.
    pub(crate) adding: Vec<Further>,
    /// It was ready before and is being started again: whatever becomes of that, it stays.
    pub(crate) again: bool,
}

impl Journal {
    /// All control groups that may exist.
    pub(crate) fn groups(&self) -> GroupSet {
        let mut groups = self.intent.groups.clone();
        self.adding.iter().for_each(|further| groups.add(further.group.clone()));
        groups
    }

    /// Takes the next line.
    pub(super) fn take(&mut self, entry: Entry) {
        match entry {
            // A new start: what an earlier one left was removed before.
            Entry::Intent(intent) => {
                *self = Self { intent: *intent, again: self.ready || self.again, ..Self::default() }
            }
            Entry::Process(process) => self.process = Some(process),
            Entry::Monitor { pid } => self.monitor = Some(pid),
            Entry::Ready => self.ready = true,
            Entry::Started { unix_ns } => (self.ready, self.started_unix_ns) = (true, Some(unix_ns)),
            Entry::Adding { groups } => self.adding = groups,
            Entry::Added => {
                self.adding.drain(..).for_each(|further| self.intent.groups.add(further.group));
            }
            Entry::TakenBack => self.adding.clear(),
            Entry::Renamed { name } => self.intent.name = Some(name),
            Entry::Removing => self.removing = true,
        }
    }
}
