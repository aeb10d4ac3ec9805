//! Looks for everything that a container can leave behind.

use std::fs;
use std::path::{Path, PathBuf};

use super::machine;

/// What is searched for.
pub(crate) struct Traces<'a> {
    /// Texts that only the objects of one test have in their names: its directory and ids.
    pub(crate) marks: &'a [String],
    /// Interfaces that it asked for.
    pub(crate) interfaces: &'a [String],
    /// State root.
    pub(crate) state: &'a Path,
}

impl Traces<'_> {
    /// Returns a line for each thing that is left.
    pub(crate) fn find(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.mounts(&mut found);
        self.control_groups(&mut found);
        self.descriptors(&mut found);
        self.state_files(&mut found);
        found.extend(processes_with(self.marks).into_iter().map(describe));
        for name in self.interfaces {
            if Path::new("/sys/class/net").join(name).exists() {
                found.push(format!("interface {name}"));
            }
        }
        found
    }

    fn marked(&self, text: &str) -> bool {
        self.marks.iter().any(|mark| text.contains(mark.as_str()))
    }

    fn mounts(&self, found: &mut Vec<String>) {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        found.extend(table.lines().filter(|line| self.marked(line)).map(|line| format!("mount {line}")));
    }

    fn control_groups(&self, found: &mut Vec<String>) {
        for hierarchy in machine::hierarchies() {
            let groups = directories(&hierarchy);
            for group in groups.into_iter().filter(|path| is_for_containers(path)) {
                let left =
                    directories(&group).into_iter().filter(|path| self.marked(&path.to_string_lossy()));
                found.extend(left.map(|path| format!("control group {}", path.display())));
            }
        }
    }

    /// Descriptors of this very process: what the library has not closed.
    fn descriptors(&self, found: &mut Vec<String>) {
        for (number, target) in links(Path::new("/proc/self/fd")) {
            if self.marked(&target) {
                found.push(format!("descriptor {number} of this process: {target}"));
            }
        }
    }

    fn state_files(&self, found: &mut Vec<String>) {
        for name in ["run/containers", "data/containers", "data/names"] {
            for entry in fs::read_dir(self.state.join(name)).into_iter().flatten().flatten() {
                found.push(format!("file {}", entry.path().display()));
            }
        }
    }
}

fn directories(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_directory).map(|entry| entry.path()).collect()
}

/// The parent group of all containers, or one that a test has asked for.
fn is_for_containers(group: &Path) -> bool {
    group.file_name().is_some_and(|name| name.to_string_lossy().starts_with("containerv"))
}

/// Returns the processes other than this one that have one of the texts in their control groups,
/// mounts, command line, working directory or descriptors.
pub fn processes_with(marks: &[String]) -> Vec<u32> {
    let marked = |text: &str| marks.iter().any(|mark| text.contains(mark.as_str()));
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let path = entry.path();
        if pid != own && is_of_container(&path, &marked) && !is_left_to_init(&path) {
            found.push(pid);
        }
    }
    found
}

fn is_of_container(process: &Path, marked: &dyn Fn(&str) -> bool) -> bool {
    let file = |name: &str| fs::read(process.join(name)).unwrap_or_default();
    let marked_file = |name: &str| marked(&String::from_utf8_lossy(&file(name)));
    if marked_file("cgroup") || marked_file("cmdline") {
        return true;
    }
    // Threads of the kernel have neither mounts of their own nor descriptors.
    let is_of_kernel = fs::read_link(process.join("exe")).is_err() && file("cmdline").is_empty();
    let cwd = || fs::read_link(process.join("cwd")).unwrap_or_default();
    !is_of_kernel
        && (marked_file("mountinfo")
            || marked(&cwd().to_string_lossy())
            || links(&process.join("fd")).iter().any(|(_, target)| marked(target)))
}

/// A process that has ended and waits for the machine's own init to reap it is nobody's fault here.
fn is_left_to_init(process: &Path) -> bool {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    status.contains("\nState:\tZ") && status.contains("\nPPid:\t1\n")
}

fn links(directory: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let link = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), target.to_string_lossy().into_owned()))
    };
    entries.filter_map(link).collect()
}

fn describe(pid: u32) -> String {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
    let stat = String::from_utf8_lossy(&read("stat")).into_owned();
    let short: String = stat.chars().take(60).collect();
    format!("process {pid}: `{}` {short}", command.trim())
}
