//! The request that was read last. A short command asks for the same one several times: when it finds the
//! container, when it works on it, and when it tells of that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use containerv_spec::Request;
use rustix::fs::Stat;
use rustix::time::{ClockId, clock_gettime};

/// A file whose last change is younger may change again without a sign: the kernel's clock for files
/// stands still for up to 10 ms.
const SETTLED: Duration = Duration::from_millis(20);

/// The request that was read last, and of which file.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered(Arc<Mutex<Option<(Version, Request)>>>);

/// One content of one file. A request is replaced by another file with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    file: (u64, u64),
    bytes: i64,
    changed: Duration,
}

impl Version {
    pub(super) fn of(stat: &Stat) -> Self {
        let changed = Duration::new(
            u64::try_from(stat.st_ctime).unwrap_or(0),
            u32::try_from(stat.st_ctime_nsec).unwrap_or(0),
        );
        Self { file: (stat.st_dev, stat.st_ino), bytes: stat.st_size, changed }
    }

    fn is_settled(&self) -> bool {
        let now = clock_gettime(ClockId::Realtime);
        let now =
            Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0));
        now.checked_sub(self.changed).is_some_and(|age| age >= SETTLED)
    }
}

impl Remembered {
    pub(super) fn get(&self, version: Version) -> Option<Request> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(of, _)| *of == version).map(|(_, request)| request.clone())
    }

    pub(super) fn keep(&self, version: Version, request: &Request) {
        if version.is_settled() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, request.clone()));
        }
    }
}
