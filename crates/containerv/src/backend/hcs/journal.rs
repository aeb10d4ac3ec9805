//! The journal of a container: what was begun, and how to undo it.

use containerv_spec::plan::hcs::{Call, HcsIsolation, Stage};
use serde::{Deserialize, Serialize};

use super::found::Values;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// A stage begins: what undoes all of it, in the order in which it is to be done.
    Begun {
        /// The stage.
        stage: Stage,
        /// What keeps the container apart from the host, which says by whom its system is found.
        isolation: HcsIsolation,
        /// Calls of which each may find nothing to undo.
        undo: Vec<Call>,
    },
    /// A stage is complete, with what its steps have found.
    Done {
        /// The stage.
        stage: Stage,
        /// Values for later stages.
        found: Values,
    },
    /// What was begun is undone.
    Undone {
        /// The stage.
        stage: Stage,
    },
    /// The container runs since then, in nanoseconds since 1970.
    Started {
        /// When.
        unix_ns: u64,
        /// Number of its own command in the system, if it has one.
        process: Option<u32>,
    },
    /// The container has another name.
    Renamed {
        /// The new one.
        name: String,
        /// What releases it.
        undo: Box<Call>,
    },
    /// The container is being removed.
    Removing,
}

/// What a journal says, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Journal {
    /// What undoes the creation.
    pub(crate) create: Vec<Call>,
    /// What undoes the last start; nothing if that was undone.
    pub(crate) start: Vec<Call>,
    /// What creation has found; none until it is complete.
    pub(crate) made: Option<Values>,
    /// The last start is complete.
    pub(crate) complete: bool,
    /// A start was begun and is not undone.
    pub(crate) open: bool,
    pub(crate) isolation: Option<HcsIsolation>,
    pub(crate) started_unix_ns: Option<u64>,
    /// Number of the command of the last start.
    pub(crate) process: Option<u32>,
    /// The name that it was given later.
    pub(crate) name: Option<String>,
    pub(crate) removing: bool,
}

impl Journal {
    /// Reads a journal. A last line that is cut off was never acted upon.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut journal = Self::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            journal.take(serde_json::from_slice(line)?);
        }
        Ok(journal)
    }

    /// Reads what can be read of a damaged journal.
    pub(crate) fn salvage(bytes: &[u8]) -> Self {
        let mut journal = Self::default();
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).for_each(|entry| journal.take(entry));
        journal
    }

    /// Says whether its command was started, and the run was not undone.
    pub(crate) fn is_started(&self) -> bool {
        self.open && self.complete && self.process.is_some()
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Begun { stage: Stage::Create, isolation, undo } => {
                (self.create, self.isolation) = (undo, Some(isolation));
            }
            Entry::Begun { stage: Stage::Start, isolation, undo } => {
                (self.start, self.isolation) = (undo, Some(isolation));
                (self.open, self.complete, self.process) = (true, false, None);
            }
            Entry::Done { stage: Stage::Create, found } => self.made = Some(found),
            Entry::Done { stage: Stage::Start, .. } => self.complete = true,
            Entry::Undone { stage: Stage::Create } => self.create.clear(),
            Entry::Undone { stage: Stage::Start } => {
                self.start.clear();
                (self.open, self.complete) = (false, false);
            }
            Entry::Started { unix_ns, process } => {
                (self.started_unix_ns, self.process) = (Some(unix_ns), process);
            }
            Entry::Renamed { name, undo } => {
                self.create.retain(|call| !matches!(call, Call::ReleaseName { .. }));
                self.create.insert(0, *undo);
                self.name = Some(name);
            }
            Entry::Removing => self.removing = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(name: &str) -> Call {
        Call::ReleaseName { path: name.into() }
    }

    fn lines(entries: &[Entry]) -> Vec<u8> {
        let line = |entry| serde_json::to_string(entry).unwrap() + "\n";
        entries.iter().map(line).collect::<String>().into_bytes()
    }

    fn begun(stage: Stage) -> Entry {
        Entry::Begun { stage, isolation: HcsIsolation::Hyperv, undo: vec![release("a")] }
    }

    #[test]
    fn a_start_is_open_until_it_is_undone() {
        let mut entries = vec![begun(Stage::Create)];
        let journal = |entries: &[Entry]| Journal::read(&lines(entries)).unwrap();
        assert!(journal(&entries).made.is_none() && !journal(&entries).open);
        entries.push(Entry::Done { stage: Stage::Create, found: Values::default() });
        entries.push(begun(Stage::Start));
        assert!(journal(&entries).open && !journal(&entries).complete);
        entries.push(Entry::Done { stage: Stage::Start, found: Values::default() });
        entries.push(Entry::Started { unix_ns: 7, process: Some(4) });
        let running = journal(&entries);
        assert_eq!((running.complete, running.process, running.started_unix_ns), (true, Some(4), Some(7)));
        assert_eq!(running.isolation, Some(HcsIsolation::Hyperv));
        entries.push(Entry::Undone { stage: Stage::Start });
        let ended = journal(&entries);
        assert!(!ended.open && !ended.complete && ended.start.is_empty() && ended.made.is_some());
        // A new start does not take the process of the one before for its own.
        entries.push(begun(Stage::Start));
        assert_eq!(journal(&entries).process, None);
    }

    #[test]
    fn the_last_name_is_the_one_that_is_released() {
        let renamed = Entry::Renamed { name: "b".to_owned(), undo: Box::new(release("b")) };
        let journal = Journal::read(&lines(&[begun(Stage::Create), renamed])).unwrap();
        assert_eq!((journal.create, journal.name.as_deref()), (vec![release("b")], Some("b")));
    }

    #[test]
    fn a_line_that_is_cut_off_counts_nothing_and_a_damaged_one_is_told() {
        let mut bytes = lines(&[begun(Stage::Create), Entry::Removing]);
        bytes.truncate(bytes.len() - 1);
        assert!(!Journal::read(&bytes).unwrap().removing);
        bytes.extend_from_slice(b"x\n{}\n");
        assert!(Journal::read(&bytes).is_err());
        assert_eq!(Journal::salvage(&bytes).create, vec![release("a")]);
    }
}
