//! Lowering for the Linux backend.
//!
//! The order of the steps is dictated by the kernel. Trees of the host are cloned first, while
//! their paths still mean what the caller meant and the caller's ids still reach them. Then the
//! root is attached, ids are taken, file systems are made and attached in the root by descriptor,
//! the root is pivoted to, and privileges go last.

mod check;
mod foreign;
mod identity;
mod join;
mod layers;
mod mounts;
mod process;
mod remount;
mod root;
mod shifted;
#[cfg(test)]
mod tests;

use containerv_spec::cgroup::{DeviceKind, DeviceRule};
use containerv_spec::machine::Machine;
use containerv_spec::plan::{Action, LinuxPlan, Namespace, Phase, Slot, Step, Supervisor};
use containerv_spec::request::{Lifetime, LogDriver, Network, Request, Share, TimeNamespace};
use containerv_spec::{Capability, OsText};

use crate::lower::cgroup;
use crate::{Error, ErrorKind, Result};

pub(crate) use identity::{automatic_maps, wants_user_namespace};
pub(crate) use join::{Joined, Membership, join, membership};
pub(crate) use layers::{has_layers, layer_directory, layer_name, overlay_options};
pub(crate) use mounts::mount_points;
pub(crate) use process::DEFAULT_PATH;
pub(crate) use remount::{Remount, add_mount, remove_mount};
pub(crate) use root::{HOST_IMAGE_PATHS, SYSTEM_DIRECTORIES};

/// Who will wait for the container's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launch {
    /// Nobody: it is a keeper. For requests without a process.
    Keeper,
    /// The caller, whose standard streams it uses.
    Attached {
        /// The calling thread is the process's main thread.
        main_thread: bool,
    },
    /// A monitor; it waits for `start`.
    Prepared,
    /// A monitor; it starts at once.
    Detached,
}

/// Where a container's own files are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The container's directory.
    pub(crate) directory: OsText,
    /// The directory of names.
    pub(crate) names: OsText,
}

/// A plan under construction.
struct Draft<'a> {
    request: &'a Request,
    machine: &'a Machine,
    places: &'a Places,
    launch: Launch,
    /// The container gets a user namespace of its own.
    user_namespace: bool,
    steps: Vec<Step>,
    notes: Vec<String>,
    problems: Vec<Error>,
    next_slot: u16,
    /// Where the root is made.
    root_phase: Phase,
    /// Mounts that become read-only once everything is mounted in them, and their paths.
    protected: Vec<(Slot, OsText)>,
}

/// Lowers a request. Every problem is reported, each naming its option.
pub(crate) fn lower(
    request: &Request,
    machine: &Machine,
    places: &Places,
    launch: Launch,
) -> Result<LinuxPlan> {
    let mut draft = Draft::new(request, machine, places, launch);
    foreign::request(&mut draft);
    check::request(&mut draft);
    draft.host_steps();
    let groups = draft.groups();
    draft.outer_steps(&groups);
    draft.inside_steps(&groups);
    if !draft.problems.is_empty() {
        let name = request.called();
        return Err(Error::problems(format!("cannot create container `{name}`"), draft.problems));
    }
    Ok(LinuxPlan { container: request.id.clone(), notes: draft.notes, steps: draft.steps, groups })
}

/// Lowers a view of a container that does not run: its root with all mounts, held by a keeper that
/// ends with the caller. Of the steps of the host only copies of layers stay, which may be missing if
/// something was mounted below a layer since the container was made.
pub(crate) fn view(request: &Request, machine: &Machine, places: &Places) -> Result<LinuxPlan> {
    let mut request = request.clone();
    (request.process, request.name) = (None, None);
    (request.lifetime, request.network) = (Lifetime::OwnerBound, Network::None);
    (request.limits, request.security.oom_score_adj) = Default::default();
    for share in [&mut request.namespaces.pid, &mut request.namespaces.ipc, &mut request.namespaces.uts] {
        *share = Share::Private;
    }
    let machine = Machine { cgroups: containerv_spec::facts::CgroupFacts::default(), ..machine.clone() };
    let mut plan = lower(&request, &machine, places, Launch::Keeper)?;
    plan.steps.retain(|step| step.phase != Phase::Host || matches!(step.action, Action::CopyTree { .. }));
    Ok(plan)
}

