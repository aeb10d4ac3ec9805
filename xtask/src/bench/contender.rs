//! The programs that are compared, and how each is told to do a thing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::options::Options;
use super::place::{self, Place};
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

/// Runtimes of the package archive.
const PACKAGED: &[&str] = &["crun", "runc"];

/// How often the library does each thing, for one value.
const LIBRARY_REPETITIONS: &str = "20";

#[derive(Debug)]
enum Kind {
    /// What the kernel alone costs; it can only run a command, and start a process that ends at once.
    Floor,
    /// `cv`, and the program that measures the library.
    Cv(PathBuf, Option<PathBuf>),
    /// A program with the command line of an OCI runtime.
    Oci(Vec<String>),
}

#[derive(Debug)]
pub(super) struct Contender {
    name: String,
    kind: Kind,
    /// What it answers to `--version`.
    pub(super) version: String,
}

/// Something to do to the container `id`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Runs `noop` to its end and keeps nothing.
    Run,
    /// The same without a seccomp filter.
    RunUnfiltered,
    /// Creates a container for the program.
    Create(&'static str),
    /// Starts `pause` and comes back.
    RunDetached,
    Start,
    State,
    Delete,
    /// Kills and deletes.
    DeleteForce,
    /// Runs `noop` in it to its end.
    Exec,
}

/// One measured command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) milliseconds: f64,
    pub(super) peak_kib: f64,
}

/// What the library takes within a program, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Library {
    pub(super) spawn_ns: f64,
    pub(super) plan_ns: f64,
}

/// The floor, ours and the peers; one that does not run here is named with the reason and left out.
pub(super) fn all(options: &Options, place: &Place) -> Vec<Contender> {
    let mut contenders = Vec::new();
    if let Some(cv) = &options.cv {
        contenders.push(Contender::new("cv", Kind::Cv(cv.clone(), options.library.clone())));
    }
    contenders.push(Contender::new("floor", Kind::Floor));
    for name in PACKAGED.iter().filter(|name| workspace::find_program(name).is_some()) {
        contenders.push(Contender::new(name, Kind::Oci(vec![(*name).to_owned()])));
    }
    for (name, command) in &options.peers {
        let words = command.split_whitespace().map(str::to_owned).collect();
        contenders.push(Contender::new(name, Kind::Oci(words)));
    }
    contenders.retain(|contender| {
        let outcome = contender.act(place, Action::Run, "probe");
        if let Err(failure) = &outcome {
            println!("{} is left out, it does not run here: {failure}", contender.name);
        }
        outcome.is_ok()
    });
    contenders
}

