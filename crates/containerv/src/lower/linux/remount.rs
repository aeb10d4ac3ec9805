//! Mounts that come and go while a container exists.
//!
//! A process clones the source as the host has it, in a mount namespace that it may clone from, joins that of the
//! container, and attaches the clone there by descriptor. What goes is compared with its source before.

use containerv_spec::OsText;
use containerv_spec::cgroup::GroupSet;
use containerv_spec::machine::Machine;
use containerv_spec::plan::{Action, LinuxPlan, Namespace, NamespaceSource, Phase, Slot, Supervisor};
use containerv_spec::request::{Mount, MountSource, Request};

use super::mounts::resolution;
use super::{Draft, Launch, Places, check, foreign};
use crate::ErrorKind::{InvalidArgument, NotFound, Unsupported};
use crate::{Error, Result};

/// A mount that comes or goes.
#[derive(Debug)]
pub(crate) struct Remount {
    /// The request after it.
    pub(crate) request: Request,
    /// What is done about a container that runs.
    pub(crate) plan: LinuxPlan,
}

/// Adds a mount to a container.
///
/// # Errors
///
/// Everything that is wrong with it, as at a creation; what cannot be added to a container that runs.
pub(crate) fn add_mount(
    request: &Request,
    mount: &Mount,
    machine: &Machine,
    places: &Places,
    running: bool,
) -> Result<Remount> {
    let mut changed = request.clone();
    changed.mounts.push(mount.clone());
    let mut draft = Draft::new(&changed, machine, places, Launch::Keeper);
    foreign::request(&mut draft);
    check::mounts(&mut draft);
    if request.mounts.iter().any(|other| same_path(&other.target, &mount.target)) {
        let message = format!("mount: something is mounted at `{}` already", mount.target);
        draft.problem(InvalidArgument, message, "take that away first: `cv update --mount-rm`");
    }
    draft.refuse_other_kinds("--mount-add", mount, running);
    draft.refuse_protected(mount, running);
    draft.add(mount);
    draft.remount(&changed)
}

/// Takes the mount at a target from a container.
///
/// # Errors
///
/// There is none; what cannot be taken from a container that runs.
pub(crate) fn remove_mount(
    request: &Request,
    target: &OsText,
    machine: &Machine,
    places: &Places,
    running: bool,
) -> Result<Remount> {
    let found = request.mounts.iter().rposition(|mount| same_path(&mount.target, target));
    let number = found.ok_or_else(|| {
        let name = request.called();
        let message = format!("cannot update container `{name}`: nothing is mounted at `{target}`");
        Error::new(NotFound, message).with_hint(format!("`cv inspect {name}` lists its mounts"))
    })?;
    let mut changed = request.clone();
    let mount = changed.mounts.remove(number);
    let mut draft = Draft::new(request, machine, places, Launch::Keeper);
    draft.refuse_other_kinds("--mount-rm", &mount, running);
    draft.remove(&mount);
    draft.remount(&changed)
}

/// Says whether two paths in a container are written alike but for slashes.
fn same_path(one: &OsText, other: &OsText) -> bool {
    let parts = |path: &OsText| -> Vec<Vec<u8>> {
        let parts = path.as_bytes().split(|byte| *byte == b'/');
        parts.filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec).collect()
    };
    parts(one) == parts(other)
}

impl Draft<'_> {
    /// Other kinds could not be told from what the container itself has mounted.
    fn refuse_other_kinds(&mut self, option: &str, mount: &Mount, running: bool) {
        if running && !matches!(mount.source, MountSource::Bind { .. }) {
            let name = self.request.called();
            let message = format!(
                "`{option}`: while the container runs, files and directories of the host come and go alone, and `{}` is \
                 none",
                mount.target
            );
            let hint = format!("end it first: `cv stop {name}`, `cv update`, `cv start {name}`");
            self.problem(Unsupported, message, &hint);
        }
    }

    /// What is mounted there at a start is hidden in parts afterwards.
    fn refuse_protected(&mut self, mount: &Mount, running: bool) {
        let mut parts = mount.target.as_bytes().split(|byte| *byte == b'/');
        let first = parts.find(|part| !part.is_empty() && *part != b".");
        if running && first == Some(b"sys") {
            let name = self.request.called();
            let message =
                format!("`--mount-add`: nothing is mounted at `{}` while the container runs", mount.target);
            let hint = format!("end it first: `cv stop {name}`, `cv update`, `cv start {name}`");
            self.problem(Unsupported, message, &hint);
        }
    }

    fn add(&mut self, mount: &Mount) {
        if let (MountSource::Bind { path, .. }, true) = (&mount.source, mount.options.create_source) {
            self.host(Action::MakeSource { path: path.clone() });
        }
        self.push(Phase::Outer, Action::Hide);
        // Only a mount namespace of its own user namespace lets the process clone from it.
        let mut namespaces = Vec::new();
        if self.user_namespace {
            self.join(&[Namespace::User]);
            namespaces.push(Namespace::Mount);
        }
        self.go_inside(namespaces);
        let slot = self.clone_source(mount);
        self.inside(Action::JoinNamespaces {
            source: NamespaceSource::Own,
            namespaces: vec![Namespace::Mount],
        });
        self.inside(Action::OpenRoot { path: "/".into() });
        if self.user_namespace {
            // A missing mount point belongs to the container's root, as at a creation.
            self.inside(Action::BecomeRoot);
            self.inside(Action::Hide);
        }
        if let Some(slot) = slot {
            self.attach_mount(slot, mount);
        }
    }

    fn remove(&mut self, mount: &Mount) {
        let MountSource::Bind { path, .. } = &mount.source else { return };
        let slot = self.slot();
        self.push(Phase::Outer, Action::OpenHost { slot, path: path.clone() });
        self.push(Phase::Outer, Action::OpenHost { slot: Slot::PROC, path: "/proc".into() });
        self.push(Phase::Outer, Action::Hide);
        let user: &[Namespace] = if self.user_namespace { &[Namespace::User] } else { &[] };
        self.join(&[user, &[Namespace::Mount]].concat());
        self.go_inside(Vec::new());
        self.inside(Action::OpenRoot { path: "/".into() });
        let (target, read_only) = (mount.target.clone(), mount.read_only);
        self.inside(Action::Detach { slot, target, read_only, resolve: resolution(mount) });
    }

    fn join(&mut self, namespaces: &[Namespace]) {
        let namespaces = namespaces.to_vec();
        self.push(Phase::Outer, Action::JoinNamespaces { source: NamespaceSource::Own, namespaces });
    }

    /// Goes on in a process that the library waits for.
    fn go_inside(&mut self, namespaces: Vec<Namespace>) {
        let supervisor = Supervisor::Caller;
        self.push(Phase::Outer, Action::Start { namespaces, group: None, supervisor });
        self.push(Phase::Beside, Action::Release);
        self.inside(Action::Await);
    }

    fn remount(self, changed: &Request) -> Result<Remount> {
        if !self.problems.is_empty() {
            let message = format!("cannot update container `{}`", changed.called());
            return Err(Error::problems(message, self.problems));
        }
        let plan = LinuxPlan {
            container: changed.id.clone(),
            notes: self.notes,
            steps: self.steps,
            groups: GroupSet::default(),
        };
        Ok(Remount { request: changed.clone(), plan })
    }
}
