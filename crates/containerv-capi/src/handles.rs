//! Live objects, found by the pointers that C callers hold.
//!
//! A pointer that is handed out is a number, not an address: it is looked up and never
//! dereferenced, and no number is used twice. So a pointer to an object that is gone is told
//! from every live one, whenever and wherever it is used.

use std::collections::BTreeMap;
use std::ptr::without_provenance_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::border::{Failure, Result, invalid};

/// The next number, shared by all tables, so that one kind is not mistaken for another. A forked
/// child counts on from where its parent was.
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// The registry of this process; see [`registry`].
static CURRENT: AtomicPtr<Registry> = AtomicPtr::new(std::ptr::null_mut());

/// The live objects of one process.
pub(crate) struct Registry {
    /// Options.
    pub(crate) options: Table<Mutex<crate::options::Options>>,
    /// Containers.
    pub(crate) containers: Table<crate::container::Entry>,
    /// The host of the containers made last.
    host: Mutex<Option<containerv::Host>>,
    process: u32,
    /// The registry of the process that this one was forked from. It is never looked at: a lock
    /// in it may have been held at that moment, and its objects are the other process's.
    _inherited: Option<&'static Registry>,
}

/// Returns the registry of the calling process.
///
/// A forked child gets a new one. This takes no lock, because a child may be forked while
/// another thread of its parent holds it.
pub(crate) fn registry() -> &'static Registry {
    let process = std::process::id();
    loop {
        let current = CURRENT.load(Ordering::Acquire);
        // SAFETY: NULL, or a registry that was leaked below and so is never released.
        let known = unsafe { current.as_ref() };
        if let Some(registry) = known.filter(|registry| registry.process == process) {
            return registry;
        }
        let fresh = Box::into_raw(Box::new(Registry {
            options: Table::new("options"),
            containers: Table::new("a container"),
            host: Mutex::new(None),
            process,
            _inherited: known,
        }));
        if CURRENT.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: another thread was first, so nobody else has seen this one.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

impl Registry {
    /// Returns the host that the environment names, the same one as long as it names the same: a
    /// host has a descriptor open.
    pub(crate) fn host(&self) -> Result<containerv::Host> {
        let named = containerv::Host::open()?;
        let mut known = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(host) if host.roots() == named.roots() => Ok(host.clone()),
            _ => Ok(known.insert(named).clone()),
        }
    }
}

/// Live objects of one kind.
pub(crate) struct Table<T> {
    what: &'static str,
    live: Mutex<BTreeMap<usize, Arc<T>>>,
}

impl<T> Table<T> {
    const fn new(what: &'static str) -> Self {
        Self { what, live: Mutex::new(BTreeMap::new()) }
    }

    /// Takes an object; returns the pointer for the caller.
    pub(crate) fn add<P>(&self, object: Arc<T>) -> *mut P {
        // Odd, so that it is not the address of an object of any other library either.
        let number = NEXT.fetch_add(1, Ordering::Relaxed) << 1 | 1;
        self.live().insert(number, object);
        without_provenance_mut(number)
    }

    /// Finds the object of a pointer.
    pub(crate) fn find<P>(&self, pointer: *const P) -> Result<Arc<T>> {
        self.live().get(&pointer.addr()).cloned().ok_or_else(|| self.not_live(pointer))
    }

    /// Takes the object of a pointer out.
    pub(crate) fn remove<P>(&self, pointer: *const P) -> Result<Arc<T>> {
        self.live().remove(&pointer.addr()).ok_or_else(|| self.not_live(pointer))
    }

    /// Puts an object back that was taken out.
    pub(crate) fn restore<P>(&self, pointer: *const P, object: Arc<T>) {
        self.live().insert(pointer.addr(), object);
    }

    fn not_live<P>(&self, pointer: *const P) -> Failure {
        let problem = if pointer.is_null() { "is NULL" } else { "is not alive in this process" };
        invalid(format!("the pointer to {} {problem}", self.what))
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<T>>> {
        // The map is changed by single calls, so it is whole even after a panic.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_that_are_gone_or_foreign_are_told_apart() {
        let table = Table::<u8>::new("a number");
        let first: *mut u8 = table.add(Arc::new(1));
        assert_eq!(*table.find(first).unwrap(), 1);
        assert_eq!(*table.remove(first).unwrap(), 1);
        assert!(table.find(first).is_err() && table.remove(first).is_err());
        let second: *mut u8 = table.add(Arc::new(2));
        assert_ne!(first, second);
        assert!(table.find(first).is_err());
        assert!(table.find(std::ptr::null::<u8>()).is_err());
        let elsewhere = 7u64;
        assert!(table.find(&raw const elsewhere).is_err());
        table.restore(first, Arc::new(3));
        assert_eq!(*table.find(first).unwrap(), 3);
    }

    #[test]
    fn all_threads_see_one_registry() {
        let threads: Vec<_> =
            (0..8).map(|_| std::thread::spawn(|| std::ptr::from_ref(registry()).addr())).collect();
        let own = std::ptr::from_ref(registry()).addr();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == own));
    }
}
