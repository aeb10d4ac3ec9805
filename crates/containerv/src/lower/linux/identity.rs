//! Namespaces of ids, names and networks.

use containerv_spec::cgroup::GroupSet;
use containerv_spec::machine::Machine;
use containerv_spec::plan::{Action, IdMaps, Namespace, NamespaceSource, Phase};
use containerv_spec::request::{IdRange, Network, Request, Share, UserNamespace};

use super::Draft;
use crate::ErrorKind;

/// Says whether the container's processes are in a user namespace other than the caller's.
pub(crate) fn wants_user_namespace(request: &Request, machine: &Machine) -> bool {
    match request.namespaces.user {
        UserNamespace::Auto => !machine.is_privileged(),
        UserNamespace::Host => false,
        UserNamespace::Single { .. } | UserNamespace::Mapped { .. } => true,
    }
}

/// The usual mappings of an ordinary user: the caller as root, and all subordinate ids.
pub(crate) fn automatic_maps(machine: &Machine) -> IdMaps {
    let (uid, gid, subordinate) = (machine.uid, machine.gid, &machine.subordinate);
    match &subordinate.helpers {
        Some(helpers) if machine.lacks_subordinate_ids().is_none() => IdMaps {
            uids: with_ranges(uid, &subordinate.uids),
            gids: with_ranges(gid, &subordinate.gids),
            helpers: Some(helpers.clone()),
            deny_setgroups: false,
        },
        _ => single(0, uid, 0, gid, true),
    }
}

impl Draft<'_> {
    /// An ordinary user can join another container's namespaces only from within that one's user
    /// namespace, and then has no other of its own.
    pub(super) fn joins_user_namespace(&self) -> bool {
        self.user_namespace && !self.machine.is_privileged() && !self.joined().is_empty()
    }

    /// Containers whose namespaces are shared, each with the kinds.
    fn joined(&self) -> Vec<(containerv_spec::ContainerId, Namespace)> {
        let own = &self.request.namespaces;
        let mut joined = Vec::new();
        let shares = [(&own.pid, Namespace::Pid), (&own.ipc, Namespace::Ipc), (&own.uts, Namespace::Uts)];
        for (share, kind) in shares {
            if let Share::Container(id) = share {
                joined.push((id.clone(), kind));
            }
        }
        if let Network::Container(id) = &self.request.network {
            joined.push((id.clone(), Namespace::Network));
        }
        joined
    }

    pub(super) fn join_others(&mut self) {
        let joined = self.joined();
        let mut first = self.joins_user_namespace();
        for (id, kind) in joined {
            let namespaces = if first { vec![Namespace::User, kind] } else { vec![kind] };
            first = false;
            let source = NamespaceSource::Container(id);
            self.push(Phase::Outer, Action::JoinNamespaces { source, namespaces });
        }
    }

    /// The mappings of a new user namespace.
    pub(super) fn id_maps(&mut self) -> Option<IdMaps> {
        if !self.user_namespace || self.joins_user_namespace() {
            return None;
        }
        let (uid, gid) = (self.machine.uid, self.machine.gid);
        let privileged = self.machine.is_privileged();
        match &self.request.namespaces.user {
            UserNamespace::Single { uid: inside_uid, gid: inside_gid } => {
                Some(single(*inside_uid, uid, *inside_gid, gid, !privileged))
            }
            UserNamespace::Mapped { uids, gids } => Some(IdMaps {
                uids: uids.clone(),
                gids: gids.clone(),
                helpers: if privileged { None } else { self.machine.subordinate.helpers.clone() },
                deny_setgroups: false,
            }),
            UserNamespace::Host => None,
            UserNamespace::Auto => Some(self.automatic_maps()),
        }
    }

    fn automatic_maps(&mut self) -> IdMaps {
        let machine = self.machine;
        if let Some(why) = machine.lacks_subordinate_ids() {
            let (uid, gid) = (machine.uid, machine.gid);
            self.notes.push(format!("only uid {uid} and gid {gid} exist in the container, as 0: {why}"));
        }
        automatic_maps(machine)
    }

    /// Host name, control group view and network, all of which need the new ids.
    pub(super) fn identity_steps(&mut self, groups: &GroupSet) {
        let namespaces = &self.request.namespaces;
        if namespaces.cgroup == Share::Private && !groups.groups.is_empty() {
            self.inside(Action::NewCgroupNamespace);
        }
        if namespaces.uts == Share::Private {
            let name = self.request.host_name().into_owned();
            self.inside(Action::SetHostname { name });
            if let Some(name) = self.request.domainname.clone() {
                self.inside(Action::SetDomainname { name });
            }
        } else if self.request.hostname.is_some() {
            self.problem(
                ErrorKind::InvalidArgument,
                "`--hostname`: the container shares its host name",
                "leave `--hostname` or `--uts` out",
            );
        }
        if matches!(self.request.network, Network::None | Network::Veth(_)) {
            self.inside(Action::LoopbackUp);
        }
    }
}

/// A mapping of the caller's own ids and nothing else.
fn single(inside_uid: u32, uid: u32, inside_gid: u32, gid: u32, deny_setgroups: bool) -> IdMaps {
    let one = |inside, outside| vec![IdRange { inside, outside, count: 1 }];
    IdMaps { uids: one(inside_uid, uid), gids: one(inside_gid, gid), helpers: None, deny_setgroups }
}

/// The caller's own id as 0, then the subordinate ranges from 1 on.
fn with_ranges(own: u32, ranges: &[IdRange]) -> Vec<IdRange> {
    let mut maps = vec![IdRange { inside: 0, outside: own, count: 1 }];
    let mut next = 1u32;
    for range in ranges {
        let count = range.count.min(u32::MAX - 1 - next);
        maps.push(IdRange { inside: next, outside: range.outside, count });
        next += count;
    }
    maps
}
