//! What DLLs say by calling back, as queues that can be waited for.
//!
//! A callback gets a number as its context and no pointer. The number leads to a queue as long as
//! somebody keeps its [`Registration`]; numbers are not used twice. So a callback that comes late,
//! after its handle was closed, finds nothing, whatever the DLL guarantees.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::Hresult;
use super::wait::{Deadline, Event};

/// How many notices wait for a reader who does not come. Handles have few to tell; of service
/// notifications the oldest are then lost.
const MAX_WAITING: usize = 4096;

/// One call back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What happened: a number of the interface that the notice came by.
    pub kind: u32,
    /// How it went, where the interface tells; `S_OK` elsewhere.
    pub status: Hresult,
    /// The document that came along.
    pub data: Option<String>,
}

/// Notices in the order in which they came.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Set while notices wait.
    event: Event,
}

#[derive(Debug, Default)]
struct Waiting {
    notices: VecDeque<Notice>,
    lost: usize,
}

impl Queue {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let (waiting, arrived) = (Mutex::default(), Condvar::new());
        Ok(Arc::new(Self { waiting, arrived, event: Event::new()? }))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, notice: Notice) {
        let mut waiting = self.lock();
        if waiting.notices.len() == MAX_WAITING {
            waiting.notices.pop_front();
            waiting.lost += 1;
        }
        waiting.notices.push_back(notice);
        self.event.set();
        self.arrived.notify_all();
    }

    /// Takes the first notice that is wanted, and leaves the others; `None` when the time is over.
    pub(crate) fn take(&self, limit: Option<Duration>, wanted: impl Fn(&Notice) -> bool) -> Option<Notice> {
        self.find(limit, |notices| notices.iter().position(&wanted).and_then(|place| notices.remove(place)))
    }

    /// Waits until `look` finds something in the waiting notices; `None` when the time is over.
    pub(crate) fn find<T>(
        &self,
        limit: Option<Duration>,
        mut look: impl FnMut(&mut VecDeque<Notice>) -> Option<T>,
    ) -> Option<T> {
        let deadline = Deadline::after(limit);
        let mut waiting = self.lock();
        loop {
            let found = look(&mut waiting.notices);
            if waiting.notices.is_empty() {
                self.event.reset();
            }
            if found.is_some() {
                return found;
            }
            waiting = match deadline.left() {
                None => self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return None,
                Some(left) => {
                    let woken = self.arrived.wait_timeout(waiting, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn lost(&self) -> usize {
        self.lock().lost
    }
}

/// The notices of one handle or registration.
#[derive(Clone, Debug)]
pub struct Notices(pub(crate) Arc<Queue>);

impl Notices {
    /// Waits for the next notice; `None` when the time is over.
    pub fn next(&self, limit: Option<Duration>) -> Option<Notice> {
        self.0.take(limit, |_| true)
    }

    /// Waits for the next notice of a kind, and leaves the others.
    pub fn next_of(&self, kind: u32, limit: Option<Duration>) -> Option<Notice> {
        self.0.take(limit, |notice| notice.kind == kind)
    }

    /// Waits for a notice that is wanted, and leaves it there with the others.
    pub fn see(&self, limit: Option<Duration>, wanted: impl Fn(&Notice) -> bool) -> Option<Notice> {
        self.0.find(limit, |notices| notices.iter().find(|notice| wanted(notice)).cloned())
    }

    /// Says how many were lost, because too many waited for a reader.
    pub fn lost(&self) -> usize {
        self.0.lost()
    }
}

/// The handle is signaled while notices wait.
impl AsHandle for Notices {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.event.as_handle()
    }
}

static REGISTERED: Mutex<Registered> = Mutex::new(Registered { last: 0, queues: BTreeMap::new() });

struct Registered {
    last: usize,
    queues: BTreeMap<usize, Arc<Queue>>,
}

fn registered() -> MutexGuard<'static, Registered> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number under which callbacks find a queue, until it is dropped.
#[derive(Debug)]
pub(crate) struct Registration(usize);

impl Registration {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        let mut registered = registered();
        registered.last += 1;
        let number = registered.last;
        registered.queues.insert(number, queue);
        Self(number)
    }

    /// The number as the context of a callback. It is not an address.
    pub(crate) fn context(&self) -> *const c_void {
        std::ptr::without_provenance(self.0)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        registered().queues.remove(&self.0);
    }
}

/// Hands a notice to the queue of a callback's context, if that is still there. Never panics: the
/// caller is a DLL.
pub(crate) fn deliver(context: *const c_void, notice: Notice) {
    let queue = registered().queues.get(&context.addr()).cloned();
    if let Some(queue) = queue {
        queue.push(notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::wait;

    fn notice(kind: u32) -> Notice {
        Notice { kind, status: Hresult::OK, data: None }
    }

    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn notices_come_in_order_and_signal_while_they_wait() {
        let notices = Notices(Queue::new().unwrap());
        let registration = Registration::new(Arc::clone(&notices.0));
        assert!(!wait::wait(&notices, NOW).unwrap());
        for kind in [1, 2, 3] {
            deliver(registration.context(), notice(kind));
        }
        assert!(wait::wait(&notices, NOW).unwrap());
        assert_eq!(notices.see(NOW, |notice| notice.kind == 3), Some(notice(3)));
        assert_eq!(notices.see(NOW, |notice| notice.kind == 4), None);
        assert_eq!(notices.next_of(2, NOW), Some(notice(2)));
        assert_eq!(notices.next(None), Some(notice(1)));
        assert_eq!(notices.next(None), Some(notice(3)));
        assert_eq!(notices.next(NOW), None);
        assert!(!wait::wait(&notices, NOW).unwrap());
    }

    #[test]
    fn a_late_call_finds_nothing() {
        let notices = Notices(Queue::new().unwrap());
        let registration = Registration::new(Arc::clone(&notices.0));
        let context = registration.context();
        drop(registration);
        deliver(context, notice(1));
        deliver(std::ptr::null(), notice(1));
        deliver(std::ptr::without_provenance(usize::MAX), notice(1));
        assert_eq!(notices.next(NOW), None);
        // The number is not given to the next one.
        let next = Registration::new(Arc::clone(&notices.0));
        assert_ne!(next.context(), context);
    }

    #[test]
    fn a_waiting_thread_is_woken() {
        let notices = Notices(Queue::new().unwrap());
        let registration = Registration::new(Arc::clone(&notices.0));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| notices.next_of(7, None));
            deliver(registration.context(), notice(6));
            deliver(registration.context(), notice(7));
            assert_eq!(waiting.join().unwrap(), Some(notice(7)));
        });
    }

    #[test]
    fn memory_is_bounded_when_nobody_reads() {
        let notices = Notices(Queue::new().unwrap());
        for kind in 0..MAX_WAITING as u32 + 2 {
            notices.0.push(notice(kind));
        }
        assert_eq!(notices.lost(), 2);
        assert_eq!(notices.next(NOW), Some(notice(2)));
    }
}
