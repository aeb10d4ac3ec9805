//! The container's process.

use containerv_spec::plan::{Action, CallFilter, Execution, Privileges};
use containerv_spec::request::{Lifetime, Process, Seccomp, Security};
use containerv_spec::{CapabilitySet, OsText};

use super::{Draft, Launch};
use crate::{Error, Result, seccomp};

/// Where programs are looked for when the environment has no `PATH`; Docker's value.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The mask of a command that asks for no other.
const DEFAULT_UMASK: u32 = 0o022;

impl Draft<'_> {
    /// Everything from the session to the execution. With `release`, the process waits for the
    /// library's word before the last step: only what is recorded may run.
    pub(super) fn process_steps(&mut self, release: bool) {
        let Some(process) = &self.request.process else {
            self.keeper_steps(release);
            return;
        };
        self.inside(Action::NewSession);
        let attached = matches!(self.launch, Launch::Attached { .. });
        push_streams(&mut |action| self.inside(action), process, true);
        let owner_bound = self.request.lifetime == Lifetime::OwnerBound;
        let by_thread = attached && self.launch != (Launch::Attached { main_thread: true });
        // The kernel ties the death signal to the thread that made the process, so for any but
        // the main thread an init watches the owner instead.
        let init_watches = owner_bound && attached;
        let init = self.request.init || (init_watches && by_thread);
        self.inside(Action::CloseDescriptors { except_owner: init && init_watches });
        let filter = self.filter();
        let privileges = self.privileges();
        let mut actions = Vec::new();
        push_identity(&mut actions, process, &self.request.security, privileges, filter);
        for action in actions {
            self.inside(action);
        }
        if !attached || (owner_bound && !by_thread) {
            self.inside(Action::DieWithSupervisor);
        }
        if release {
            self.inside(Action::Await);
        }
        if self.launch == Launch::Prepared {
            self.inside(Action::WaitForStart { path: self.file("gate") });
        }
        if init {
            self.inside(Action::StayAsInit { owner_bound: init_watches });
        }
        self.inside(Action::Execute(execution(process)));
    }

    /// A keeper has nothing that a container's process could want: no streams, no terminal.
    fn keeper_steps(&mut self, release: bool) {
        self.inside(Action::NewSession);
        if release {
            self.inside(Action::Await);
        }
        self.inside(Action::Keep { owner_bound: self.request.lifetime == Lifetime::OwnerBound });
    }

    fn privileges(&self) -> Privileges {
        privileges(&self.request.security, self.machine.capabilities, self.user_namespace)
    }

    fn filter(&mut self) -> Option<CallFilter> {
        match call_filter(&self.request.security, self.machine.kernel) {
            Ok((filter, unknown)) => {
                if !unknown.is_empty() {
                    self.notes
                        .push(format!("the seccomp profile names unknown calls: {}", unknown.join(", ")));
                }
                filter
            }
            Err(error) => {
                self.problems.push(error);
                None
            }
        }
    }
}

/// Terminal or streams.
pub(super) fn push_streams(push: &mut dyn FnMut(Action), process: &Process, console: bool) {
    match process.terminal {
        Some(size) => push(Action::MakeTerminal { size, console }),
        None => push(Action::ConnectStreams),
    }
}

/// User, directory, limits, privileges and filter, in the order that they allow each other.
pub(super) fn push_identity(
    actions: &mut Vec<Action>,
    process: &Process,
    security: &Security,
    privileges: Privileges,
    filter: Option<CallFilter>,
) {
    actions.push(Action::ResolveUser { user: process.user.clone(), groups: process.groups.clone() });
    actions.push(Action::EnterDirectory { path: process.cwd.clone(), create: process.create_cwd });
    for limit in &process.rlimits {
        actions.push(Action::SetRlimit(*limit));
    }
    actions.push(Action::SetUmask { mask: process.umask.unwrap_or(DEFAULT_UMASK) });
    // With no_new_privs the filter comes last and sees only the execution; without, it can only
    // be installed while the process is still privileged.
    let early = security.allow_new_privileges || security.privileged;
    if early {
        actions.extend(filter.clone().map(Action::FilterCalls));
    }
    actions.push(Action::DropPrivileges(privileges));
    if !early {
        actions.push(Action::NoNewPrivileges);
        actions.extend(filter.map(Action::FilterCalls));
    }
}

/// The capability sets: what was asked for, as far as the caller can give it.
pub(super) fn privileges(security: &Security, caller: CapabilitySet, user_namespace: bool) -> Privileges {
    let asked = if security.privileged { CapabilitySet::ALL } else { security.capabilities.0 };
    let bounding = if user_namespace { asked } else { asked.intersection(caller) };
    Privileges { bounding, effective: bounding, ambient: CapabilitySet::EMPTY }
}

/// The system call filter, and names in its profile that are not known.
pub(super) fn call_filter(
    security: &Security,
    kernel: (u32, u32),
) -> Result<(Option<CallFilter>, Vec<String>)> {
    if security.privileged {
        return Ok((None, Vec::new()));
    }
    let context = seccomp::Context { capabilities: security.capabilities.0, kernel };
    match &security.seccomp {
        Seccomp::Unconfined => Ok((None, Vec::new())),
        Seccomp::Default => {
            let program = seccomp::default_filter(&context)?;
            let filter = CallFilter {
                profile: "default".to_owned(),
                instructions: program.len() / 8,
                flags: 0,
                program,
            };
            Ok((Some(filter), Vec::new()))
        }
        Seccomp::Profile(profile) => {
            let filter = seccomp::compile(profile, &context)
                .map_err(|error| Error::context(error, "`--security-opt seccomp`"))?;
            let program = filter.to_bytes();
            let flags = filter.flags;
            let filter_out = CallFilter {
                profile: "custom".to_owned(),
                instructions: program.len() / 8,
                flags,
                program: program.into(),
            };
            Ok((Some(filter_out), filter.unknown))
        }
    }
}

/// The program: looked for in `PATH` unless it has a slash.
pub(super) fn execution(process: &Process) -> Execution {
    let program = process.program.as_ref().or(process.args.first()).cloned().unwrap_or_default();
    let search = process.search_path && !program.as_bytes().contains(&b'/');
    let candidates = if search { in_path(&process.env, &program) } else { vec![program] };
    let has_home = process.env.iter().any(|entry| entry.as_bytes().starts_with(b"HOME="));
    Execution {
        candidates,
        arguments: process.args.clone(),
        environment: process.env.clone(),
        add_home: process.set_home && !has_home,
    }
}

fn in_path(environment: &[OsText], program: &OsText) -> Vec<OsText> {
    let last = environment.iter().rev().find_map(|entry| entry.as_bytes().strip_prefix(b"PATH="));
    let path = last.unwrap_or(DEFAULT_PATH.as_bytes());
    // An empty entry would mean the working directory; nobody means that in a container.
    let directories = path.split(|byte| *byte == b':').filter(|directory| !directory.is_empty());
    directories.map(|directory| OsText::from_bytes(directory).join(program)).collect()
}
