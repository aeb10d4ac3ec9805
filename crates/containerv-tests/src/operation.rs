//! Operations in a process of their own: one that may be killed, or that belongs to another user.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use containerv::spec::Request;

use crate::Bed;
use crate::system::{self, Rights};

/// Whoever calls the library in another process.
#[derive(Debug)]
pub struct Caller<'a> {
    pub(crate) bed: &'a Bed,
    pub(crate) program: PathBuf,
    pub(crate) rights: Rights,
}

/// How an operation ended.
#[derive(Debug)]
pub enum Ended {
    /// The process was ended by force, at the step that was asked for.
    Killed,
    /// The operation was finished; what the process wrote before.
    Survived(String),
    /// The operation failed, with this message.
    Failed(String),
}

impl<'a> Caller<'a> {
    /// A caller with the rights of the test. `program` is the program `crash-at` of this crate.
    pub fn new(bed: &'a Bed, program: impl Into<PathBuf>) -> Self {
        Self { bed, program: program.into(), rights: Rights::default() }
    }

    /// Returns a command for an operation.
    pub fn command(&self, operation: &str) -> Command {
        let mut command = self.rights.command(&self.program);
        command.arg(operation).arg("--root").arg(self.bed.state());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.current_dir("/").env("RUST_BACKTRACE", "0");
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
        if self.rights == Rights::default() {
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

    /// Runs a command, with a fault at this step.
    pub fn run(&self, command: &mut Command, fault: Option<u32>) -> Ended {
        if let Some(step) = fault {
            command.args(["--fault", &step.to_string()]);
        }
        // A process of a container may hold on to the streams of a caller that was killed.
        let log = self.bed.path(&format!("log-{:?}", std::thread::current().id()));
        let (output, errors) = (log.with_extension("out"), log.with_extension("err"));
        command.stdout(create(&output)).stderr(create(&errors));
        let status = command.status().unwrap();
        if system::was_killed(status) {
            return Ended::Killed;
        }
        match status.code() {
            Some(0) => Ended::Survived(text(&output).trim_end_matches("done\n").to_owned()),
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
