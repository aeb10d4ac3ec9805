//! From a plan's steps to the stage's operations.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use containerv_spec::OsText;
use containerv_spec::plan::{
    Action, Entry, LinuxPlan, Namespace, NamespaceSource, Phase, Resolve, Shift, Slot, Supervisor, TargetKind,
};
use containerv_spec::request::Propagation;
use containerv_sys::linux::stage::Program;
use containerv_sys::linux::stage::wire::{self, NO_FD, attach, clone_mode, monitor_flag, op};

use super::idmap;
use crate::lower::linux::overlay_options;

/// Descriptors that a program refers to, opened before it starts.
#[derive(Default)]
pub(crate) struct Handles {
    /// Files that join control groups, in the order of the plan's `JoinGroup` steps.
    pub(crate) join: Vec<OwnedFd>,
    /// Control group that the process starts in.
    pub(crate) group: Option<OwnedFd>,
    /// The container that is joined, as a pidfd.
    pub(crate) own: Option<OwnedFd>,
    /// Its root directory.
    pub(crate) own_root: Option<OwnedFd>,
    /// Other containers whose namespaces are joined, in the order of the plan's steps.
    pub(crate) others: Vec<OwnedFd>,
    /// Standard streams.
    pub(crate) streams: Option<[OwnedFd; 3]>,
    /// This process, for those who end with it.
    pub(crate) owner: Option<OwnedFd>,
    /// The supervisor's lock.
    pub(crate) alive: Option<OwnedFd>,
    /// The monitor's control socket.
    pub(crate) listen: Option<OwnedFd>,
    /// The container's directory, for the monitor's record and log.
    pub(crate) directory: Option<OwnedFd>,
    /// `/dev/null`.
    pub(crate) null: Option<OwnedFd>,
    /// File that counts out-of-memory kills.
    pub(crate) oom: Option<OwnedFd>,
    /// What the monitor removes at the end: control groups, directory, name.
    pub(crate) removals: Vec<Vec<u8>>,
}

impl Handles {
    /// All descriptors, for the stage to inherit.
    pub(crate) fn inherited(&self) -> Vec<BorrowedFd<'_>> {
        let single = [
            &self.group,
            &self.own,
            &self.own_root,
            &self.owner,
            &self.alive,
            &self.listen,
            &self.directory,
            &self.null,
            &self.oom,
        ];
        let streams = self.streams.iter().flatten();
        let lists = self.join.iter().chain(&self.others).chain(streams);
        single.into_iter().flatten().chain(lists).map(AsFd::as_fd).collect()
    }
}

fn number(fd: Option<&OwnedFd>) -> u64 {
    fd.map_or(NO_FD, |fd| fd.as_raw_fd() as u64)
}

/// Writes the program of a plan. With `trap`, the process stops after that step, for tests.
pub(crate) fn encode(plan: &LinuxPlan, handles: &Handles, trap: Option<u32>) -> Program {
    let gated = plan.steps.iter().any(|step| matches!(step.action, Action::WaitForStart { .. }));
    let mut encoder =
        Encoder { program: Program::new(), handles, joins: 0, others: 0, monitored: false, gated };
    for phase in [Phase::Outer, Phase::Inside] {
        for (step, action) in plan.phase(phase) {
            encoder.action(step, action);
            if trap == Some(step) {
                encoder.program.op(step, op::TRAP).int(u64::from(step));
            }
        }
    }
    encoder.program
}

struct Encoder<'a> {
    program: Program,
    handles: &'a Handles,
    joins: usize,
    others: usize,
    monitored: bool,
    /// A later step waits at a gate.
    gated: bool,
}

