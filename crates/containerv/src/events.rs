//! What happens to containers.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use containerv_spec::ContainerId;
use serde::{Deserialize, Serialize};

use crate::backend::system;
use crate::{Host, Result};

/// Something that happened to a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// When it happened, in nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// The container.
    pub id: ContainerId,
    /// Its name at that time.
    pub name: String,
    /// What happened, in Docker's words: `create`, `start`, `kill`, `oom`, `die`, `stop`, `pause`,
    /// `unpause`, `update`, `rename` or `destroy`; `crash` of a container of Windows whose whole system
    /// crashed, before the `die`; `exec_start` and `exec_die` of a further process
    /// that was started with [`ExecOptions::announced`](crate::ExecOptions::announced).
    pub action: String,
    /// The container's labels, and what belongs to the action: `exitCode` of `die` and `oomKills`
    /// of `oom` (processes killed since the container's start), if they are known, `signal` of
    /// `kill`, `oldName` of `rename`; `execID` of both `exec_`, a number of 64 hexadecimal digits,
    /// `execCommand` of `exec_start`, cut off after 256 bytes, and `exitCode` of `exec_die`. Of a
    /// `crash`, as far as the compute service reports it: `crashParameters` (the bug check and its four
    /// parameters, in hexadecimal digits with `0x`, parted by commas), `crashStatus` (the service's code, as
    /// `0x8037011C`), `crashLog` (the last 4 KiB at most of what a Linux guest wrote) and `dumpFile` (where the
    /// host keeps the guest's memory).
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Events, in the order in which they were noticed; see [`Host::events`].
#[derive(Debug)]
pub struct Events(system::Events);

impl Events {
    /// Ends the iteration when this time has come; events after it are left out.
    #[must_use]
    pub fn until(mut self, moment: SystemTime) -> Self {
        self.0.end_at(unix_ns(moment));
        self
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    /// Returns the next event; when following, waits for it.
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl Host {
    /// Reads the events of this host's containers since a moment, or from now on if there is none;
    /// with `follow`, waits for further ones for ever.
    ///
    /// Events are kept at least until 1 MiB of newer ones has come, about 4,000 of them. On Linux they
    /// are in memory of the machine, and gone after its restart.
    ///
    /// `exec_die` is written by who waits for the process; of a process that nobody waits for there
    /// is only an `exec_start`.
    ///
    /// An event is written right after what it tells has happened, before the operation returns.
    /// An operation does not fail because its event could not be written (a full disk); a process
    /// that is killed in between writes none. `die`, `oom` and the `destroy` of a container that
    /// removes itself happen while no process of this library needs to run: they are written once
    /// by whoever sees them first, a follower at once (`oom` on control groups of version 1: within
    /// a second), others with the next operation on the container or the next call of this. Their
    /// time is that of the end; if the container removed itself while nobody looked, it is that of
    /// the call, and the exit code is not known. The time of an `oom` is when it was seen; several
    /// kills that were seen together are one event.
    ///
    /// On Windows the supervisor of a command tells all this of it; only where it was killed, or
    /// there is none, others do, a follower within a second. There is no `oom`: processes are not
    /// ended for want of memory. A `crash` is told by the supervisor, and of a container without a command by
    /// who waits for it ([`Container::wait`](crate::Container::wait)); of one that nobody waits for there is no
    /// report.
    ///
    /// A damaged line is an error of kind `Corrupt`; the iteration goes on behind it. After any
    /// other error it ends.
    ///
    /// # Errors
    ///
    /// If the log of events cannot be read.
    pub fn events(&self, since: Option<SystemTime>, follow: bool) -> Result<Events> {
        let since = unix_ns(since.unwrap_or_else(SystemTime::now));
        self.system.events(since, follow).map(Events)
    }
}

fn unix_ns(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
