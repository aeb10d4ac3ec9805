//! Attacks that worked on other runtimes, named after where they were seen, on real containers.
//! `docs/threat-model.md` has the table of them all.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod bounds;
mod calls;
mod copying;
mod descriptors;
mod programs;
mod remounts;
mod system_paths;
mod views;
mod volumes;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use containerv::spec::request::{Mount, MountOptions, MountSource, Process};
use containerv::{Child, Container, Stdio};
use containerv_tests::{Bed, shell};

/// A program that calls the library.
fn caller() -> PathBuf {
    containerv_tests::programs::crash_at(env!("CARGO_BIN_EXE_crash-at"))
}

/// A process of these arguments, the program first.
fn process(arguments: &[&str]) -> Process {
    Process { args: arguments.iter().map(|argument| (*argument).into()).collect(), ..shell("") }
}

/// A bind of a directory of the test.
fn bind(bed: &Bed, name: &str, target: &str) -> Mount {
    let path = bed.path(name).to_str().unwrap().into();
    let source = MountSource::Bind { path, recursive: true };
    Mount { source, target: target.into(), read_only: false, options: MountOptions::default() }
}

fn tmpfs(target: &str) -> Mount {
    let source = MountSource::Tmpfs { size: None, mode: None };
    Mount { source, target: target.into(), read_only: false, options: MountOptions::default() }
}

/// Everything about a tree of the host that an attack could change.
fn fingerprint(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec![top.to_owned()];
    while let Some(path) = pending.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        let content = if data.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            String::new()
        } else if data.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            format!("{:?}", fs::read(&path).unwrap())
        };
        let line = format!(
            "{} {:o} {}:{} {}.{} {content}",
            data.ino(),
            data.mode(),
            data.uid(),
            data.gid(),
            data.mtime(),
            data.mtime_nsec()
        );
        found.insert(path, line);
    }
    found
}

/// Makes a tree of the host with names that a runtime writes to, and returns its path.
fn canary(bed: &Bed) -> PathBuf {
    let names = [
        "null",
        "console",
        "kcore",
        "sysrq-trigger",
        "sys/kernel/core_pattern",
        "self/attr/exec",
        "pts/ptmx",
        "fs/cgroup/cgroup.procs",
        "firmware/table",
        "file",
        "sub/file",
    ];
    for name in names {
        let path = bed.path("canary").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "of the host").unwrap();
    }
    bed.path("canary")
}

/// Tells a thread to stop when it is dropped, so that a test that fails does not wait for it.
struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A program of ours that runs in a container until the root has a file `/stop`.
struct Attacker<'a> {
    bed: &'a Bed,
    child: Child,
    output: BufReader<ChildStdout>,
}

impl<'a> Attacker<'a> {
    /// Compiles the program into the root, unless it is there, and starts it.
    fn start(bed: &'a Bed, container: &Container, arguments: &[&str]) -> Self {
        let target = bed.in_root("bin").join(arguments[0]);
        if !target.exists() {
            containerv_tests::programs::compile(arguments[0], &target);
        }
        let command = container.command(arguments[0]).args(&arguments[1..]);
        Self::of(bed, command.stdin(Stdio::Null).stdout(Stdio::Piped).spawn().unwrap())
    }

    /// Takes a child that runs such a program, and waits until it is at work.
    fn of(bed: &'a Bed, mut child: Child) -> Self {
        let output = child.stdout.take().unwrap();
        let mut attacker = Self { bed, child, output: BufReader::new(output) };
        assert_eq!(attacker.line(), "ready\n");
        attacker
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    /// Ends it, and returns what it has to say.
    fn stop(mut self) -> String {
        let stop = self.bed.in_root("stop");
        fs::write(&stop, "").unwrap();
        let said = self.line();
        assert!(self.child.wait().unwrap().success());
        fs::remove_file(&stop).unwrap();
        said
    }
}

/// Runs a command of the machine that calls `cv`, if the one that people install is there.
fn cv(bed: &Bed, arguments: &[&str]) -> Option<std::process::Output> {
    let program = std::env::var_os("CONTAINERV_CV")?;
    Some(Command::new(program).arg("--root").arg(bed.state()).args(arguments).output().unwrap())
}