impl Encoder<'_> {
    fn action(&mut self, step: u32, action: &Action) {
        match action {
            Action::Start { .. }
            | Action::JoinNamespaces { .. }
            | Action::JoinGroup { .. }
            | Action::ShiftClocks(_)
            | Action::Shift(_)
            | Action::EnterRoot => self.outer(step, action),
            Action::Execute(_)
            | Action::Keep { .. }
            | Action::StayAsInit { .. }
            | Action::CloseDescriptors { .. }
            | Action::ConnectStreams
            | Action::MakeTerminal { .. }
            | Action::DropPrivileges(_)
            | Action::FilterCalls(_)
            | Action::ResolveUser { .. }
            | Action::SetRlimit(_)
            | Action::SetUmask { .. }
            | Action::EnterDirectory { .. } => self.process(step, action),
            Action::CloneTree { .. }
            | Action::NewFileSystem { .. }
            | Action::MountOverlay { .. }
            | Action::MakePrivateDirectory { .. }
            | Action::AttachOutside { .. }
            | Action::OpenHost { .. }
            | Action::Detach { .. }
            | Action::OpenRoot { .. }
            | Action::MakeEntry { .. }
            | Action::Attach { .. }
            | Action::Mask { .. }
            | Action::ProtectPaths { .. }
            | Action::IsolateMounts => self.mount(step, action),
            other => self.simple(step, other),
        }
    }

    /// Steps of one operation with at most one text.
    fn simple(&mut self, step: u32, action: &Action) {
        let p = &mut self.program;
        match action {
            Action::AdjustOomScore { value } => {
                p.op(step, op::OOM_SCORE).signed(i64::from(*value));
            }
            Action::Daemonize => {
                p.op(step, op::DAEMONIZE);
            }
            Action::Await => {
                p.op(step, op::AWAIT);
            }
            Action::ReportProcess => {
                p.op(step, op::REPORT_PID);
            }
            Action::Hide => {
                p.op(step, op::HIDE);
            }
            Action::BecomeRoot => {
                p.op(step, op::BECOME_ROOT);
            }
            Action::NewCgroupNamespace => {
                p.op(step, op::UNSHARE).int(Namespace::Cgroup.flag());
            }
            Action::SetHostname { name } => {
                p.op(step, op::HOSTNAME).text(name);
            }
            Action::SetDomainname { name } => {
                p.op(step, op::DOMAINNAME).text(name);
            }
            Action::SetSysctl { name, value } => {
                let path = format!("sys/{}", name.replace('.', "/"));
                p.op(step, op::SYSCTL).text(path).text(value);
            }
            Action::LoopbackUp => {
                p.op(step, op::LOOPBACK);
            }
            Action::ProtectRoot => {
                p.op(step, op::MOUNT_READONLY).int(register(Slot::ROOT));
            }
            Action::ProtectMount { slot, .. } => {
                p.op(step, op::MOUNT_READONLY).int(register(*slot));
            }
            Action::PivotRoot => {
                p.op(step, op::PIVOT);
            }
            Action::ChangeRoot => {
                p.op(step, op::CHROOT);
            }
            Action::NewSession => {
                p.op(step, op::SESSION);
            }
            Action::NoNewPrivileges => {
                p.op(step, op::NO_NEW_PRIVILEGES);
            }
            Action::DieWithSupervisor => {
                p.op(step, op::DEATH_SIGNAL).int(9);
            }
            Action::WaitForStart { .. } => {
                p.op(step, op::GATE);
            }
            _ => debug_assert!(false, "a step of the host among the stage's: {action}"),
        }
    }

    fn outer(&mut self, step: u32, action: &Action) {
        let (p, handles) = (&mut self.program, self.handles);
        match action {
            Action::JoinGroup { .. } => {
                p.op(step, op::JOIN).int(number(handles.join.get(self.joins)));
                self.joins += 1;
            }
            Action::ShiftClocks(clocks) => {
                p.op(step, op::UNSHARE).int(Namespace::Time.flag());
                let text = format!(
                    "monotonic {} 0\nboottime {} 0\n",
                    clocks.monotonic_seconds, clocks.boottime_seconds
                );
                p.op(step, op::WRITE).text("/proc/self/timens_offsets").blob(text.as_bytes());
            }
            Action::JoinNamespaces { source, namespaces } => {
                let fd = match source {
                    NamespaceSource::Own => number(handles.own.as_ref()),
                    NamespaceSource::Container(_) => {
                        self.others += 1;
                        number(handles.others.get(self.others - 1))
                    }
                };
                p.op(step, op::SETNS).int(fd).int(flags(namespaces));
            }
            Action::Shift(shift) => encode_shift(p, step, shift),
            Action::EnterRoot => {
                p.op(step, op::ENTER).int(number(handles.own_root.as_ref()));
            }
            Action::Start { namespaces, supervisor, .. } => {
                let mode = match supervisor {
                    Supervisor::Caller => clone_mode::SIBLING,
                    Supervisor::Monitor { .. } => {
                        self.monitored = true;
                        monitor(p, step, handles, supervisor, self.gated);
                        clone_mode::MONITOR
                    }
                };
                let group = number(handles.group.as_ref());
                p.op(step, op::CLONE).int(flags(namespaces)).int(group).int(mode);
            }
            _ => {}
        }
    }

    fn mount(&mut self, step: u32, action: &Action) {
        let p = &mut self.program;
        match action {
            Action::IsolateMounts => {
                const MS_REC: u64 = 0x4000;
                p.op(step, op::PROPAGATION).int(MS_REC | spread(Propagation::Private));
            }
            Action::CloneTree { slot, source, recursive, attributes, propagation } => {
                const AT_RECURSIVE: u64 = 0x8000;
                let depth = if *recursive { AT_RECURSIVE } else { 0 };
                let o = p.op(step, op::TREE).int(register(*slot)).text(source).int(depth);
                o.int(attributes.bits()).int(0).int(depth).int(spread(*propagation));
            }
            Action::NewFileSystem { slot, kind, options, attributes } => {
                let o = p.op(step, op::FILESYSTEM).int(register(*slot)).text(kind).int(attributes.bits());
                o.list(options.iter().map(|option| &option.0)).list(options.iter().map(|option| &option.1));
            }
            Action::MountOverlay { at, lower, base, upper, work, user_attributes, slot } => {
                let data = overlay_options(lower, upper, work, *user_attributes);
                let base = base.clone().unwrap_or_else(|| "/".into());
                let kept = slot.map_or(wire::NOT_KEPT, register);
                p.op(step, op::OVERLAY).text(at).text(data).int(kept).text(base);
            }
            Action::MakePrivateDirectory { path, mode } => {
                p.op(step, op::HOST_MKDIR).text(path).int(u64::from(*mode));
            }
            Action::AttachOutside { slot, at } => {
                p.op(step, op::ATTACH_HOST).int(register(*slot)).text(at);
            }
            Action::OpenHost { slot, path } => {
                p.op(step, op::OPEN_HOST).int(register(*slot)).text(path);
            }
            Action::Detach { slot, target, read_only, resolve } => {
                let flags = attach_flags(TargetKind::Existing, *resolve);
                let o = p.op(step, op::DETACH).int(register(*slot)).text(target);
                o.int(flags).int(u64::from(*read_only));
            }
            Action::OpenRoot { path } => {
                p.op(step, op::OPEN_ROOT).text(path);
            }
            Action::MakeEntry { slot, name, entry } => make_entry(p, step, *slot, name, entry),
            Action::Attach { slot, target, create, resolve } => {
                let flags = attach_flags(*create, *resolve);
                p.op(step, op::ATTACH).int(register(*slot)).text(target).int(flags);
            }
            Action::Mask { empty, null, paths } => {
                p.op(step, op::MASK).int(register(*empty)).int(register(*null)).list(paths);
            }
            Action::ProtectPaths { paths } => {
                p.op(step, op::READONLY).list(paths);
            }
            _ => {}
        }
    }

    fn process(&mut self, step: u32, action: &Action) {
        let (p, handles) = (&mut self.program, self.handles);
        let owner = |bound: bool| if bound { number(handles.owner.as_ref()) } else { NO_FD };
        match action {
            Action::Execute(e) => {
                let mut environment = e.environment.clone();
                if e.add_home {
                    environment.push("HOME=/".into());
                }
                let home = if e.add_home { environment.len() as u64 } else { 0 };
                let o = p.op(step, op::EXEC).list(&e.candidates).list(&e.arguments);
                o.list(&environment).int(home);
            }
            Action::Keep { owner_bound } => {
                p.op(step, op::KEEP).int(owner(*owner_bound)).int(number(handles.alive.as_ref()));
            }
            Action::CloseDescriptors { except_owner } => {
                p.op(step, op::CLOSE_OTHERS).int(owner(*except_owner));
            }
            Action::StayAsInit { owner_bound } => {
                p.op(step, op::INIT).int(owner(*owner_bound));
            }
            Action::ConnectStreams => {
                let stream = |index: usize| match (&handles.streams, self.monitored) {
                    (Some(streams), _) => streams[index].as_raw_fd() as u64,
                    (None, _) => wire::FROM_MONITOR,
                };
                let (input, output, error) = (stream(0), stream(1), stream(2));
                p.op(step, op::STDIO).int(input).int(output).int(error);
            }
            Action::MakeTerminal { size, console } => {
                let o = p.op(step, op::TERMINAL).int(u64::from(size.columns)).int(u64::from(size.rows));
                o.int(u64::from(*console));
            }
            Action::DropPrivileges(sets) => {
                let o = p.op(step, op::CREDENTIALS).int(sets.bounding.bits());
                o.int(sets.effective.bits()).int(sets.ambient.bits());
            }
            Action::FilterCalls(filter) => {
                p.op(step, op::SECCOMP).blob(&filter.program).int(u64::from(filter.flags));
            }
            Action::ResolveUser { user, groups } => {
                p.op(step, op::USER).text(user).list(groups);
            }
            Action::SetRlimit(limit) => {
                let o = p.op(step, op::RLIMIT).int(limit.resource as u64);
                o.int(limit.soft).int(limit.hard);
            }
            Action::SetUmask { mask } => {
                p.op(step, op::UMASK).int(u64::from(*mask));
            }
            Action::EnterDirectory { path, create } => {
                p.op(step, op::CWD).text(path).int(u64::from(*create));
            }
            _ => {}
        }
    }
}

