//! The calling process becomes a member of a container.
//!
//! Everything that may be missing is looked for first, the control groups are joined in a way
//! that can be taken back, and the namespaces are entered by one call that enters all or none.
//! What comes after only gives up rights that the process has by then.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use containerv_spec::cgroup::GroupVersion;
use containerv_spec::plan::{CallFilter, Namespace, Privileges};
use containerv_spec::{Capability, CapabilitySet, ContainerId, OsText, Request};
use containerv_sys::linux::filter;
use rustix::fs::{Mode, OFlags};
use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitySets, Gid, ThreadNameSpaceType, Uid};

use super::store::{Directory, path};
use super::{System, cgroup, probe, process, running};
use crate::lower::linux::{Membership, membership};
use crate::{Error, ErrorKind, Result};

impl System {
    /// Makes the calling process, which must have one thread, a member of a running container.
    pub(crate) fn enter(&self, id: &ContainerId) -> Result<()> {
        let entrance = Entrance::open(self, id)?;
        entrance.pass().map_err(|error| error.context(format!("cannot join container `{}`", id.short())))
    }
}

/// Everything that entering needs, opened and checked while nothing has changed yet.
struct Entrance {
    first: OwnedFd,
    namespaces: Vec<Namespace>,
    root: OwnedFd,
    /// For each control group: the file to join it, and that of the own group to come back.
    groups: Vec<(File, Option<File>)>,
    privileges: Privileges,
    no_new_privileges: bool,
    filter: Option<CallFilter>,
}

impl Entrance {
    fn open(system: &System, id: &ContainerId) -> Result<Self> {
        let directory = system.directory(id)?;
        let (request, journal) = (directory.request()?, directory.journal()?);
        let first = process::first_in(&directory, &journal)?;
        let groups = open_groups(&directory)?;
        let machine = probe::caller(None);
        let Membership { namespaces, privileges, no_new_privileges, filter } =
            membership(&request, &journal.intent.groups, &machine)?;
        check_alone()?;
        check_rights(&request, machine.capabilities, &namespaces)?;
        if filter.is_some() && !filter::is_available() {
            return Err(Error::new(ErrorKind::Unavailable, "this kernel has no system call filters"));
        }
        let root = running::root_of(first.pid)?;
        Ok(Self { first: first.pidfd, namespaces, root, groups, privileges, no_new_privileges, filter })
    }

    fn pass(&self) -> Result<()> {
        // From the moment of joining on, processes of the container can see this one.
        let visible = rustix::process::dumpable_behavior();
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|errno| failed(errno, "hide from the container's processes"))?;
        let entered =
            self.join_groups().and_then(|()| self.enter_namespaces().inspect_err(|_| self.leave_groups()));
        if entered.is_err() {
            let _ = visible.map(rustix::process::set_dumpable_behavior);
        }
        entered?;
        self.become_member()
    }

    fn join_groups(&self) -> Result<()> {
        for (group, _) in &self.groups {
            if let Err(error) = (&mut &*group).write_all(b"0") {
                self.leave_groups();
                return Err(Error::io(error, "cannot join a control group of the container"));
            }
        }
        Ok(())
    }

    fn leave_groups(&self) {
        for own in self.groups.iter().filter_map(|entry| entry.1.as_ref()) {
            // The failure that led here is the one to tell of.
            let _ = (&mut &*own).write_all(b"0");
        }
    }

    fn enter_namespaces(&self) -> Result<()> {
        let flags = self.namespaces.iter().fold(0, |flags, namespace| flags | namespace.flag());
        let flags = ThreadNameSpaceType::from_bits_retain(flags as u32);
        if flags.is_empty() {
            return Ok(());
        }
        rustix::thread::move_into_thread_name_spaces(self.first.as_fd(), flags)
            .map_err(|errno| failed(errno, "enter the namespaces"))
    }

    fn become_member(&self) -> Result<()> {
        rustix::process::fchdir(&self.root)
            .and_then(|()| rustix::process::chroot(c"."))
            .map_err(|errno| failed(errno, "change the root"))?;
        if self.namespaces.contains(&Namespace::User) {
            become_root().map_err(|errno| failed(errno, "become the container's root"))?;
        }
        self.give_up_rights().map_err(|errno| failed(errno, "drop capabilities"))?;
        match &self.filter {
            Some(CallFilter { program, flags, .. }) => filter::install(program, *flags)
                .map_err(|error| Error::io(error, "cannot install the system call filter")),
            None => Ok(()),
        }
    }

    fn give_up_rights(&self) -> rustix::io::Result<()> {
        for number in 0..u64::BITS {
            let one = rustix::thread::CapabilitySet::from_bits_retain(1 << number);
            if self.privileges.bounding.bits() & 1 << number != 0 {
                continue;
            }
            match rustix::thread::remove_capability_from_bounding_set(one) {
                // The first number that this kernel does not know.
                Err(rustix::io::Errno::INVAL) => break,
                other => other?,
            }
        }
        // The ambient set follows what is taken from the others.
        let own = rustix::thread::capabilities(None)?;
        let kept = rustix::thread::CapabilitySet::from_bits_retain(self.privileges.effective.bits());
        let sets = CapabilitySets {
            effective: own.effective & kept,
            permitted: own.permitted & kept,
            inheritable: rustix::thread::CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, sets)?;
        if self.no_new_privileges { rustix::thread::set_no_new_privs(true) } else { Ok(()) }
    }
}

