//! Ends of containers, which happen while nobody needs to look.

use containerv_spec::Request;

use crate::Result;
use crate::backend::events::{Announce, End, Subject};
use crate::backend::linux::execute::Fault;
use crate::backend::linux::journal::Journal;
use crate::backend::linux::store::{Directory, Witness};
use crate::backend::linux::{System, cgroup, process};

impl System {
    /// Removes a container with everything, and writes that down. The caller holds its lock.
    pub(crate) fn dismantle_and_tell(
        &self,
        directory: &Directory,
        journal: &Journal,
        request: Option<&Request>,
        fault: Fault,
    ) -> Result<()> {
        let started = journal.started_unix_ns.is_some();
        // One that was never finished was not told either.
        let request = request.filter(|_| started || journal.ready);
        let witness = directory.witness().ok();
        let kills = cgroup::oom_kills(&journal.intent.groups);
        self.dismantle(directory, journal, fault)?;
        if let Some(request) = request {
            let exit = witness.and_then(|witness| witness.exit());
            self.announce_end(request, End { started, exit, kills, destroyed: true });
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
