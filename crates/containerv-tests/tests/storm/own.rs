//! What this process has, as the kernel lists it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use containerv_tests::machine::status_field;
use containerv_tests::wait_until;

/// For what was killed to be gone, and for threads that have ended to be off the list.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything of this process that a call of the library could leave behind or change for good.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// Target of each descriptor, sorted. Its number may change: logs are rotated.
    descriptors: Vec<String>,
    /// Number, state and name of each child.
    children: BTreeSet<String>,
    /// Threads with the name of those that a test has made. Threads inherit it.
    threads: usize,
    /// Signals with a handler, and those that are ignored.
    signals: [String; 2],
    /// Working directory, root, file mode mask, name.
    settings: Vec<String>,
}

impl Own {
    pub(crate) fn now() -> Self {
        let pid = std::process::id();
        let link = |name: &str| format!("{:?}", fs::read_link(format!("/proc/self/{name}")));
        Self {
            descriptors: descriptors(),
            children: children(pid),
            threads: threads_of_tests().len(),
            signals: ["SigCgt", "SigIgn"].map(|name| status_field(pid, name)),
            settings: vec![link("cwd"), link("root"), status_field(pid, "Umask"), status_field(pid, "Name")],
        }
    }

    /// Fails unless this process comes to be as it was. `settle` is called before each look.
    pub(crate) fn assert_again(&self, mut settle: impl FnMut()) {
        let mut now = Self::now();
        let same = wait_until(PATIENCE, || {
            settle();
            now = Self::now();
            now == *self
        });
        assert!(same, "not as before.\nbefore: {self:#?}\nnow: {now:#?}");
    }
}

fn descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    // One is that of the listing itself.
    let listing = format!("/proc/{}/fd", std::process::id());
    let mut found: Vec<String> = targets.map(|target| target.display().to_string()).collect();
    found.retain(|target| *target != listing);
    found.sort();
    found
}

/// Returns number, state and name of each child of a process, living or not.
pub(crate) fn children(parent: u32) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name, in parentheses, may hold anything: fields are counted behind the last.
        let Some((head, rest)) = stat.rsplit_once(')') else { continue };
        let mut fields = rest.split_whitespace();
        let (state, of) = (fields.next().unwrap_or("?"), fields.next().unwrap_or("0"));
        if of == parent.to_string() {
            let command = head.split_once('(').map_or("", |(_, command)| command);
            found.insert(format!("{} {state} {command}", name.to_string_lossy()));
        }
    }
    found
}

/// What the threads of tests are called, so that they are told from those of the test harness.
pub(crate) const THREAD: &str = "storm";

fn threads_of_tests() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    tasks.filter_map(name).filter(|name| name.starts_with(THREAD)).collect()
}
