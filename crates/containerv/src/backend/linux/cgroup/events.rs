//! Waiting for `cgroup.events` of version 2.

use std::time::{Duration, Instant};

use containerv_spec::OsText;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::files;

/// Waits until a key of the group's `cgroup.events` has this value; says whether it came to that.
pub(super) fn wait_for(group: &OsText, key: &str, value: u64, timeout: Duration) -> Result<bool, Errno> {
    let deadline = Instant::now() + timeout;
    let path = group.join("cgroup.events");
    let file = rustix::fs::open(path.as_bytes(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    loop {
        rustix::fs::seek(&file, SeekFrom::Start(0))?;
        if files::value_of(&files::read_open(&file, 4096)?, key) == Some(value) {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // A change since the read above is reported at once, so nothing is missed in between.
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&file, PollFlags::PRI)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Waits between two looks at a version 1 group, which reports nothing: short at first.
pub(super) struct Backoff {
    next: Duration,
    deadline: Instant,
}

impl Backoff {
    /// Starts at 50 µs, the time the kernel needs to finish a process that was just reaped.
    pub(super) fn until(deadline: Instant) -> Self {
        Self { next: Duration::from_micros(50), deadline }
    }

    /// Waits, or says that the time is over.
    pub(super) fn wait(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(self.next.min(left));
        self.next = (self.next * 2).min(Duration::from_millis(10));
        true
    }
}
