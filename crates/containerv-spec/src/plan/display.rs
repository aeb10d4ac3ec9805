//! Steps as a person reads them.

use std::fmt;

use super::{
    Action, Entry, MountAttributes, Namespace, NamespaceSource, Resolve, Slot, Supervisor, TargetKind,
};
use crate::OsText;
use crate::request::{IdRange, Propagation};

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ROOT => f.write_str("root"),
            Self::PROC => f.write_str("proc"),
            Self::DEVPTS => f.write_str("devpts"),
            Self::SYS => f.write_str("sys"),
            Self(number) => write!(f, "#{number}"),
        }
    }
}

impl fmt::Display for MountAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            [(self.read_only, "ro"), (self.nosuid, "nosuid"), (self.nodev, "nodev"), (self.noexec, "noexec")];
        let set: Vec<&str> = names.iter().filter(|entry| entry.0).map(|entry| entry.1).collect();
        f.write_str(&if set.is_empty() { "rw".to_owned() } else { set.join(",") })
    }
}

struct Words<'a>(&'a [Namespace]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|namespace| namespace.name()).collect();
        f.write_str(&names.join(", "))
    }
}

struct Paths<'a>(&'a [OsText]);

impl fmt::Display for Paths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|path| write!(f, " `{path}`"))
    }
}

pub(super) struct Ranges<'a>(pub(super) &'a [IdRange]);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}->{}+{}", range.inside, range.outside, range.count)?;
        }
        Ok(())
    }
}

/// How a path may be resolved, as the end of a sentence.
fn confinement(resolve: Resolve) -> &'static str {
    match resolve {
        Resolve::InRoot => "",
        Resolve::Beneath => ", never leaving the root",
        Resolve::NoLinks => ", through no link",
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_host(f)
            .or_else(|NotMine| self.fmt_start(f))
            .or_else(|NotMine| self.fmt_mount(f))
            .unwrap_or_else(|NotMine| self.fmt_process(f))
    }
}

/// The action belongs to another group.
struct NotMine;

type Printed = Result<fmt::Result, NotMine>;

impl Action {
    fn fmt_host(&self, f: &mut fmt::Formatter<'_>) -> Printed {
        Ok(match self {
            Self::MakeDirectory { path, mode } => write!(f, "make directory `{path}` mode {mode:04o}"),
            Self::StoreRequest { path } => write!(f, "store the request in `{path}`"),
            Self::WriteFile { path, contents, mode } => {
                write!(f, "write `{path}` ({} bytes) mode {mode:04o}", contents.len())
            }
            Self::CopyTree { below, path } => {
                let without = below.copied_without.as_deref().unwrap_or_default();
                let but = if without.is_empty() { "" } else { ", without" };
                write!(f, "copy `{}` to `{path}`{but}{}", below.directory, Paths(without))
            }
            Self::LinkLayers { path, targets } => write!(f, "make links in `{path}` to{}", Paths(targets)),
            Self::MakeSource { path } => write!(f, "make directory `{path}` if it is missing"),
            Self::ReserveName { path } => write!(f, "reserve the name `{path}`"),
            Self::Cgroup { step } => write!(f, "{step}"),
            Self::Listen { path } => write!(f, "listen on `{path}`"),
            Self::MapIds(maps) => {
                let how = if maps.helpers.is_some() { " by newuidmap and newgidmap" } else { "" };
                let groups = if maps.deny_setgroups { ", setgroups denied" } else { "" };
                write!(f, "map uids {} gids {}{how}{groups}", Ranges(&maps.uids), Ranges(&maps.gids))
            }
            Self::MakeVeth(veth) => write!(
                f,
                "make veth pair `{}` {}/{} and `{}` {}/{} in the container",
                veth.host_interface,
                veth.host_address,
                veth.prefix,
                veth.container_interface,
                veth.container_address,
                veth.prefix
            ),
            Self::Release => f.write_str("record the process, then let it go on"),
            _ => return Err(NotMine),
        })
    }