impl<'a> Draft<'a> {
    fn new(request: &'a Request, machine: &'a Machine, places: &'a Places, launch: Launch) -> Self {
        Self {
            request,
            machine,
            places,
            launch,
            user_namespace: identity::wants_user_namespace(request, machine),
            steps: Vec::with_capacity(96),
            notes: Vec::new(),
            problems: Vec::new(),
            next_slot: Slot::FIRST_FREE.0,
            root_phase: Phase::Inside,
            protected: Vec::new(),
        }
    }
}

impl Draft<'_> {
    fn push(&mut self, phase: Phase, action: Action) {
        self.steps.push(Step { phase, action });
    }

    fn host(&mut self, action: Action) {
        self.push(Phase::Host, action);
    }

    fn inside(&mut self, action: Action) {
        self.push(Phase::Inside, action);
    }

    fn problem(&mut self, kind: ErrorKind, message: impl Into<String>, hint: &str) {
        self.problems.push(Error::new(kind, message).with_hint(hint));
    }

    fn slot(&mut self) -> Slot {
        self.next_slot += 1;
        Slot(self.next_slot - 1)
    }

    fn file(&self, name: &str) -> OsText {
        self.places.directory.join(name)
    }

    fn supervised(&self) -> bool {
        matches!(self.launch, Launch::Prepared | Launch::Detached)
    }

    fn host_steps(&mut self) {
        self.host(Action::MakeDirectory { path: self.places.directory.clone(), mode: 0o700 });
        if let Some(name) = &self.request.name {
            self.host(Action::ReserveName { path: self.places.names.join(name) });
        }
        self.host(Action::StoreRequest { path: self.file("config.json") });
        self.root_directories();
        self.network_files();
        self.missing_sources();
        if self.supervised() {
            self.host(Action::Listen { path: self.file("control") });
        }
    }

    /// The container's control groups; joined by the new process itself.
    fn groups(&mut self) -> containerv_spec::cgroup::GroupSet {
        let devices = self.device_rules();
        let wanted = cgroup::Wanted {
            limits: &self.request.limits,
            devices: devices.as_deref(),
            parent: self.request.cgroup_parent.as_ref(),
            name: self.request.id.as_str(),
        };
        match cgroup::plan(&self.machine.cgroups, &wanted) {
            Ok(plan) => {
                for step in plan.steps {
                    self.host(Action::Cgroup { step });
                }
                self.notes.extend(plan.notes);
                plan.groups
            }
            Err(problems) => {
                self.problems.extend(problems);
                containerv_spec::cgroup::GroupSet::default()
            }
        }
    }

    /// The device filter: needed only where nodes can be made or access is narrowed, because the
    /// mounts of a container make device nodes of the host useless.
    fn device_rules(&self) -> Option<Vec<DeviceRule>> {
        let security = &self.request.security;
        let narrowed =
            self.request.devices.iter().any(|device| device.access != "rwm" && device.access != "rw");
        let makes_nodes = security.capabilities.0.contains(Capability::MKNOD) && !self.user_namespace;
        if security.privileged || !(makes_nodes || narrowed) {
            return None;
        }
        let mut rules: Vec<DeviceRule> =
            mounts::DEFAULT_DEVICES.iter().map(|device| character(device.1, Some(device.2))).collect();
        // ptmx and the terminals of devpts, which has majors 136 to 143; containers get the first.
        rules.extend([character(5, Some(2)), character(136, None), character(5, Some(0))]);
        for device in &self.request.devices {
            let allows = |letter| device.access.contains(letter);
            rules.extend(device.number.map(|number| DeviceRule {
                kind: if device.block { DeviceKind::Block } else { DeviceKind::Character },
                major: Some(number.major),
                minor: Some(number.minor),
                read: allows('r'),
                write: allows('w'),
                make: allows('m'),
            }));
        }
        Some(rules)
    }

    fn outer_steps(&mut self, groups: &containerv_spec::cgroup::GroupSet) {
        if let Some(value) = self.request.security.oom_score_adj {
            self.push(Phase::Outer, Action::AdjustOomScore { value });
        }
        // A keeper too is nobody's child: whoever removes it, nobody has to reap it. This comes before
        // namespaces are joined: a process that is made in another PID namespace counts its
        // children there, and the number that it reports would be somebody else's here.
        if self.supervised() || self.launch == Launch::Keeper {
            self.push(Phase::Outer, Action::Daemonize);
        }
        self.shifted_root();
        if let TimeNamespace::Offsets { monotonic_seconds, boottime_seconds } = self.request.namespaces.time {
            let clocks = containerv_spec::plan::Clocks { monotonic_seconds, boottime_seconds };
            self.push(Phase::Outer, Action::ShiftClocks(clocks));
        }
        self.join_others();
        let namespaces = self.new_namespaces();
        let group = groups.clone_into().cloned();
        self.push(Phase::Outer, Action::Start { namespaces, group, supervisor: self.supervisor() });
        if let Some(maps) = self.id_maps() {
            self.push(Phase::Beside, Action::MapIds(maps));
        }
        if let Network::Veth(veth) = &self.request.network {
            self.push(Phase::Beside, Action::MakeVeth(veth.clone()));
        }
        self.push(Phase::Beside, Action::Release);
    }

    fn supervisor(&self) -> Supervisor {
        let request = self.request;
        match (&request.process, self.supervised()) {
            (Some(process), true) => Supervisor::Monitor {
                terminal: process.terminal.is_some(),
                stdin: process.open_stdin,
                log: request.log.driver == LogDriver::JsonFile,
                log_bytes: request.log.max_bytes,
                log_files: request.log.max_files,
                auto_remove: request.auto_remove,
                owner_bound: request.lifetime == Lifetime::OwnerBound,
            },
            _ => Supervisor::Caller,
        }
    }

    fn new_namespaces(&self) -> Vec<Namespace> {
        let own = &self.request.namespaces;
        let private = |share: &Share| *share == Share::Private;
        let network = matches!(self.request.network, Network::None | Network::Veth(_));
        // The cgroup namespace comes later: its root is the group that the process is in by then.
        [
            (self.user_namespace && !self.joins_user_namespace(), Namespace::User),
            (own.mount, Namespace::Mount),
            (private(&own.pid), Namespace::Pid),
            (network, Namespace::Network),
            (private(&own.ipc), Namespace::Ipc),
            (private(&own.uts), Namespace::Uts),
        ]
        .into_iter()
        .filter(|entry| entry.0)
        .map(|entry| entry.1)
        .collect()
    }

    fn inside_steps(&mut self, groups: &containerv_spec::cgroup::GroupSet) {
        for file in groups.join_files_v1() {
            self.inside(Action::JoinGroup { file });
        }
        let mapped = self.user_namespace && !self.joins_user_namespace();
        let wait_first = mapped || matches!(self.request.network, Network::Veth(_));
        if wait_first {
            self.inside(Action::Await);
        }
        let namespaces = &self.request.namespaces;
        if namespaces.mount {
            self.mounted_root(groups);
        } else {
            self.bare_root();
        }
        self.identity_steps(groups);
        self.process_steps(!wait_first);
    }
}

fn character(major: u32, minor: Option<u32>) -> DeviceRule {
    DeviceRule { kind: DeviceKind::Character, major: Some(major), minor, read: true, write: true, make: true }
}
