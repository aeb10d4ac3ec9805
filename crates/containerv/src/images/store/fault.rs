//! Ends this process at a chosen step, for tests of what a crash leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts steps; without a number it does nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault(Option<Arc<Countdown>>);

#[derive(Debug)]
struct Countdown {
    at: u32,
    passed: AtomicU32,
}

impl Fault {
    /// A fault behind the step of this number, from 1.
    pub(crate) fn new(at: Option<u32>) -> Self {
        Self(at.map(|at| Arc::new(Countdown { at, passed: AtomicU32::new(0) })))
    }

    /// A step was done that others can see.
    pub(crate) fn step(&self) {
        if let Some(countdown) = &self.0 {
            let passed = countdown.passed.fetch_add(1, Ordering::SeqCst) + 1;
            crate::backend::system::die_at(Some(countdown.at), passed);
        }
    }
}
