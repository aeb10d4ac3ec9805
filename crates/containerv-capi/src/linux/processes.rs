//! The processes that were started in a container.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use containerv::Child;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::border::{Failure, Result};

/// What has to be there before a process is started: nothing.
pub(crate) struct Place;

impl Place {
    /// A process has an id in any case.
    pub(crate) fn new(_handle: bool) -> Result<Self> {
        Ok(Self)
    }
}

/// Processes by the id that the caller knows them by.
///
/// One that has ended is reaped with the next call. It must not be kept until then for the sake
/// of its id: it counts for the container's limit of processes, and the kernel does not let a
/// process namespace end before all of them are reaped. An id that is free is safe from reuse all
/// the same, because the kernel goes through all others first.
#[derive(Debug, Default)]
pub(crate) struct Processes(Vec<Process>);

#[derive(Debug)]
struct Process {
    id: i32,
    child: Child,
    /// It was asked to end: its id means nothing to the caller any more.
    spent: bool,
}

impl Processes {
    /// Takes a started process; returns its id.
    pub(crate) fn add(&mut self, child: Child, _place: Place) -> i32 {
        self.reap();
        let id = child.id_inside().cast_signed();
        self.0.push(Process { id, child, spent: false });
        id
    }

    /// Asks a process to end. Its id is spent, whether or not it does.
    pub(crate) fn ask_to_end(&mut self, id: i32) -> Result<()> {
        self.reap();
        let process = self.0.iter_mut().find(|process| process.id == id && !process.spent);
        let process = process
            .ok_or_else(|| Failure::new(libc::ESRCH, format!("no process {id} is waiting to be ended")))?;
        process.spent = true;
        Ok(process.child.signal(libc::SIGTERM)?)
    }

    /// Reaps those that have ended.
    pub(crate) fn reap(&mut self) {
        // An error says that the program has reaped the process itself.
        self.0.retain_mut(|process| matches!(process.child.try_wait(), Ok(None)));
    }

    /// Ends all processes and reaps them: SIGTERM, `grace` to comply, SIGKILL, and `patience` to
    /// disappear.
    pub(crate) fn end(&mut self, grace: Duration, patience: Duration) {
        for (signal, time) in [(libc::SIGTERM, grace), (libc::SIGKILL, patience)] {
            let deadline = Instant::now() + time;
            for process in &self.0 {
                // An error says that it has ended already.
                let _ = process.child.signal(signal);
            }
            for process in &self.0 {
                wait(&process.child, Some(deadline));
            }
            self.reap();
        }
    }
}

/// A descriptor by which the end of a process can be awaited without holding the process.
pub(crate) struct Watch(OwnedFd);

/// Returns a watch of a process.
pub(crate) fn watch(child: &Child, _place: &Place) -> Result<Watch> {
    let copy = child.as_fd().try_clone_to_owned();
    copy.map(Watch).map_err(|error| Failure::io(error, "cannot duplicate a process descriptor"))
}

impl Watch {
    /// Waits until the process has ended.
    pub(crate) fn wait(&self) {
        wait(&self.0, None);
    }
}

/// Waits until the process behind a descriptor has ended; false if it has not in time.
fn wait(process: &impl AsFd, deadline: Option<Instant>) -> bool {
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
