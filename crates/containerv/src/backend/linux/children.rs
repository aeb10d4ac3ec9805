//! Children of this process in containers that nobody has reaped yet.
//!
//! The first process of a PID namespace cannot end before every other one in it was reaped, and
//! those that were started from outside are reaped by who started them (pid_namespaces(7)). So
//! whoever waits here for the end of a container reaps for the caller meanwhile.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use containerv_spec::ContainerId;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::running::First;
use crate::process::ExitStatus;
use crate::{Error, Result};

/// How often children are looked for that were started while this process already waited.
const ROUND: Duration = Duration::from_secs(1);

/// A child of this process, in a container.
#[derive(Debug)]
pub(crate) struct Child {
    container: ContainerId,
    pid: u32,
    pidfd: OwnedFd,
    /// How it ended, once it was reaped.
    ended: Mutex<Option<ExitStatus>>,
    /// Set for a container's own command, until its end is recorded.
    first: Mutex<Option<First>>,
}

/// What is done about the end of a container's own command besides recording it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aftermath {
    /// A container that shall be removed at its end is.
    Usual,
    /// Nothing: the caller is about to remove the container and holds its lock.
    Removal,
}

/// Every child that was not reaped, whether somebody still has a handle of it or not.
#[derive(Debug, Default)]
pub(crate) struct Children(Mutex<Vec<Arc<Child>>>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is guarded here can be left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Child {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn container(&self) -> &ContainerId {
        &self.container
    }

    /// Returns how it ended, if it was reaped.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        *locked(&self.ended)
    }

    /// Reaps it if it has ended, and records the end of a container's own command.
    pub(crate) fn reap(&self, aftermath: Aftermath) -> Result<Option<ExitStatus>> {
        let mut ended = locked(&self.ended);
        if ended.is_some() {
            return Ok(*ended);
        }
        let found = containerv_sys::linux::process::wait(&self.pidfd, false)
            .map_err(|error| Error::io(error, format!("cannot wait for process {}", self.pid)))?;
        let Some(mut status) = found.map(ExitStatus::from) else { return Ok(None) };
        let first = locked(&self.first).take();
        status.out_of_memory = first.as_ref().is_some_and(First::ran_out_of_memory);
        *ended = Some(status);
        drop(ended);
        first.map_or(Ok(()), |first| first.finish(status, aftermath)).map(|()| Some(status))
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Children {
    /// Takes a new child; those without a handle that have ended meanwhile are reaped.
    pub(crate) fn add(
        &self,
        container: &ContainerId,
        pid: u32,
        pidfd: OwnedFd,
        first: Option<First>,
    ) -> Arc<Child> {
        let (ended, first) = (Mutex::new(None), Mutex::new(first));
        let child = Arc::new(Child { container: container.clone(), pid, pidfd, ended, first });
        let abandoned: Vec<Arc<Child>> = {
            let mut all = locked(&self.0);
            all.retain(|known| known.ended().is_none());
            let abandoned = all.iter().filter(|known| Arc::strong_count(known) == 1).cloned().collect();
            all.push(Arc::clone(&child));
            abandoned
        };
        for child in abandoned {
            // Nobody asks any more how it has ended.
            let _ = child.reap(Aftermath::Usual);
        }
        child
    }

    /// Forgets those that were reaped.
    pub(crate) fn forget_reaped(&self) {
        locked(&self.0).retain(|known| known.ended().is_none());
    }

    /// Reaps those of a container that have ended; returns those that run.
    fn running(&self, container: &ContainerId, aftermath: Aftermath) -> Vec<Arc<Child>> {
        let mut found: Vec<Arc<Child>> = {
            let mut all = locked(&self.0);
            all.retain(|known| known.ended().is_none());
            all.iter().filter(|child| child.container == *container).cloned().collect()
        };
        found.retain(|child| child.reap(aftermath).is_ok_and(|ended| ended.is_none()));
        found
    }

    /// Waits for the end of a container's first process, and reaps the container's children of
    /// this process meanwhile. Returns false if it does not end in time.
    pub(crate) fn wait_for_first(
        &self,
        container: &ContainerId,
        first: &impl AsFd,
        timeout: Option<Duration>,
        aftermath: Aftermath,
    ) -> Result<bool> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let running = self.running(container, aftermath);
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let round = left.unwrap_or(ROUND).min(ROUND);
            let mut polled = vec![PollFd::new(first, PollFlags::IN)];
            polled.extend(running.iter().map(|child| PollFd::new(&**child, PollFlags::IN)));
            let round = Timespec { tv_sec: round.as_secs() as i64, tv_nsec: i64::from(round.subsec_nanos()) };
            match rustix::event::poll(&mut polled, Some(&round)) {
                Ok(_) if !polled[0].revents().is_empty() => {
                    drop(self.running(container, aftermath));
                    return Ok(true);
                }
                Ok(_) if left.is_some_and(|left| left.is_zero()) => return Ok(false),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::os(errno.raw_os_error(), "cannot wait for a process")),
            }
        }
    }
}
