//! The surroundings of one test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use containerv::spec::request::Process;
use containerv::spec::{OsText, Request};
use containerv::{Container, Host, Output, StdioSet};

use crate::leftovers::Traces;
use crate::machine;
use crate::rootfs::make_rootfs;

/// How long the kernel and orphans get to disappear after the last container was removed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A state root, a root file system and a place for files, all of one test. When it is dropped,
/// every container is removed and nothing at all may be left.
#[derive(Debug)]
pub struct Bed {
    directory: PathBuf,
    host: Host,
    ids: Mutex<Vec<String>>,
    interfaces: Mutex<Vec<String>>,
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
        // Ordinary users take part in some tests; what they must not see is in the state root.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        make_rootfs(&directory.join("rootfs"));
        let host = Host::open_at(directory.join("state")).unwrap();
        Self { directory, host, ids: Mutex::default(), interfaces: Mutex::default() }
    }

    /// Gives the state root and the root file system to an ordinary user.
    ///
    /// # Panics
    ///
    /// If this process is not root.
    pub fn give_to(&self, uid: u32) {
        let state = self.make_directory("state");
        let owner = format!("{uid}:{uid}");
        machine::run(
            "chown",
            &["-R", &owner, state.to_str().unwrap(), self.path("rootfs").to_str().unwrap()],
        );
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

    /// Returns a path in the test's root file system.
    pub fn in_root(&self, name: &str) -> PathBuf {
        self.directory.join("rootfs").join(name.trim_start_matches('/'))
    }

    /// Returns the state root.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Returns a request for a keeper in the test's root file system.
    pub fn request(&self) -> Request {
        let id = self.host.new_id().unwrap();
        self.ids.lock().unwrap().push(id.as_str().to_owned());
        let root = self.path("rootfs");
        serde_json::from_value(serde_json::json!({"id": id, "root": {"directory": root}})).unwrap()
    }

    /// Watches that no interface of this name is left.
    pub fn watch_interface(&self, name: &str) {
        self.interfaces.lock().unwrap().push(name.to_owned());
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

    /// Runs a shell script as a container's command and returns what it wrote.
    pub fn run(&self, change: impl FnOnce(&mut Request), script: &str) -> Output {
        let mut request = self.request();
        request.process = Some(shell(script));
        change(&mut request);
        let mut stdio = StdioSet::piped();
        stdio.stdin = containerv::Stdio::Null;
        let (container, child) = Container::run_attached(&self.host, request, stdio).unwrap();
        let output = child.wait_with_output().unwrap();
        container.delete(false).unwrap();
        output
    }

    /// Runs a shell script that must succeed, and returns what it wrote to standard output
    /// without the last newline.
    pub fn text(&self, change: impl FnOnce(&mut Request), script: &str) -> String {
        let output = self.run(change, script);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{script}`: {}: {error}", output.status);
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// Mounts something on the host until the result is dropped.
    pub fn mount(&self, arguments: &[&str], at: &Path) -> HostMount {
        let at = at.to_str().unwrap();
        machine::run("mount", &[arguments, &[at]].concat());
        HostMount(at.to_owned())
    }

    /// Returns what is left of the test's containers now.
    pub fn leftovers(&self) -> Vec<String> {
        let mut marks = self.ids.lock().unwrap().clone();
        marks.push(self.directory.to_str().unwrap().to_owned());
        let interfaces = self.interfaces.lock().unwrap().clone();
        Traces { marks: &marks, interfaces: &interfaces, state: &self.state() }.find()
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
        let removed = fs::remove_dir_all(&self.directory);
        assert!(!passed || removed.is_ok(), "cannot remove `{}`: {removed:?}", self.directory.display());
    }
}

/// A mount of the host that a test has made.
#[derive(Debug)]
pub struct HostMount(String);

impl Drop for HostMount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").args(["-l", &self.0]).status();
    }
}

/// A shell that runs a script.
pub fn shell(script: &str) -> Process {
    Process {
        env: containerv::default_environment(),
        ..Process::new(["sh", "-c", script].map(OsText::from).to_vec())
    }
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
