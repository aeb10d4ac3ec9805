//! A state root and a small root file system of a test's own.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use containerv::spec::{ContainerId, Request};
use containerv::{Container, Host};

/// Statically linked, from the package `busybox-static`.
const BUSYBOX: &str = "/usr/bin/busybox";
const APPLETS: [&str; 14] = [
    "sh", "sleep", "cat", "echo", "true", "false", "dd", "ls", "head", "kill", "seq", "tail", "mkdir",
    "usleep",
];

/// A place for one test; everything in it is removed at its end.
pub(crate) struct Place {
    directory: PathBuf,
    pub(crate) host: Host,
}

impl Place {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("containerv-observe-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        make_rootfs(&directory.join("rootfs"));
        let host = Host::open_at(directory.join("state")).unwrap();
        Self { directory, host }
    }

    /// A request for a shell command; without one, for a keeper.
    pub(crate) fn request(
        &self,
        script: Option<&str>,
        change: impl FnOnce(&mut serde_json::Value),
    ) -> Request {
        let id: ContainerId = self.host.new_id().unwrap();
        let mut value = serde_json::json!({
            "id": id,
            "created_unix_ns": now_unix_ns(),
            "root": { "directory": self.directory.join("rootfs") },
        });
        if let Some(script) = script {
            value["process"] = serde_json::json!({
                "args": ["/bin/sh", "-c", script], "env": ["PATH=/bin"], "cwd": "/",
                "search_path": true, "set_home": false,
            });
        }
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    /// A detached container that runs a shell command.
    pub(crate) fn detached(&self, script: &str) -> Container {
        Container::run_detached(&self.host, self.request(Some(script), |_| {})).unwrap()
    }

    /// A container into which commands are spawned.
    pub(crate) fn keeper(&self) -> Container {
        Container::create(&self.host, self.request(None, |_| {})).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for container in self.host.containers().unwrap_or_default() {
            let _ = container.delete(true);
        }
        let _ = self.host.repair(false);
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Copies a program by another process: a child that this one starts elsewhere meanwhile would
/// hold the copy open for writing, and it could not be executed.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "{} cannot be copied", from.display());
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn make_rootfs(root: &Path) {
    for directory in ["bin", "proc", "sys", "dev", "etc", "tmp"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    copy_program(Path::new(BUSYBOX), &root.join("bin/busybox"));
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
}

pub(crate) fn now_unix_ns() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// Waits until something is so, at most ten seconds.
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Says whether this test can make containers, and why not if it cannot.
pub(crate) fn can_run() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: only root can make these containers");
    }
    root
}
