//! What a test asks of the machine itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says whether this process is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns the value behind `name:` in `/proc/PID/status`.
///
/// # Panics
///
/// If the process is gone.
pub fn status_field(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

/// Returns the private resident memory of this process in KiB.
pub fn own_memory_kib() -> u64 {
    let size = status_field(std::process::id(), "RssAnon");
    size.trim_end_matches(" kB").parse().unwrap()
}

/// Returns how many descriptors this process has open.
pub fn own_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// Returns the namespace of a process as the kernel names it, such as `pid:[4026531836]`.
pub fn namespace(pid: u32, kind: &str) -> String {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    link.to_string_lossy().into_owned()
}

/// Runs a program of this machine and returns what it wrote.
///
/// # Panics
///
/// If it cannot be started or fails.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}: {error}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Says whether a cgroup controller can be used, in version 1 or 2.
pub fn has_controller(name: &str) -> bool {
    let v2 = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    Path::new("/sys/fs/cgroup").join(name).is_dir() || v2.split_whitespace().any(|word| word == name)
}

/// Returns where control groups are mounted.
///
/// # Panics
///
/// If the mount table cannot be read.
pub fn hierarchies() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let group = |line: &&str| line.contains(" - cgroup ") || line.contains(" - cgroup2 ");
    table.lines().filter(group).filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect()
}
