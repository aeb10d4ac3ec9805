//! The processes that were started in a container.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use containerv::{Child, Error};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::border::Result;

/// Most processes that have ended and are not reaped, so that their ids stay taken. They count as
/// processes for the container's limit, so this is also at most an eighth of that.
const MOST_KEPT: usize = 32;

/// Processes by the id that the caller knows them by.
#[derive(Debug)]
pub(crate) struct Processes {
    all: Vec<Process>,
    most_kept: usize,
}

#[derive(Debug)]
struct Process {
    id: i32,
    child: Child,
    /// It was asked to end: its id means nothing to the caller any more.
    spent: bool,
}

impl Processes {
    /// No processes, in a container with this limit of them.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        Self { all: Vec::new(), most_kept: limit.map_or(MOST_KEPT, |limit| (limit / 8).min(MOST_KEPT)) }
    }

    /// Takes a started process; returns its id.
    pub(crate) fn add(&mut self, child: Child) -> i32 {
        self.reap(self.most_kept);
        // An id that is used again belongs to a process that was reaped.
        let id = child.id_inside().cast_signed();
        self.all.push(Process { id, child, spent: false });
        id
    }

    /// Asks a process to end. Its id is spent, whether or not it does.
    pub(crate) fn ask_to_end(&mut self, id: i32) -> Result<()> {
        let unknown = || Error::os(libc::ESRCH, format!("no process {id} is waiting to be ended"));
        let process =
            self.all.iter_mut().rfind(|process| process.id == id && !process.spent).ok_or_else(unknown)?;
        process.spent = true;
        let result = if ended(&process.child) { Err(unknown()) } else { process.child.signal(libc::SIGTERM) };
        self.reap(self.most_kept);
        result
    }

    /// Reaps processes that have ended, the oldest first, until `keep` of them are left. Says
    /// whether there was one.
    pub(crate) fn reap(&mut self, keep: usize) -> bool {
        let dead = self.all.iter().filter(|process| ended(&process.child)).count();
        let mut surplus = dead.saturating_sub(keep);
        let any = surplus > 0;
        self.all.retain_mut(|process| {
            if surplus == 0 || !ended(&process.child) {
                return true;
            }
            surplus -= 1;
            // An error says that the program has reaped it itself.
            let _ = process.child.try_wait();
            false
        });
        any
    }

    /// Asks all processes to end, and returns when they have or the time is over.
    pub(crate) fn end(&mut self, grace: Duration) {
        let deadline = Instant::now() + grace;
        for process in &self.all {
            let _ = process.child.signal(libc::SIGTERM);
        }
        for process in &self.all {
            wait(&process.child, Some(deadline));
        }
    }

    /// Reaps all processes, which have been killed, and returns when that is done or the time is over.
    pub(crate) fn collect(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        for process in &mut self.all {
            wait(&process.child, Some(deadline));
            let _ = process.child.try_wait();
        }
        self.all.clear();
    }
}

/// Returns a descriptor by which the end of a process can be awaited without holding the process.
pub(crate) fn watch(child: &Child) -> Result<OwnedFd> {
    child
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| Error::io(error, "cannot duplicate a process descriptor"))
}

fn ended(child: &Child) -> bool {
    wait(child, Some(Instant::now()))
}

/// Waits until the process behind a descriptor has ended; false if it has not in time.
pub(crate) fn wait(process: &impl AsFd, deadline: Option<Instant>) -> bool {
    loop {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let rest = rest.map(|rest| Timespec {
            tv_sec: rest.as_secs().cast_signed(),
            tv_nsec: rest.subsec_nanos().into(),
        });
        let mut polled = [PollFd::new(process, PollFlags::IN)];
        match poll(&mut polled, rest.as_ref()) {
            Ok(count) => return count > 0,
            Err(Errno::INTR | Errno::AGAIN | Errno::NOMEM) => {}
            // No other error can come of one valid descriptor; not to wait is the safe reading.
            Err(_) => return true,
        }
    }
}
