//! The surroundings of one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use containerv::spec::Request;
use containerv::{Container, Host};

use crate::inside;
use crate::system::{self, Watched};

/// How long the system and orphans get to disappear after the last container was removed.
const PATIENCE: Duration = Duration::from_secs(if cfg!(windows) { 60 } else { 5 });

/// A state root, a root file system and a place for files, all of one test. When it is dropped,
/// every container is removed and nothing at all may be left.
#[derive(Debug)]
pub struct Bed {
    directory: PathBuf,
    host: Host,
    ids: Mutex<Vec<String>>,
    pub(crate) watched: Watched,
}

impl Bed {
    /// Makes the surroundings.
    ///
    /// # Panics
    ///
    /// If they cannot be made.
    #[allow(clippy::new_without_default, reason = "making a directory is no default")]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("containerv-test-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        system::make_root(&directory);
        let host = Host::open_at(directory.join("state")).unwrap();
        Self { directory, host, ids: Mutex::default(), watched: Watched::default() }
    }

    /// Makes surroundings whose root file system has the program [`inside`].
    ///
    /// # Panics
    ///
    /// If they cannot be made.
    pub fn with_program() -> Self {
        let bed = Self::new();
        inside::install(&bed.in_root(system::PROGRAM));
        bed
    }

    /// Returns the host whose state root is the test's own.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns a path in the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes a directory in the test's directory.
    pub fn make_directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Returns a path in the test's root file system, by its name in the container.
    pub fn in_root(&self, name: &str) -> PathBuf {
        system::in_root(&self.directory, name)
    }

    /// Returns the state root.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Returns a request for a keeper in the test's root file system, isolated as
    /// `CONTAINERV_TEST_ISOLATION` says.
    pub fn request(&self) -> Request {
        let id = self.host.new_id().unwrap();
        self.ids.lock().unwrap().push(id.as_str().to_owned());
        let root = system::root(&self.directory);
        let mut request: Request =
            serde_json::from_value(serde_json::json!({"id": id, "root": root})).unwrap();
        request.isolation = system::isolation();
        request
    }

    /// Watches that nothing is left of any container that was ever in the state root, such as those
    /// that the program `cv` has made.
    pub fn watch_all(&self) {
        let events = self.host.events(Some(SystemTime::UNIX_EPOCH), false).unwrap();
        let known = events.map(|event| event.unwrap().id.as_str().to_owned());
        self.ids.lock().unwrap().extend(known);
    }

    /// Makes a container into which processes are spawned.
    pub fn keeper(&self, change: impl FnOnce(&mut Request)) -> Container {
        let mut request = self.request();
        change(&mut request);
        Container::create(&self.host, request).unwrap()
    }

    /// Returns what is left of the test's containers now.
    pub fn leftovers(&self) -> Vec<String> {
        let ids = self.ids.lock().unwrap().clone();
        system::leftovers(&self.directory, &ids, &self.watched)
    }

    /// Fails unless everything that the test's containers were made of disappears.
    pub fn assert_nothing_left(&self, when: &str) {
        let mut left = Vec::new();
        wait_until(PATIENCE, || {
            left = self.leftovers();
            left.is_empty()
        });
        assert!(left.is_empty(), "left {when}:\n  {}", left.join("\n  "));
        self.ids.lock().unwrap().clear();
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let mut failures = Vec::new();
        for container in self.host.containers().unwrap_or_default() {
            failures.extend(container.delete(true).err().map(|error| format!("{error:?}")));
        }
        let passed = !std::thread::panicking();
        if passed {
            assert!(failures.is_empty(), "cannot remove a container: {}", failures.join("\n"));
            self.assert_nothing_left("after the test");
        }
        // Files of layers belong to subordinate ids of an ordinary user, which only the library can remove.
        if self.state().join("data/images").is_dir() {
            let all = containerv::PruneOptions { all: true, ..containerv::PruneOptions::default() };
            let pruned = self.host.images().prune(&all);
            assert!(!passed || pruned.is_ok(), "cannot remove the images: {pruned:?}");
        }
        let removed = remove(&self.directory);
        assert!(!passed || removed.is_ok(), "cannot remove `{}`: {removed:?}", self.directory.display());
    }
}

/// On Windows, a program that has just ended may have its files open for a moment.
fn remove(directory: &Path) -> std::io::Result<()> {
    let mut removed = Ok(());
    wait_until(if cfg!(windows) { PATIENCE } else { Duration::ZERO }, || {
        removed = fs::remove_dir_all(directory);
        removed.is_ok()
    });
    removed
}

/// Waits until something holds; false if it does not in time.
pub fn wait_until(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
