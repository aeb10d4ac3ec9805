//! Linux.

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use containerv_spec::OsText;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::Identity;

/// The directory of a series.
pub(crate) type Directory = OwnedFd;

/// Opens the directory of a series; none if there is none.
pub(crate) fn open_directory(path: &Path) -> io::Result<Option<Directory>> {
    match rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

/// An open file of a series.
#[derive(Debug)]
pub(in super::super) struct OpenFile(OwnedFd);

impl OpenFile {
    /// Opens a file, with what tells it from others and its size; none if there is none. A link is
    /// refused.
    pub(in super::super) fn open(
        directory: &Directory,
        name: &str,
    ) -> io::Result<Option<(Self, Identity, u64)>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&file)?;
        Ok(Some((Self(file), identity_of(&stat), u64::try_from(stat.st_size).unwrap_or(0))))
    }

    pub(in super::super) fn size(&self) -> io::Result<u64> {
        Ok(u64::try_from(rustix::fs::fstat(&self.0)?.st_size).unwrap_or(0))
    }

    pub(in super::super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match rustix::io::pread(&self.0, &mut *buffer, offset) {
                Err(Errno::INTR) => {}
                read => return Ok(read?),
            }
        }
    }
}

/// Returns what tells the file of a name from others; none if there is none.
pub(in super::super) fn identity(directory: &Directory, name: &str) -> io::Result<Option<Identity>> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        stat => Ok(Some(identity_of(&stat?))),
    }
}

fn identity_of(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

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
