//! Programs of a whole Debian system, in containers that `cv` makes of it.
//!
//! `cargo xtask setup` makes the system, and `cargo xtask test` names it and the `cv` to test.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bootstrap;
mod files;
mod packages;
mod programs;
mod shell;
mod users;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use containerv_tests::{Bed, Person, skip};

const TREE_VARIABLE: &str = "CONTAINERV_DEBIAN";
const CV_VARIABLE: &str = "CONTAINERV_CV";

/// A Debian system, a `cv`, and a place in which nothing may be left behind.
struct Debian {
    bed: Bed,
    cv: PathBuf,
    tree: PathBuf,
}

impl Debian {
    /// Says why the test is skipped if there is no system.
    fn find() -> Option<Self> {
        let tree = std::env::var_os(TREE_VARIABLE).map(PathBuf::from);
        let cv = std::env::var_os(CV_VARIABLE).map_or_else(built_cv, PathBuf::from);
        match tree {
            None => {
                skip(&format!("`{TREE_VARIABLE}` names no Debian system; as root `cargo xtask test` does"))
            }
            Some(_) if !cv.is_file() => skip(&format!("there is no `{}`; `cargo build`", cv.display())),
            Some(tree) => return Some(Self { bed: Bed::new(), cv, tree }),
        }
        None
    }

    /// The same for a test that has to be root: the files of the system are root's.
    fn of_root() -> Option<Self> {
        if !containerv_tests::machine::is_root() {
            skip("needs root, whose the files of the Debian system are");
            return None;
        }
        Self::find()
    }

    /// A call of `cv` whose containers are the test's own.
    fn call<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.cv);
        command.args(words).current_dir(self.bed.path("")).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("CONTAINERV_ROOT", self.bed.state());
        command.stdin(Stdio::null());
        command
    }

    /// A call of `cv run` for the system; the options come with the command.
    fn run_call(&self, words: &[&str]) -> Command {
        let mut command = self.call(["run", "--rootfs"]);
        command.arg(&self.tree).args(words);
        command
    }

    /// Runs a command in a container of its own, which keeps nothing; returns what it wrote.
    #[track_caller]
    fn run(&self, words: &[&str]) -> String {
        text(&mut self.run_call(&[&["--rm", "--overlay", "container"], words].concat()))
    }

    /// Runs `cv` and returns what it wrote.
    #[track_caller]
    fn cv(&self, words: &[&str]) -> String {
        text(&mut self.call(words))
    }

    /// A container that runs until it is removed.
    #[track_caller]
    fn background(&self, name: &str, options: &[&str]) {
        let words = [&["-d", "--name", name, "--overlay", "container"], options, &["sleep", "1000"]].concat();
        text(&mut self.run_call(&words));
    }

    /// Sits down at a terminal of 100 columns and 30 rows in which a call of `cv` runs.
    fn person(&self, command: &Command) -> Person {
        Person::at(command, 100, 30)
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.bed.watch_all();
        }
    }
}

/// The `cv` that `cargo build` leaves beside the directory of this test program.
fn built_cv() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("cv")
}

/// Runs a call that must succeed without a message, and returns what it wrote without its last newline.
#[track_caller]
fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{command:?}: {}: {error}", shown(&output));
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}

fn shown(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stdout))
}

/// Runs a call with this on its standard input.
fn feed(command: &mut Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn utf8(path: &Path) -> &str {
    path.to_str().unwrap()
}