    fn fmt_start(&self, f: &mut fmt::Formatter<'_>) -> Printed {
        Ok(match self {
            Self::Shift(step) => write!(f, "{step}"),
            Self::AdjustOomScore { value } => write!(f, "set oom_score_adj to {value}"),
            Self::JoinGroup { file } => write!(f, "join `{file}`"),
            Self::ShiftClocks(clocks) => write!(
                f,
                "new time namespace, monotonic {:+} s, boot {:+} s",
                clocks.monotonic_seconds, clocks.boottime_seconds
            ),
            Self::JoinNamespaces { source, namespaces } => match source {
                NamespaceSource::Own => write!(f, "join namespaces {} of the container", Words(namespaces)),
                NamespaceSource::Container(id) => {
                    write!(f, "join namespaces {} of {}", Words(namespaces), id.short())
                }
            },
            Self::EnterRoot => f.write_str("enter the container's root directory"),
            Self::Daemonize => f.write_str("leave the caller"),
            Self::Start { namespaces, group, supervisor } => f
                .write_str("start a process")
                .and_then(|()| {
                    if namespaces.is_empty() {
                        Ok(())
                    } else {
                        write!(f, " in new namespaces {}", Words(namespaces))
                    }
                })
                .and_then(|()| group.iter().try_for_each(|group| write!(f, " in `{group}`")))
                .and_then(|()| match supervisor {
                    Supervisor::Caller => Ok(()),
                    Supervisor::Monitor { .. } => f.write_str(" under a monitor"),
                }),
            Self::Await => f.write_str("wait to be released"),
            Self::ReportProcess => f.write_str("report the process id"),
            Self::Hide => f.write_str("hide from debuggers"),
            _ => return Err(NotMine),
        })
    }

    fn fmt_mount(&self, f: &mut fmt::Formatter<'_>) -> Printed {
        Ok(match self {
            Self::IsolateMounts => f.write_str("make all mounts private"),
            Self::CloneTree { slot, source, recursive, attributes, propagation } => {
                let depth = if *recursive { "tree" } else { "mount" };
                let spread = match propagation {
                    Propagation::Private => "",
                    Propagation::Slave => ", slave",
                    Propagation::Shared => ", shared",
                };
                write!(f, "clone {depth} `{source}` as {slot} ({attributes}{spread})")
            }
            Self::NewFileSystem { slot, kind, options, attributes } => {
                write!(f, "new {kind} as {slot} ({attributes})").and_then(|()| {
                    options.iter().try_for_each(|(key, value)| match value.as_str() {
                        "" => write!(f, " {key}"),
                        value => write!(f, " {key}={value}"),
                    })
                })
            }
            Self::MountOverlay { at, lower, base, upper, slot, .. } => {
                let root = if *slot == Some(Slot::ROOT) { " as the root" } else { "" };
                let base = base.as_ref().map_or(String::new(), |base| format!(" in `{base}`"));
                write!(f, "mount overlay at `{at}`{root}, writes to `{upper}`, over{}{base}", Paths(lower))
            }
            Self::MakePrivateDirectory { path, mode } => write!(f, "make `{path}` mode {mode:04o}"),
            Self::AttachOutside { slot, at } => write!(f, "attach {slot} at `{at}` of the host"),
            Self::OpenHost { slot, path } => write!(f, "open `{path}` of the host as {slot}"),
            Self::Detach { slot, target, read_only, resolve } => {
                let kind = if *read_only { " (read-only)" } else { "" };
                write!(f, "detach {slot}{kind} from `{target}`{}", confinement(*resolve))
            }
            Self::OpenRoot { path } => write!(f, "take `{path}` as the root"),
            Self::MakeEntry { slot, name, entry } => match entry {
                Entry::Directory { mode } => write!(f, "in {slot} make directory `{name}` mode {mode:04o}"),
                Entry::File { mode } => write!(f, "in {slot} make file `{name}` mode {mode:04o}"),
                Entry::Device { major, minor, mode, block } => {
                    let kind = if *block { 'b' } else { 'c' };
                    write!(f, "in {slot} make device `{name}` {kind} {major}:{minor} mode {mode:04o}")
                }
                Entry::Link { target } => write!(f, "in {slot} make link `{name}` to `{target}`"),
            },
            Self::Attach { slot, target, create, resolve } => {
                let strict = confinement(*resolve);
                let create = match create {
                    TargetKind::Existing => "",
                    _ => ", making it if missing",
                };
                write!(f, "attach {slot} at `{target}`{create}{strict}")
            }
            Self::Mask { paths, .. } => write!(f, "mask{}", Paths(paths)),
            Self::ProtectPaths { paths } => write!(f, "make read-only{}", Paths(paths)),
            Self::ProtectMount { path, .. } => {
                write!(f, "make `{path}` read-only, but not what is mounted in it")
            }
            Self::ProtectRoot => f.write_str("make the root read-only"),
            Self::PivotRoot => f.write_str("pivot to the root and detach everything else"),
            Self::ChangeRoot => f.write_str("change the root directory"),
            _ => return Err(NotMine),
        })
    }

