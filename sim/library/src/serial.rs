//! Callbacks: on threads of ours, one after the other for each handle.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, ThreadId};

type Job = Box<dyn FnOnce() + Send>;

/// The callbacks of one handle.
#[derive(Default)]
pub struct Serial {
    inner: Mutex<Inner>,
    idle: Condvar,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<Job>,
    running: Option<ThreadId>,
    busy: bool,
    closed: bool,
}

impl Serial {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Has `job` run on another thread, after those that came before.
    pub fn push(self: &Arc<Self>, job: impl FnOnce() + Send + 'static) {
        let mut inner = self.inner();
        if inner.closed {
            return;
        }
        inner.queue.push_back(Box::new(job));
        if !inner.busy {
            inner.busy = true;
            let serial = Arc::clone(self);
            thread::spawn(move || serial.run());
        }
    }

    fn run(&self) {
        loop {
            let job = {
                let mut inner = self.inner();
                match inner.queue.pop_front() {
                    Some(job) => {
                        inner.running = Some(thread::current().id());
                        job
                    }
                    None => {
                        (inner.running, inner.busy) = (None, false);
                        self.idle.notify_all();
                        return;
                    }
                }
            };
            job();
        }
    }

    /// Drops what waits and returns when nothing runs; at once when called by a callback itself.
    pub fn close(&self) {
        let mut inner = self.inner();
        inner.closed = true;
        inner.queue.clear();
        while inner.busy && inner.running != Some(thread::current().id()) {
            inner = self.idle.wait(inner).unwrap_or_else(|poison| poison.into_inner());
        }
    }
}
