//! Handles: numbers that are never used twice, so that a dead one is known as such.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

static NEXT: AtomicUsize = AtomicUsize::new(1);

/// The handles of one kind.
pub struct Handles<T> {
    map: LazyLock<Mutex<HashMap<usize, Arc<T>>>>,
}

/// Above any number that a program could take for one, and no address of anything.
const BASE: usize = 0x7A00_0000_0000_0000;

impl<T> Handles<T> {
    pub const fn new() -> Handles<T> {
        Handles { map: LazyLock::new(Mutex::default) }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<usize, Arc<T>>> {
        self.map.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// A number for a handle to come.
    pub fn reserve() -> usize {
        BASE + NEXT.fetch_add(1, Ordering::Relaxed) * 16
    }

    pub fn insert(&self, handle: usize, value: Arc<T>) {
        self.map().insert(handle, value);
    }

    pub fn get(&self, handle: usize) -> Option<Arc<T>> {
        self.map().get(&handle).cloned()
    }

    pub fn remove(&self, handle: usize) -> Option<Arc<T>> {
        self.map().remove(&handle)
    }

    pub fn all(&self) -> Vec<(usize, Arc<T>)> {
        self.map().iter().map(|(handle, value)| (*handle, Arc::clone(value))).collect()
    }
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Handles::new()
    }
}

/// What a number that is no live handle is.
pub fn describe(handle: usize) -> &'static str {
    let made = BASE + NEXT.load(Ordering::Relaxed) * 16;
    match handle {
        0 => "null",
        handle if (BASE..made).contains(&handle) && handle % 16 == 0 => "closed, or of another kind",
        _ => "never given out",
    }
}