    fn fmt_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BecomeRoot => f.write_str("become root of the user namespace"),
            Self::NewCgroupNamespace => f.write_str("new cgroup namespace"),
            Self::SetHostname { name } => write!(f, "set host name `{name}`"),
            Self::SetDomainname { name } => write!(f, "set domain name `{name}`"),
            Self::SetSysctl { name, value } => write!(f, "set {name} = {value}"),
            Self::LoopbackUp => f.write_str("bring `lo` up"),
            Self::NewSession => f.write_str("new session and session keyring"),
            Self::MakeTerminal { size, .. } => write!(f, "make a terminal of {}x{}", size.columns, size.rows),
            Self::ConnectStreams => f.write_str("connect standard streams"),
            Self::CloseDescriptors { except_owner } => {
                let owner = if *except_owner { " and the owner's" } else { "" };
                write!(f, "close all descriptors but the standard ones{owner}")
            }
            Self::SetRlimit(limit) => {
                write!(f, "limit {} to {}:{}", limit.resource.name(), limit.soft, limit.hard)
            }
            Self::SetUmask { mask } => write!(f, "set umask {mask:04o}"),
            Self::ResolveUser { user, groups } => {
                let user = if user.is_empty() { "0" } else { user };
                write!(f, "look up user `{user}`")?;
                groups.iter().try_for_each(|group| write!(f, " and group `{group}`"))
            }
            Self::EnterDirectory { path, .. } => write!(f, "enter directory `{path}`"),
            Self::DropPrivileges(privileges) => {
                let names: Vec<&str> =
                    privileges.effective.iter().map(|capability| capability.name()).collect();
                write!(f, "become the user with capabilities {}", names.join(","))
            }
            Self::NoNewPrivileges => f.write_str("set no_new_privs"),
            Self::FilterCalls(filter) => {
                write!(
                    f,
                    "install seccomp filter `{}` ({} instructions)",
                    filter.profile, filter.instructions
                )
            }
            Self::DieWithSupervisor => f.write_str("end with the supervisor"),
            Self::StayAsInit { owner_bound } => {
                write!(
                    f,
                    "stay as init{}; a child goes on",
                    if *owner_bound { " until the owner ends" } else { "" }
                )
            }
            Self::WaitForStart { path } => write!(f, "wait for `start` at `{path}`"),
            Self::Execute(execution) => {
                write!(f, "execute")?;
                execution.arguments.iter().try_for_each(|argument| write!(f, " {argument:?}"))
            }
            Self::Keep { owner_bound } => {
                write!(f, "stay as PID 1{}", if *owner_bound { " until the owner ends" } else { "" })
            }
            other => write!(f, "{other:?}"),
        }
    }
}