fn failed(errno: rustix::io::Errno, what: &str) -> Error {
    Error::os(errno.raw_os_error(), format!("cannot {what}"))
}

/// In another user namespace the own ids mean nobody until they are changed.
fn become_root() -> rustix::io::Result<()> {
    // Denied where a single group is mapped: the groups then grant only what they granted before.
    let _ = rustix::thread::set_thread_groups(&[]);
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
}

/// Namespaces belong to threads: others would stay outside.
fn check_alone() -> Result<()> {
    let threads = std::fs::read_dir("/proc/self/task")
        .map_err(|error| Error::io(error, "cannot count the threads of this process"))?
        .count();
    if threads == 1 {
        return Ok(());
    }
    let message = format!("a process with {threads} threads cannot join a container");
    Err(Error::os(rustix::io::Errno::INVAL.raw_os_error(), message).with_hint("fork a process that joins"))
}

/// What the steps behind the namespaces need, so that they cannot fail for lack of it. Entering a
/// user namespace gives all of it.
fn check_rights(request: &Request, own: CapabilitySet, namespaces: &[Namespace]) -> Result<()> {
    if namespaces.contains(&Namespace::User) {
        return Ok(());
    }
    let needed = [Capability::SYS_ADMIN, Capability::SYS_CHROOT, Capability::SETPCAP];
    match needed.into_iter().find(|capability| !own.contains(*capability)) {
        None => Ok(()),
        Some(missing) => {
            let message = format!("cannot join container `{}` without {missing}", request.id.short());
            Err(Error::os(rustix::io::Errno::PERM.raw_os_error(), message).with_hint("run as root"))
        }
    }
}

/// Opens the files by which the container's control groups are joined, and those by which the
/// process comes back into its own.
fn open_groups(directory: &Directory) -> Result<Vec<(File, Option<File>)>> {
    let groups = directory.journal()?.intent.groups;
    if groups.groups.is_empty() {
        return Ok(Vec::new());
    }
    let facts = cgroup::probe()?;
    let hierarchies: Vec<(&OsText, &OsText)> = (facts.v1.iter().map(|one| (&one.mount, &one.own)))
        .chain(facts.v2.iter().map(|one| (&one.mount, &one.own)))
        .collect();
    groups
        .groups
        .iter()
        .map(|group| {
            let file = if group.version == GroupVersion::V1 { "tasks" } else { "cgroup.procs" };
            let below = |mount: &OsText| group.path.as_bytes().starts_with(mount.join("").as_bytes());
            // The hierarchy of version 2 may be mounted below a directory of another: the longest fits.
            let own = hierarchies
                .iter()
                .filter(|(mount, _)| below(mount))
                .max_by_key(|entry| entry.0.as_bytes().len());
            let own = own.and_then(|(mount, own)| open_for_writing(&mount.join(own).join(file)).ok());
            Ok((open_for_writing(&group.file(file))?, own))
        })
        .collect()
}

fn open_for_writing(file: &OsText) -> Result<File> {
    rustix::fs::open(path(file), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .map(File::from)
        .map_err(|errno| failed(errno, &format!("open the control group file `{file}`")))
}