impl Contender {
    fn new(name: &str, kind: Kind) -> Contender {
        let program = match &kind {
            Kind::Floor => None,
            Kind::Cv(path, _) => Some(path.display().to_string()),
            Kind::Oci(words) => words.first().cloned(),
        };
        let answer = program.and_then(|program| command::output(Command::new(program).arg("--version")).ok());
        let version = answer.and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default();
        Contender { name: name.to_owned(), kind, version }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Cv(..))
    }

    /// Whether it has containers that outlive a command.
    pub(super) fn has_state(&self) -> bool {
        !matches!(self.kind, Kind::Floor)
    }

    /// Does it, measured.
    pub(super) fn act(&self, place: &Place, action: Action, id: &str) -> Result<Measured> {
        self.measured(place, &[], &self.words(place, action, id))
    }

    /// Measures the library with the running container `id`; `None` for others than ours.
    pub(super) fn library(&self, place: &Place, id: &str) -> Result<Option<Library>> {
        let Kind::Cv(_, Some(program)) = &self.kind else { return Ok(None) };
        let words = [program.into(), place.state(&self.name).into(), id.into(), LIBRARY_REPETITIONS.into()];
        self.measured(place, &[], &words)?;
        let printed = workspace::read(&place.output())?;
        let last = printed.lines().last().unwrap_or_default();
        match last.split(' ').filter_map(|word| word.parse().ok()).collect::<Vec<f64>>()[..] {
            [spawn_ns, plan_ns] => Ok(Some(Library { spawn_ns, plan_ns })),
            _ => Err(Failure::new(format!("measure-library printed `{last}`"))),
        }
    }

    /// Runs `count` containers, `at_once` of them at the same time; the time is that of all.
    pub(super) fn run_many(&self, place: &Place, count: u32, at_once: u32, id: &str) -> Result<Measured> {
        let (count, at_once) = (count.to_string(), at_once.to_string());
        self.measured(
            place,
            &["-n", &count, "-p", &at_once],
            &self.words(place, Action::Run, &format!("{id}-{{}}")),
        )
    }

    /// Measures a command line given in full.
    pub(super) fn measured(&self, place: &Place, options: &[&str], words: &[OsString]) -> Result<Measured> {
        let mut measure = place.measure();
        measure.args(options).args(words);
        let text = command::output(&mut measure)?;
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [nanoseconds, peak_kib, status] = numbers[..] else {
            return Err(Failure::new(format!("measure printed `{}`", text.trim())));
        };
        if status != 0.0 {
            let said = std::fs::read_to_string(place.output()).unwrap_or_default();
            let shown = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
            return Err(Failure::new(format!("`{shown}`: exit code {status}: {}", said.trim_end())));
        }
        Ok(Measured { milliseconds: nanoseconds / 1e6, peak_kib })
    }

    /// The command line.
    pub(super) fn words(&self, place: &Place, action: Action, id: &str) -> Vec<OsString> {
        match &self.kind {
            Kind::Floor => floor_words(place, action),
            Kind::Cv(..) => {
                let mut words = self.cv(place);
                words.extend(cv_words(place, action, id));
                words
            }
            Kind::Oci(program) => {
                let mut words: Vec<OsString> = program.iter().map(OsString::from).collect();
                words.extend(["--root".into(), place.state(&self.name).into()]);
                words.extend(oci_words(place, action, &format!("containerv-bench-{id}")));
                words
            }
        }
    }

    /// `cv` and its state directory; nothing for others.
    fn cv(&self, place: &Place) -> Vec<OsString> {
        match &self.kind {
            Kind::Cv(cv, _) => vec![cv.into(), "--root".into(), place.state(&self.name).into()],
            Kind::Floor | Kind::Oci(_) => Vec::new(),
        }
    }

    /// Creates a container whose root is the directory `root`.
    pub(super) fn create_in(&self, place: &Place, root: &Path, id: &str) -> Vec<OsString> {
        let mut words = self.cv(place);
        words.extend(["create", "--name", id, "--network", "none", "--rootfs"].map(OsString::from));
        words.extend([root.into(), "/noop".into()]);
        words
    }

    pub(super) fn copy_words(&self, place: &Place, from: OsString, to: OsString) -> Vec<OsString> {
        let mut words = self.cv(place);
        words.extend(["cp".into(), "--quiet".into(), from, to]);
        words
    }

    /// Waits until the started container `id` has ended.
    pub(super) fn wait_stopped(&self, place: &Place, id: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let words = self.words(place, Action::State, id);
            let text = command::output(Command::new(&words[0]).args(&words[1..]))?;
            if text.contains("stopped") || text.contains("exited") {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::new(format!("{}: `{id}` does not end: {text}", self.name)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Removes every container that is left, when a case failed in the middle.
    pub(super) fn clean(&self, place: &Place) {
        if !self.has_state() {
            return;
        }
        for id in self.listed(place) {
            let id = id.strip_prefix("containerv-bench-").unwrap_or(&id).to_owned();
            let words = self.words(place, Action::DeleteForce, &id);
            let removed = Command::new(&words[0]).args(&words[1..]).stdout(Stdio::null()).status();
            if !removed.is_ok_and(|status| status.success()) {
                println!("{}: the container `{id}` is left behind", self.name);
            }
        }
        place::remove(&place.state(&self.name));
    }

    fn listed(&self, place: &Place) -> Vec<String> {
        let state = place.state(&self.name);
        let (program, arguments) = match &self.kind {
            Kind::Floor => return Vec::new(),
            Kind::Cv(cv, _) => (cv.clone().into_os_string(), vec!["ps", "-aq"]),
            Kind::Oci(words) => (OsString::from(&words[0]), vec!["list", "-q"]),
        };
        let output = command::output(Command::new(program).arg("--root").arg(state).args(arguments));
        output.map(|text| text.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
    }
}

/// What only looks at a container or changes it needs a process at least.
fn floor_words(place: &Place, action: Action) -> Vec<OsString> {
    if matches!(action, Action::State) {
        return vec![place.root().join("noop").into()];
    }
    let mut words: Vec<OsString> = vec![place.program("floor").into()];
    words.extend(matches!(action, Action::RunUnfiltered).then(|| "-u".into()));
    words.extend([place.root().into(), "/noop".into()]);
    words
}

fn cv_words(place: &Place, action: Action, id: &str) -> Vec<OsString> {
    let isolated = |verb: &[&str], program: &str| {
        let mut words: Vec<OsString> = verb.iter().map(OsString::from).collect();
        words.extend(["--network", "none", "--cgroupns", "host", "--rootfs"].map(OsString::from));
        words.push(place.root().into());
        words.push(format!("/{program}").into());
        words
    };
    let plain = |words: &[&str]| words.iter().map(OsString::from).collect();
    match action {
        Action::Run => isolated(&["run", "--rm"], "noop"),
        Action::RunUnfiltered => isolated(&["run", "--rm", "--security-opt", "seccomp=unconfined"], "noop"),
        Action::Create(program) => isolated(&["create", "--name", id], program),
        Action::RunDetached => isolated(&["run", "--detach", "--name", id], "pause"),
        Action::Start => plain(&["start", id]),
        Action::State => plain(&["inspect", id]),
        Action::Delete => plain(&["rm", id]),
        Action::DeleteForce => plain(&["rm", "-f", id]),
        Action::Exec => plain(&["exec", id, "/noop"]),
    }
}

fn oci_words(place: &Place, action: Action, id: &str) -> Vec<OsString> {
    let with_bundle = |verb: &[&str], program: &str| {
        let mut words: Vec<OsString> = verb.iter().map(OsString::from).collect();
        words.extend(["--bundle".into(), place.bundle(program).into(), id.into()]);
        words
    };
    let plain = |words: &[&str]| words.iter().map(OsString::from).collect();
    match action {
        Action::Run => with_bundle(&["run"], "noop"),
        Action::RunUnfiltered => with_bundle(&["run"], "unfiltered"),
        Action::Create(program) => with_bundle(&["create"], program),
        Action::RunDetached => with_bundle(&["run", "--detach"], "pause"),
        Action::Start => plain(&["start", id]),
        Action::State => plain(&["state", id]),
        Action::Delete => plain(&["delete", id]),
        Action::DeleteForce => plain(&["delete", "--force", id]),
        Action::Exec => plain(&["exec", id, "/noop"]),
    }
}
