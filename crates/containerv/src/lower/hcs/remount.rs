//! Mounts that come and go while a container exists.
//!
//! A job of a process-isolated container takes and gives back directories, files and named pipes; the first
//! generation's request, for virtual machines, knows directories and files alone.

use containerv_spec::OsText;
use containerv_spec::hcs::machine::WindowsMachine;
use containerv_spec::hcs::request::{ModifyContainer, ModifyV1, RequestType};
use containerv_spec::hcs::system::MappedDirectory;
use containerv_spec::hcs::{path, v1};
use containerv_spec::plan::hcs::{Call, HcsIsolation};
use containerv_spec::request::{Mount, Request};

use super::storage::{Ends, in_container};
use super::update::{LiveChange, Modification};
use super::{DATA_ROOT, Draft, Places};
use crate::ErrorKind::{NotFound, Unsupported};
use crate::{Error, Result};

/// What options of the command line ask for it.
const ADD: &str = "--mount-add";
const REMOVE: &str = "--mount-rm";

/// A mount that comes or goes.
#[derive(Clone, Debug)]
pub(crate) struct MountChange {
    /// The request after it.
    pub(crate) request: Request,
    mount: Mount,
    ends: Ends,
    isolation: HcsIsolation,
}

/// Adds a mount to a container.
///
/// # Errors
///
/// Everything that is wrong with it, as at a creation; what cannot be added to a container that runs.
pub(crate) fn add_mount(
    request: &Request,
    mount: &Mount,
    machine: &WindowsMachine,
    isolation: HcsIsolation,
    running: bool,
) -> Result<MountChange> {
    let mut changed = request.clone();
    changed.mounts.push(mount.clone());
    let places = Places::below(DATA_ROOT, &request.id);
    let mut draft = Draft::new(&changed, machine, &places, isolation);
    draft.mounts();
    if !draft.problems.is_empty() {
        let message = format!("cannot update container `{}`", request.called());
        return Err(Error::problems(message, draft.problems));
    }
    let Some(ends) = draft.ends(mount) else { return Err(unknown(request, &mount.target)) };
    let change = MountChange { request: changed, mount: mount.clone(), ends, isolation };
    change.refuse_pipe(ADD, running)?;
    Ok(change)
}

/// Takes the mount at a target from a container.
///
/// # Errors
///
/// There is none; what cannot be taken from a container that runs.
pub(crate) fn remove_mount(
    request: &Request,
    target: &OsText,
    machine: &WindowsMachine,
    isolation: HcsIsolation,
    running: bool,
) -> Result<MountChange> {
    let text = target.to_str().unwrap_or_default();
    let pipe = path::pipe_name(text).map(|name| format!(r"\\.\pipe\{name}"));
    let wanted = pipe.or_else(|| in_container(text).ok()).ok_or_else(|| unknown(request, target))?;
    let places = Places::below(DATA_ROOT, &request.id);
    let mut draft = Draft::new(request, machine, &places, isolation);
    let found = request.mounts.iter().enumerate().find_map(|(number, mount)| {
        let ends = draft.ends(mount)?;
        // Names that differ in case only are the same on Windows.
        (ends.target().to_lowercase() == wanted.to_lowercase()).then_some((number, ends))
    });
    let (number, ends) = found.ok_or_else(|| unknown(request, target))?;
    let mut changed = request.clone();
    let mount = changed.mounts.remove(number);
    let change = MountChange { request: changed, mount, ends, isolation };
    change.refuse_pipe(REMOVE, running)?;
    Ok(change)
}

fn unknown(request: &Request, target: &OsText) -> Error {
    let name = request.called();
    let message = format!("cannot update container `{name}`: nothing is mounted at `{target}`");
    Error::new(NotFound, message).with_hint(format!("`cv inspect {name}` lists its mounts"))
}

impl MountChange {
    /// What is done on the host before a running system is told of a mount that comes: the last call finds where
    /// its source leads.
    pub(crate) fn look_up(&self) -> Vec<Call> {
        let Ends::Path { host, .. } = &self.ends else { return Vec::new() };
        let found = containerv_spec::hcs::Found::MountSource(0);
        let make = self.mount.options.create_source.then(|| Call::MakeSource { path: host.clone() });
        make.into_iter().chain([Call::ResolvePath { path: host.clone(), found }]).collect()
    }

    /// What a running system is told when it comes, if its source leads there.
    pub(crate) fn comes(&self, source: &str) -> LiveChange {
        let [add, remove] = self.told(source);
        LiveChange { option: ADD, set: add, undo: Some(remove) }
    }

    /// What a running system is told when it goes: it is found by its path in the container. What could not be taken
    /// away is still there.
    pub(crate) fn goes(&self) -> LiveChange {
        let Ends::Path { host, .. } = &self.ends else {
            let [_, remove] = self.told("");
            return LiveChange { option: REMOVE, set: remove, undo: None };
        };
        let [_, remove] = self.told(host);
        LiveChange { option: REMOVE, set: remove, undo: None }
    }

    fn told(&self, source: &str) -> [Modification; 2] {
        use Modification::{Current, First};
        match (&self.ends, self.isolation) {
            (Ends::Path { container, .. }, HcsIsolation::Process) => {
                let directory = MappedDirectory {
                    host_path: source.into(),
                    container_path: container.clone(),
                    read_only: self.mount.read_only,
                };
                let remove = ModifyContainer::RemoveDirectory(directory.clone());
                [Current(ModifyContainer::AddDirectory(directory)), Current(remove)]
            }
            (Ends::Path { container, .. }, HcsIsolation::Hyperv) => {
                let directory = v1::MappedDirectory {
                    host_path: source.into(),
                    container_path: container.clone(),
                    read_only: self.mount.read_only,
                    bandwidth_maximum: 0,
                    iops_maximum: 0,
                    create_in_utility_vm: false,
                };
                [RequestType::Add, RequestType::Remove]
                    .map(|request| First(ModifyV1::directory(request, directory.clone())))
            }
            (Ends::Pipe(pipe), _) => [
                Current(ModifyContainer::AddPipe(pipe.clone())),
                Current(ModifyContainer::RemovePipe(pipe.clone())),
            ],
        }
    }

    /// The first generation has no request for pipes.
    fn refuse_pipe(&self, option: &str, running: bool) -> Result<()> {
        let pipe = matches!(self.ends, Ends::Pipe(_));
        if !running || !pipe || self.isolation == HcsIsolation::Process {
            return Ok(());
        }
        let name = self.request.called();
        let message = format!(
            "cannot update container `{name}`: `{option}`: named pipes of a Hyper-V isolated container cannot be \
             changed while it runs"
        );
        Err(Error::new(Unsupported, message)
            .with_hint(format!("end it first: `cv stop {name}`, `cv update`, `cv start {name}`")))
    }
}
