//! Waits for changes in a directory.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use containerv_spec::OsText;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// How often is looked without inotify(7), whose instances are few for each user.
const POLL: Duration = Duration::from_millis(50);
/// How long one wait lasts at most: a network file system does not report what others do.
const PATIENCE: Duration = Duration::from_secs(1);

/// A look-out for changes of the files in a directory.
#[derive(Debug)]
pub(crate) struct Watch {
    inotify: Option<OwnedFd>,
}

impl Watch {
    /// Watches a directory from now on.
    pub(crate) fn new(directory: &OwnedFd) -> Self {
        let flags = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::MOVE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF;
        let make = || {
            let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
            inotify::add_watch(&inotify, path, flags)?;
            Ok::<_, rustix::io::Errno>(inotify)
        };
        Self { inotify: make().ok() }
    }

    /// Watches a file elsewhere as well. Returns its number; `None` if it cannot be watched.
    pub(crate) fn add(&self, file: &OsText) -> Option<i32> {
        inotify::add_watch(self.inotify.as_ref()?, file.as_bytes(), WatchFlags::MODIFY).ok()
    }

    /// Ends that. The file may be gone.
    pub(crate) fn remove(&self, number: i32) {
        if let Some(inotify) = &self.inotify {
            let _ = inotify::remove_watch(inotify, number);
        }
    }

    /// Waits until something changed, one of the descriptors became readable, or some time passed.
    /// Returns the numbers of what changed.
    pub(crate) fn wait(&self, others: &[BorrowedFd<'_>], most: Duration) -> BTreeSet<i32> {
        let most = most.min(if self.inotify.is_some() { PATIENCE } else { POLL });
        let timeout = Timespec { tv_sec: most.as_secs() as i64, tv_nsec: i64::from(most.subsec_nanos()) };
        let own = self.inotify.iter().map(|fd| PollFd::new(fd, PollFlags::IN));
        let others = others.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
        let mut polled: Vec<PollFd<'_>> = own.chain(others).collect();
        // However it ends, the caller looks itself.
        let _ = rustix::event::poll(&mut polled, Some(&timeout));
        let mut changed = BTreeSet::new();
        if let Some(inotify) = &self.inotify {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(inotify, &mut buffer);
            while let Ok(event) = events.next() {
                changed.insert(event.wd());
            }
        }
        changed
    }
}
