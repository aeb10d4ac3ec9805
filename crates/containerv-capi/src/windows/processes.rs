//! The processes that were started in a container.
//!
//! C gets a handle that the system's own functions take: that of a placeholder, which ends when the
//! process in the container does and has its exit code then. One thread follows each process.

use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::Builder;
use std::time::Duration;

use containerv::Child;
use containerv_sys::windows::placeholder::Placeholder;
use containerv_sys::windows::wait::{Event, wait, wait_any};

use crate::border::{Failure, Result};
use crate::foreign::ProcessHandle;

/// SIGKILL, which ends a process at once.
const KILL: i32 = 9;
/// Exit code of a process of which nothing is known but that it has ended.
const UNKNOWN: u32 = u32::MAX;

/// What has to be there before a process is started, so that it can be followed whatever happens.
pub(crate) struct Place {
    followed: Arc<Followed>,
    follower: Sender<Child>,
}

#[derive(Debug)]
struct Followed {
    /// None if the caller wants no handle.
    placeholder: Option<Placeholder>,
    /// Somebody wants the process to end.
    asked: Event,
    /// The process has ended, and what it wrote was passed on.
    ended: Event,
}

impl Place {
    /// Makes room for a process, with a handle for C if one is wanted.
    pub(crate) fn new(handle: bool) -> Result<Self> {
        let failed = |what: &'static str| move |error| Failure::io(error, what);
        let placeholder =
            handle.then(Placeholder::new).transpose().map_err(failed("cannot make a process handle"))?;
        let event = || Event::new().map_err(failed("cannot make an event"));
        let followed = Arc::new(Followed { placeholder, asked: event()?, ended: event()? });
        let (follower, child) = channel();
        let own = Arc::clone(&followed);
        let thread = Builder::new().name("containerv process".to_owned());
        // Nothing comes if the process could not be started.
        let started = thread.spawn(move || child.recv().map_or((), |child| own.follow(child)));
        started.map_err(failed("cannot start a thread"))?;
        Ok(Self { followed, follower })
    }
}

impl Followed {
    fn follow(&self, mut child: Child) {
        let code = self.wait(&mut child).unwrap_or(UNKNOWN);
        if let Some(placeholder) = &self.placeholder {
            placeholder.end(code);
        }
        self.ended.set();
    }

    /// Waits for the end of the process, and ends it if somebody asks for that: by
    /// `containerv_kill`, or by ending the placeholder.
    fn wait(&self, child: &mut Child) -> containerv::Result<u32> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(code(status));
            }
            let placeholder = self.placeholder.as_ref().map(AsHandle::as_handle);
            let mut handles: Vec<BorrowedHandle<'_>> = vec![child.as_handle(), self.asked.as_handle()];
            handles.extend(placeholder);
            // What cannot be waited for any more is asked for its end below.
            if !matches!(wait_any(&handles, None), Ok(Some(0))) {
                // It may have ended just now.
                let _ = child.signal(KILL);
                return child.wait().map(code);
            }
        }
    }
}

fn code(status: containerv::ExitStatus) -> u32 {
    status.code().map_or(UNKNOWN, i32::cast_unsigned)
}

/// Processes by the handle that the caller knows them by. A handle is valid until the process was
/// killed or its container destroyed.
#[derive(Debug, Default)]
pub(crate) struct Processes(Vec<Arc<Followed>>);

impl Processes {
    /// Takes a started process; returns its handle.
    pub(crate) fn add(&mut self, child: Child, place: Place) -> ProcessHandle {
        // The thread waits for it, and does nothing else.
        let _ = place.follower.send(child);
        let handle = handle(&place.followed);
        self.0.push(place.followed);
        handle
    }

    /// Ends a process and closes its handle.
    pub(crate) fn ask_to_end(&mut self, handle: ProcessHandle) -> Result<()> {
        let found = self.0.iter().position(|process| !handle.is_null() && self::handle(process) == handle);
        let process = found.filter(|found| !self.0[*found].has_ended());
        let process = process.ok_or_else(|| {
            Failure::new(libc::ESRCH, format!("no process with the handle {handle:p} is waiting to be ended"))
        })?;
        self.0.swap_remove(process).asked.set();
        Ok(())
    }

    /// Forgets those that have ended and that nobody has a handle of.
    pub(crate) fn reap(&mut self) {
        self.0.retain(|process| process.placeholder.is_some() || !process.has_ended());
    }

    /// Does nothing: what runs in a container ends with it, and holds up nothing.
    pub(crate) fn end(&mut self, _grace: Duration, _patience: Duration) {}
}

impl Followed {
    fn has_ended(&self) -> bool {
        wait(&self.ended, Some(Duration::ZERO)).unwrap_or(false)
    }
}

fn handle(process: &Followed) -> ProcessHandle {
    process.placeholder.as_ref().map_or(null_mut(), AsRawHandle::as_raw_handle)
}

/// By which the end of a process can be awaited without holding the process.
pub(crate) struct Watch(Arc<Followed>);

/// Returns a watch of the process that will take this place.
pub(crate) fn watch(_child: &Child, place: &Place) -> Result<Watch> {
    Ok(Watch(Arc::clone(&place.followed)))
}

impl Watch {
    /// Waits until the process has ended.
    pub(crate) fn wait(&self) {
        // One event can always be waited for.
        let _ = wait(&self.0.ended, None);
    }
}
