//! Processes killed because memory ran out, in a container that is followed.

use std::collections::BTreeSet;

use containerv_spec::OsText;
use containerv_spec::cgroup::{Controller, GroupSet, GroupVersion};

use crate::backend::lines::Watch;
use crate::backend::linux::cgroup;

/// What a follower knows of the kills in one container.
#[derive(Debug, Default)]
pub(super) struct Shortage {
    /// The file that counts them; `None` without a memory group.
    file: Option<OsText>,
    /// Its number in the follower's watch. The kernel announces changes of version 2. On version 1
    /// that takes a descriptor for each container and an interface that it calls deprecated, so
    /// there the file is read now and then.
    number: Option<i32>,
    /// It may have changed since it was read.
    due: bool,
    /// What it said.
    kills: u64,
}

impl Shortage {
    /// Begins to watch.
    pub(super) fn of(groups: &GroupSet, watch: Option<&Watch>) -> Self {
        let v2 = groups.with(Controller::Memory).is_some_and(|group| group.version == GroupVersion::V2);
        let file = cgroup::oom_file(groups);
        let number = file.as_ref().filter(|_| v2).and_then(|file| watch?.add(file));
        Self { file, number, due: true, kills: 0 }
    }

    pub(super) fn forget(&self, watch: &Watch) {
        if let Some(number) = self.number {
            watch.remove(number);
        }
    }

    /// Takes notice of what has changed.
    pub(super) fn notice(&mut self, changed: &BTreeSet<i32>) {
        self.due |= self.number.is_some_and(|number| changed.contains(&number));
    }

    /// Returns the number of kills if it has risen. `round` is set when files are read that nothing
    /// announces.
    pub(super) fn look(&mut self, round: bool) -> Option<u64> {
        let is_due = std::mem::take(&mut self.due) || (round && self.number.is_none());
        let kills = cgroup::oom_kills_in(self.file.as_ref().filter(|_| is_due)?)?;
        let more = kills > self.kills;
        self.kills = kills;
        more.then_some(kills)
    }
}
