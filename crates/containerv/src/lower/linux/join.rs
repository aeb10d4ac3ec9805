//! Lowering of a further process in a running container.

use containerv_spec::cgroup::GroupSet;
use containerv_spec::machine::Machine;
use containerv_spec::plan::{
    Action, CallFilter, LinuxPlan, Namespace, NamespaceSource, Phase, Privileges, Step, Supervisor,
};
use containerv_spec::request::{Network, Process, Request, Share, TimeNamespace};

use super::process::{call_filter, execution, privileges, push_identity, push_streams};
use super::{check, identity};
use crate::{Error, Result};

/// A running container that a process joins.
pub(crate) struct Joined<'a> {
    /// What the container was made of.
    pub(crate) request: &'a Request,
    /// Its control groups.
    pub(crate) groups: &'a GroupSet,
    /// Give the process every privilege.
    pub(crate) privileged: bool,
}

/// What the calling process takes on when it becomes a member of a container itself.
pub(crate) struct Membership {
    /// The namespaces in which the container differs from the host.
    pub(crate) namespaces: Vec<Namespace>,
    /// The capabilities that are kept.
    pub(crate) privileges: Privileges,
    /// Give up new privileges.
    pub(crate) no_new_privileges: bool,
    /// The system call filter.
    pub(crate) filter: Option<CallFilter>,
}

/// Lowers the membership of the calling process in a running container.
pub(crate) fn membership(request: &Request, groups: &GroupSet, machine: &Machine) -> Result<Membership> {
    let security = &request.security;
    let user_namespace = identity::wants_user_namespace(request, machine);
    Ok(Membership {
        namespaces: own_namespaces(request, groups, user_namespace),
        privileges: privileges(security, machine.capabilities, user_namespace),
        no_new_privileges: !security.allow_new_privileges && !security.privileged,
        filter: call_filter(security, machine.kernel)?.0,
    })
}

/// Lowers a process for a running container.
pub(crate) fn join(container: &Joined<'_>, process: &Process, machine: &Machine) -> Result<LinuxPlan> {
    let request = container.request;
    let mut problems = Vec::new();
    check::process(process, machine, &mut problems);
    let mut security = request.security.clone();
    security.privileged |= container.privileged;
    let filter = call_filter(&security, machine.kernel).map(|found| found.0).unwrap_or_else(|error| {
        problems.push(error);
        None
    });
    if !problems.is_empty() {
        return Err(Error::problems(format!("cannot start a process in `{}`", request.id.short()), problems));
    }
    let user_namespace = identity::wants_user_namespace(request, machine);
    let mut steps = outer_steps(request, container.groups, user_namespace);
    let mut inside = vec![Action::ReportProcess, Action::NewSession];
    inside.splice(0..0, container.groups.join_files_v1().into_iter().map(|file| Action::JoinGroup { file }));
    push_streams(&mut |action| inside.push(action), process, false);
    inside.push(Action::CloseDescriptors { except_owner: false });
    let privileges = privileges(&security, machine.capabilities, user_namespace);
    push_identity(&mut inside, process, &security, privileges, filter);
    inside.push(Action::Await);
    inside.push(Action::Execute(execution(process)));
    steps.extend(inside.into_iter().map(|action| Step { phase: Phase::Inside, action }));
    Ok(LinuxPlan {
        container: request.id.clone(),
        notes: Vec::new(),
        steps,
        groups: container.groups.clone(),
    })
}

fn outer_steps(request: &Request, groups: &GroupSet, user_namespace: bool) -> Vec<Step> {
    let mut actions = Vec::new();
    if let Some(value) = request.security.oom_score_adj {
        actions.push(Action::AdjustOomScore { value });
    }
    // From the moment it has joined, processes of the container can see it.
    actions.push(Action::Hide);
    let namespaces = own_namespaces(request, groups, user_namespace);
    if !namespaces.is_empty() {
        actions.push(Action::JoinNamespaces { source: NamespaceSource::Own, namespaces });
    }
    if !request.namespaces.mount {
        actions.push(Action::EnterRoot);
    }
    let group = groups.clone_into().cloned();
    actions.push(Action::Start { namespaces: Vec::new(), group, supervisor: Supervisor::Caller });
    let mut steps: Vec<Step> =
        actions.into_iter().map(|action| Step { phase: Phase::Outer, action }).collect();
    steps.push(Step { phase: Phase::Beside, action: Action::Release });
    steps
}

/// The namespaces in which the container differs from the host.
fn own_namespaces(request: &Request, groups: &GroupSet, user_namespace: bool) -> Vec<Namespace> {
    let own = &request.namespaces;
    let differs = |share: &Share| *share != Share::Host;
    let cgroup = own.cgroup == Share::Private && !groups.groups.is_empty();
    [
        (user_namespace, Namespace::User),
        (own.mount, Namespace::Mount),
        (differs(&own.pid), Namespace::Pid),
        (request.network != Network::Host, Namespace::Network),
        (differs(&own.ipc), Namespace::Ipc),
        (differs(&own.uts), Namespace::Uts),
        (cgroup, Namespace::Cgroup),
        (own.time != TimeNamespace::Host, Namespace::Time),
    ]
    .into_iter()
    .filter(|entry| entry.0)
    .map(|entry| entry.1)
    .collect()
}