fn flags(namespaces: &[Namespace]) -> u64 {
    namespaces.iter().fold(0, |flags, namespace| flags | namespace.flag())
}

fn register(slot: Slot) -> u64 {
    u64::from(slot.0)
}

fn spread(propagation: Propagation) -> u64 {
    match propagation {
        Propagation::Private => 1 << 18,
        Propagation::Slave => 1 << 19,
        Propagation::Shared => 1 << 20,
    }
}

fn attach_flags(create: TargetKind, resolve: Resolve) -> u64 {
    let create = match create {
        TargetKind::Existing => 0,
        TargetKind::Directory => attach::CREATE_DIR,
        TargetKind::File => attach::CREATE_FILE,
        TargetKind::Like => attach::CREATE_LIKE,
    };
    create
        | match resolve {
            Resolve::InRoot => 0,
            Resolve::Beneath => attach::STRICT,
            Resolve::NoLinks => attach::NO_LINKS,
        }
}

fn make_entry(p: &mut Program, step: u32, slot: Slot, name: &OsText, entry: &Entry) {
    const S_IFREG: u64 = 0o100_000;
    const S_IFCHR: u64 = 0o020_000;
    const S_IFBLK: u64 = 0o060_000;
    let slot = register(slot);
    match entry {
        Entry::Directory { mode } => {
            p.op(step, op::MKDIR).int(slot).text(name).int(u64::from(*mode));
        }
        Entry::File { mode } => {
            p.op(step, op::MKNOD).int(slot).text(name).int(S_IFREG | u64::from(*mode)).int(0);
        }
        Entry::Device { major, minor, mode, block } => {
            let kind = if *block { S_IFBLK } else { S_IFCHR };
            let device = rustix::fs::makedev(*major, *minor);
            p.op(step, op::MKNOD).int(slot).text(name).int(kind | u64::from(*mode)).int(device);
        }
        Entry::Link { target } => {
            p.op(step, op::SYMLINK).int(slot).text(name).text(target);
        }
    }
}

