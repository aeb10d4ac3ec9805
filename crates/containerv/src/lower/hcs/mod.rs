//! Lowering for Windows: a request to calls of the compute, network and storage services.
//!
//! Process isolation uses the container document of schema 2.1 and computecore.dll. Hyper-V isolation uses the
//! container document of schema 1 and vmcompute.dll, with which the service starts the virtual machine, stacks
//! the layers in it and hosts the container by itself; a lowering to a utility machine and the guest's
//! protocol would be a third arm beside these two, with the same steps for layers and network.
//!
//! The order is dictated by the services: endpoints before the namespace that they join, the namespace before
//! the system that names it, the scratch activated before it is prepared, and for Hyper-V not activated at
//! all, for the virtual machine opens its disk itself.

mod check;
mod isolation;
mod network;
mod process;
#[cfg(any(windows, test))]
mod remount;
mod resources;
mod storage;
mod system;
mod tag;
#[cfg(test)]
mod tests;
#[cfg(any(windows, test))]
mod update;

use containerv_spec::hcs::machine::WindowsMachine;
use containerv_spec::hcs::process::ProcessParameters;
use containerv_spec::plan::Plan;
use containerv_spec::plan::hcs::{Call, HcsIsolation, HcsPlan, HcsStep, Stage};
use containerv_spec::request::{CredentialSpec, Process, Request};
use containerv_spec::{ContainerId, OsText, hcs};

use crate::{Error, ErrorKind, Result};
pub(crate) use process::Streams;
#[cfg(windows)]
pub(crate) use remount::MountChange;
#[cfg(any(windows, test))]
pub(crate) use remount::{add_mount, remove_mount};
#[cfg(any(windows, test))]
pub(crate) use tag::Owned;
pub(crate) use tag::Tag;
#[cfg(any(windows, test))]
pub(crate) use update::{LiveChange, Modification, update};

/// The first part of what documents name as the owner of a compute system, and of names of endpoints.
const OWNER: &str = "containerv";

/// Where data is kept on Windows.
const DATA_ROOT: &str = r"C:\ProgramData\containerv";

/// Where a container's own files are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The container's directory.
    pub(crate) directory: OsText,
    /// The directory of names.
    pub(crate) names: OsText,
    /// The directory of credential specifications.
    pub(crate) credentials: OsText,
    /// Whose things of the services these are.
    pub(crate) tag: Tag,
}

impl Places {
    /// Below a data root.
    pub(crate) fn below(root: &str, id: &ContainerId) -> Self {
        Self {
            directory: format!("{root}\\containers\\{id}").into(),
            names: format!("{root}\\names").into(),
            credentials: format!("{root}\\CredentialSpecs").into(),
            tag: Tag::of_root(root),
        }
    }

    /// The folder of the writable layer.
    pub(crate) fn scratch(&self) -> OsText {
        below(&self.directory, "scratch")
    }
}

/// A plan under construction.
struct Draft<'a> {
    request: &'a Request,
    machine: &'a WindowsMachine,
    places: &'a Places,
    isolation: HcsIsolation,
    steps: Vec<HcsStep>,
    notes: Vec<String>,
    problems: Vec<Error>,
}

/// Lowers a request for a Windows machine, without one. Data are taken to be in `C:\ProgramData\containerv`.
///
/// The same request and machine give the same plan on every system.
///
/// # Errors
///
/// Everything that is wrong with the request, as [`Error::all_problems`].
pub fn plan_windows(request: &Request, machine: &WindowsMachine) -> Result<Plan> {
    lower(request, machine, &Places::below(DATA_ROOT, &request.id)).map(Plan::Hcs)
}

