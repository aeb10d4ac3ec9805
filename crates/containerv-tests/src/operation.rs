//! Operations in a process of their own: one that may be killed, or that belongs to another user.

use std::fs;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use containerv::spec::Request;

use crate::{Bed, machine};

/// Whoever calls the library in another process.
#[derive(Debug)]
pub struct Caller<'a> {
    bed: &'a Bed,
    program: PathBuf,
    user: Option<u32>,
    /// What a shell does before, in a mount namespace of the operation's own.
    before: Option<String>,
}

/// How an operation ended.
#[derive(Debug)]
pub enum Ended {
    /// SIGKILL ended the process, at the step that was asked for.
    Killed,
    /// The operation was finished; what the process wrote before.
    Survived(String),
    /// The operation failed, with this message.
    Failed(String),
}

impl<'a> Caller<'a> {
    /// A caller with the rights of the test. `program` is the program `crash-at` of this crate.
    pub fn new(bed: &'a Bed, program: &str) -> Self {
        Self { bed, program: program.into(), user: None, before: None }
    }

    /// A caller who is an ordinary user, to whom the state root is given.
    ///
    /// # Panics
    ///
    /// If this process is not root.
    pub fn ordinary(bed: &'a Bed, program: &str, uid: u32) -> Self {
        bed.give_to(uid);
        // The build directory may lie where others cannot go. This process itself must not write the
        // copy: a child that another thread starts meanwhile would hold it open for writing (ETXTBSY).
        let copy = bed.path("crash-at");
        machine::run("cp", &[program, copy.to_str().unwrap()]);
        Self { bed, program: copy, user: Some(uid), before: None }
    }

    /// Has a shell of root make mounts that only the operations see.
    #[must_use]
    pub fn with_mounts(self, script: &str) -> Self {
        Self { before: Some(script.to_owned()), ..self }
    }

    /// Returns a command for an operation.
    pub fn command(&self, operation: &str) -> Command {
        let mut command = self.program();
        command.arg(operation).arg("--root").arg(self.bed.state());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.current_dir("/").env("RUST_BACKTRACE", "0");
        command
    }

    /// The program, as its user.
    fn program(&self) -> Command {
        let Some(before) = &self.before else {
            let mut command = Command::new(&self.program);
            if let Some(uid) = self.user {
                // The standard library drops the supplementary groups as well.
                command.uid(uid).gid(uid);
            }
            return command;
        };
        let id = self.user.unwrap_or(0).to_string();
        let script =
            format!("set -e; {before}; exec setpriv --reuid {id} --regid {id} --clear-groups -- \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(&self.program);
        command
    }

    /// Runs an operation on a request.
    pub fn make(&self, operation: &str, request: &Request, fault: Option<u32>) -> Ended {
        let file = self.store(request);
        self.run(self.command(operation).arg("--request").arg(file), fault)
    }

    /// Runs an operation on a container.
    pub fn change(&self, operation: &str, container: &str, fault: Option<u32>) -> Ended {
        self.run(self.command(operation).args(["--container", container]), fault)
    }

    /// Repairs; returns what was, or would be, done.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn repair(&self, dry_run: bool) -> String {
        if self.user.is_none() {
            let done = self.bed.host().repair(dry_run).unwrap();
            return done.iter().map(|action| format!("{action}\n")).collect();
        }
        match self.run(&mut self.command(if dry_run { "repair-dry" } else { "repair" }), None) {
            Ended::Survived(text) => text,
            other => panic!("repair: {other:?}"),
        }
    }

    /// Stores a request where the caller can read it.
    pub fn store(&self, request: &Request) -> PathBuf {
        let file = self.bed.path(&format!("{}.json", request.id.short()));
        fs::write(&file, serde_json::to_vec(request).unwrap()).unwrap();
        file
    }

    fn run(&self, command: &mut Command, fault: Option<u32>) -> Ended {
        if let Some(step) = fault {
            command.args(["--fault", &step.to_string()]);
        }
        // A process of a container may hold on to the streams of a caller that was killed.
        let log = self.bed.path(&format!("log-{:?}", std::thread::current().id()));
        let (output, errors) = (log.with_extension("out"), log.with_extension("err"));
        command.stdout(create(&output)).stderr(create(&errors));
        let status = command.status().unwrap();
        match (status.code(), status.signal()) {
            (None, Some(9)) => Ended::Killed,
            (Some(0), _) => Ended::Survived(text(&output).trim_end_matches("done\n").to_owned()),
            _ => Ended::Failed(format!("{status}: {}", text(&errors))),
        }
    }
}

fn create(path: &Path) -> fs::File {
    fs::File::create(path).unwrap()
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}

impl Ended {
    /// Returns what was written, if the operation was finished.
    ///
    /// # Panics
    ///
    /// If it was not.
    pub fn survived(self) -> String {
        match self {
            Self::Survived(text) => text,
            other => panic!("{other:?}"),
        }
    }
}