fn encode_shift(p: &mut Program, step: u32, shift: &Shift) {
    match shift {
        Shift::Begin { maps } => {
            p.op(step, op::SHIFT_BEGIN).text(idmap::lines(&maps.uids)).text(idmap::lines(&maps.gids));
        }
        Shift::Layer { path } => {
            p.op(step, op::SHIFT_LAYER).text(path);
        }
        Shift::Give { path, uid, gid } => {
            p.op(step, op::SHIFT_GIVE).text(path).int(u64::from(*uid)).int(u64::from(*gid));
        }
        Shift::End => {
            p.op(step, op::SHIFT_END);
        }
    }
}

fn monitor(p: &mut Program, step: u32, handles: &Handles, supervisor: &Supervisor, gated: bool) {
    let Supervisor::Monitor { terminal, stdin, log, log_bytes, log_files, auto_remove, owner_bound } =
        supervisor
    else {
        return;
    };
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    let flags = flag(*terminal, monitor_flag::TERMINAL)
        | flag(*stdin, monitor_flag::STDIN)
        | flag(*log, monitor_flag::LOG)
        | flag(*auto_remove, monitor_flag::REMOVE)
        | flag(gated, monitor_flag::GATE);
    let owner = if *owner_bound { number(handles.owner.as_ref()) } else { NO_FD };
    p.op(step, op::MONITOR)
        .int(number(handles.listen.as_ref()))
        .int(number(handles.directory.as_ref()))
        .int(number(handles.null.as_ref()))
        .int(number(handles.oom.as_ref()))
        .int(owner)
        .int(flags)
        .int(*log_bytes)
        .int(u64::from(*log_files))
        .int(number(handles.alive.as_ref()))
        .list(&handles.removals);
}