/// Lowers a request. Every problem is reported, each naming its option.
pub(crate) fn lower(request: &Request, machine: &WindowsMachine, places: &Places) -> Result<HcsPlan> {
    let (isolation, note, problems) = isolation::choose(request, machine);
    let mut draft = Draft {
        notes: note.into_iter().collect(),
        problems,
        ..Draft::new(request, machine, places, isolation)
    };
    check::request(&mut draft);
    draft.own_files();
    let layers = draft.layers();
    draft.scratch(&layers);
    let mounts = draft.mounts();
    let joined = draft.network();
    let volume = draft.volume(&layers);
    draft.system(layers, mounts, joined, volume);
    draft.process();
    if !draft.problems.is_empty() {
        let name = request.name.as_deref().unwrap_or(request.id.short());
        return Err(Error::problems(format!("cannot create container `{name}`"), draft.problems));
    }
    Ok(HcsPlan {
        container: request.id.clone(),
        isolation,
        machine: machine.clone(),
        notes: draft.notes,
        steps: draft.steps,
    })
}

/// Lowers a further process of a container: what the service takes for it.
///
/// # Errors
///
/// Everything that is wrong with the process.
#[cfg_attr(not(windows), allow(dead_code, reason = "called where containers of Windows run"))]
pub(crate) fn process_parameters(
    request: &Request,
    process: &Process,
    streams: Streams,
) -> Result<ProcessParameters> {
    let (machine, places) = (WindowsMachine::assumed(), Places::below(DATA_ROOT, &request.id));
    let mut draft = Draft::new(request, &machine, &places, HcsIsolation::Process);
    draft.check_process(process);
    let parameters = draft.parameters(process, streams);
    if draft.problems.is_empty() {
        return Ok(parameters);
    }
    let name = request.called();
    Err(Error::problems(format!("cannot start a process in container `{name}`"), draft.problems))
}

impl<'a> Draft<'a> {
    fn new(
        request: &'a Request,
        machine: &'a WindowsMachine,
        places: &'a Places,
        isolation: HcsIsolation,
    ) -> Self {
        let (steps, notes, problems) = (Vec::new(), Vec::new(), Vec::new());
        Self { request, machine, places, isolation, steps, notes, problems }
    }
}

impl Draft<'_> {
    fn push(&mut self, stage: Stage, call: Call, undo: Vec<Call>) {
        self.steps.push(HcsStep::new(stage, call, undo));
    }

    fn problem(&mut self, kind: ErrorKind, message: impl Into<String>, hint: &str) {
        self.problems.push(Error::new(kind, message).with_hint(hint));
    }

    fn is_hyperv(&self) -> bool {
        self.isolation == HcsIsolation::Hyperv
    }

    fn file(&self, name: &str) -> OsText {
        below(&self.places.directory, name)
    }

    fn own_files(&mut self) {
        let path = self.places.directory.clone();
        let undo = vec![Call::RemoveDirectory { path: path.clone() }];
        self.push(Stage::Create, Call::MakeDirectory { path }, undo);
        if let Some(name) = &self.request.name {
            let path = below(&self.places.names, name);
            let undo = vec![Call::ReleaseName { path: path.clone() }];
            self.push(Stage::Create, Call::ReserveName { path }, undo);
        }
        let path = self.file("config.json");
        self.push(Stage::Create, Call::StoreRequest { path }, Vec::new());
    }

    /// Where the credential specification is, absolute.
    fn credential_source(&mut self) -> Option<CredentialSpec> {
        let source = self.request.security.credential_spec.clone()?;
        let CredentialSpec::File(path) = &source else { return Some(source) };
        let text = path.to_str().unwrap_or_default();
        let absolute = hcs::path::on_host(text)
            .or_else(|_| Ok(below(&self.places.credentials, &hcs::path::confined(text)?).to_string()));
        match absolute {
            Ok(path) => Some(CredentialSpec::File(path.into())),
            Err(problem) => {
                let problem: hcs::path::PathProblem = problem;
                self.problem(
                    ErrorKind::InvalidArgument,
                    format!("`--security-opt credentialspec=file://{path}`: {problem}"),
                    "give an absolute path, or the name of a file in the directory `CredentialSpecs`",
                );
                None
            }
        }
    }
}

fn below(directory: &OsText, name: &str) -> OsText {
    OsText::from_bytes([directory.as_bytes(), b"\\", name.as_bytes()].concat())
}
