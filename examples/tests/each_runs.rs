//! Runs every example once. `limits` needs control groups, so it runs as root only.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking, and say why they skip"
)]
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A state root that is removed at the end.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("containerv-examples-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program).args(arguments).env("CONTAINERV_ROOT", &self.0).output().unwrap()
    }

    /// Names of what is kept of containers.
    fn containers(&self) -> Vec<String> {
        let list = |part: &str| std::fs::read_dir(self.0.join(part).join("containers"));
        let entries = ["run", "data"].into_iter().filter_map(|part| list(part).ok()).flatten();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs an example that succeeds, and returns what it prints.
fn printed(name: &str, program: &str, arguments: &[&str]) -> String {
    let root = Root::new(name);
    let output = root.run(program, arguments);
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    assert_eq!(root.containers(), Vec::<String>::new(), "nothing is left");
    text(&output.stdout)
}

#[test]
fn run_a_command_passes_output_and_exit_code_on() {
    let program = env!("CARGO_BIN_EXE_run_a_command");
    assert!(printed("run", program, &[]).starts_with("process 1 on "));
    let root = Root::new("run-code");
    assert_eq!(root.run(program, &["sh", "-c", "exit 7"]).status.code(), Some(7));
    let missing = root.run(program, &["no-such-program"]);
    assert_eq!(missing.status.code(), Some(125));
    assert!(text(&missing.stderr).contains("hint: not in the container's PATH"), "{missing:?}");
}

#[test]
fn spawn_many_commands_all_succeed() {
    let printed = printed("many", env!("CARGO_BIN_EXE_spawn_many"), &[]);
    assert!(printed.starts_with("100 commands, 0 failed"), "{printed}");
}

#[test]
fn terminal_has_the_size_that_it_was_given() {
    let printed = printed("terminal", env!("CARGO_BIN_EXE_terminal"), &[]);
    assert!(printed.contains("43 132\r\n/dev/pts/0\r\n"), "{printed}");
    assert!(printed.contains("the shell ended: exit status: 7"), "{printed}");
}

#[test]
fn limits_stop_those_who_want_more() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root, to make control groups");
        return;
    }
    let printed = printed("limits", env!("CARGO_BIN_EXE_limits"), &[]);
    assert!(printed.contains("memory: signal: 9, out of memory: true"), "{printed}");
    assert!(printed.contains("Cannot fork") || printed.contains("fork: "), "{printed}");
}

#[test]
fn files_go_in_and_come_out() {
    let printed = printed("files", env!("CARGO_BIN_EXE_files"), &["/etc/passwd"]);
    let lines = std::fs::read_to_string("/etc/passwd").unwrap().lines().count();
    assert!(printed.contains(&format!("lines, words, bytes: {lines} ")), "{printed}");
    assert!(printed.ends_with("A /srv/input\nA /srv/output\n"), "{printed}");
}

#[test]
fn owner_bound_processes_end_with_the_owner() {
    let root = Root::new("owner");
    let output = root.run(env!("CARGO_BIN_EXE_owner_bound"), &[]);
    assert!(!output.status.success(), "it aborts");
    let printed = text(&output.stdout);
    let pid = printed.trim().rsplit(' ').next().unwrap_or_default();
    let process = Path::new("/proc").join(pid);
    assert!(pid.parse::<u32>().is_ok(), "{printed}");
    let begin = std::time::Instant::now();
    while process.exists() {
        assert!(begin.elapsed().as_secs() < 10, "{} runs on", process.display());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let host = containerv::Host::open_at(&root.0).unwrap();
    assert_eq!(host.containers().unwrap().len(), 1);
    // The container's first process ends after its last one, and what runs is not repaired.
    while !root.containers().is_empty() {
        assert!(begin.elapsed().as_secs() < 20, "{:?} is left", root.containers());
        host.repair(false).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn plan_makes_nothing() {
    let printed = printed("plan", env!("CARGO_BIN_EXE_plan"), &[]);
    assert!(printed.contains("(ro,nodev)") && printed.contains("execute \"true\""), "{printed}");
}
