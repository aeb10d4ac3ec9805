//! Executes a plan: host steps here, the rest through the stage.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use containerv_spec::plan::{Action, LinuxPlan, NamespaceSource, Phase, Supervisor};
use containerv_spec::request::Request;
use containerv_spec::{ContainerId, OsText};
use containerv_sys::linux::stage::wire::report;
use containerv_sys::linux::stage::{Report, Spawned, StageFile};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use super::encode::{Handles, encode};
use super::journal::{Entry, Intent, ProcessRecord};
use super::store::{Directory, Lock, Store, path};
use super::{cgroup, explain, idmap, mounts_below, process, veth};
use crate::{Error, ErrorKind, Result};

/// Where a test ends the process: after the step of this number.
pub(crate) type Fault = Option<u32>;

/// What a plan runs with besides itself.
pub(crate) struct Run<'a> {
    /// The plan.
    pub(crate) plan: &'a LinuxPlan,
    /// Descriptors for the stage.
    pub(crate) handles: Handles,
    /// For tests.
    pub(crate) fault: Fault,
}

/// A started process.
#[derive(Debug)]
pub(crate) struct Started {
    /// Process id in the caller's namespace.
    pub(crate) pid: u32,
    /// Process id as seen inside; the same as `pid` unless reported.
    pub(crate) pid_inside: u32,
    /// The process.
    pub(crate) pidfd: OwnedFd,
    /// Master of its terminal.
    pub(crate) terminal: Option<OwnedFd>,
}

/// A container's directory with the hold of the operation that makes it.
pub(crate) type Held = (Directory, Lock);

/// Executes the host steps of a new container. The first one makes its directory, which is put
/// into `made` so that the caller can remove it if a later step fails.
pub(crate) fn host_steps(
    plan: &LinuxPlan,
    request: &Request,
    store: &Store,
    fault: Fault,
    made: &mut Option<Held>,
) -> Result<()> {
    for (number, action) in plan.phase(Phase::Host) {
        match (action, &made) {
            (Action::MakeDirectory { path, mode }, None) => {
                make_container_directory(path, *mode, store)?;
                let held = hold(path, intent(plan, request));
                *made = Some(held.inspect_err(|_| remove_unused(path))?);
            }
            (other, _) => host_action(other, request)?,
        }
        die_at(fault, number);
    }
    Ok(())
}

/// Takes a new directory and notes what is going to be made.
fn hold(text: &OsText, intent: Intent) -> Result<Held> {
    let directory = Directory::open(path(text).to_owned())?;
    let lock = directory.lock()?;
    let journal = directory.open_journal()?;
    directory.note(&journal, &Entry::Intent(Box::new(intent)))?;
    Ok((directory, lock))
}

/// Removes a directory that never held more than a journal. This takes no descriptor, the lack of
/// which may be why.
fn remove_unused(text: &OsText) {
    let _ = fs::remove_file(path(text).join("journal"));
    let _ = fs::remove_dir(path(text));
}

/// Executes the host steps of a container that exists and is started again: what it has already
/// is kept, what a start makes is made.
pub(crate) fn again(plan: &LinuxPlan, request: &Request, fault: Fault) -> Result<()> {
    for (number, action) in plan.phase(Phase::Host) {
        match action {
            Action::ReserveName { .. } | Action::StoreRequest { .. } => {}
            Action::MakeDirectory { path: text, .. } if path(text).is_dir() => {}
            other => host_action(other, request)?,
        }
        die_at(fault, number);
    }
    Ok(())
}

/// Executes one host step that does not make the container's directory.
pub(crate) fn host_action(action: &Action, request: &Request) -> Result<()> {
    match action {
        Action::MakeDirectory { path, mode } => make_directory(path, *mode),
        Action::LinkLayers { path, targets } => link_layers(path, targets),
        Action::MakeSource { path } => make_source(path),
        Action::CopyTree { below, path } => mounts_below::copy(below, path),
        Action::StoreRequest { path } => {
            let json = serde_json::to_vec(request).map_err(|error| {
                Error::new(ErrorKind::InvalidArgument, "cannot store the request").with_source(error)
            })?;
            write_new(path, &json, 0o600)
        }
        Action::WriteFile { path, contents, mode } => write_new(path, contents.as_bytes(), *mode),
        Action::ReserveName { path } => reserve_name(path, &request.id),
        Action::Cgroup { step } => cgroup::execute(step),
        // The socket is made with the handles, right before the stage starts.
        Action::Listen { .. } => Ok(()),
        other => Err(Error::new(ErrorKind::Other, format!("`{other}` is not a step of the host"))),
    }
}

/// What the plan will make outside of the container's directory.
pub(crate) fn intent(plan: &LinuxPlan, request: &Request) -> Intent {
    let mut intent = Intent { groups: plan.groups.clone(), ..Intent::default() };
    for step in &plan.steps {
        match &step.action {
            Action::MapIds(maps) => intent.maps = Some(maps.clone()),
            Action::MakeVeth(veth) => intent.interfaces.push(veth.host_interface.clone()),
            Action::ReserveName { path } => intent.name = Some(path.clone()),
            Action::Start { supervisor: Supervisor::Caller, .. } => {
                intent.attached = request.process.as_ref().map(|_| std::process::id())
            }
            Action::Keep { .. } => intent.keeper = true,
            Action::CopyTree { below, .. } => intent.copies.push(below.clone()),
            _ => {}
        }
    }
    intent
}

fn make_container_directory(text: &OsText, mode: u32, store: &Store) -> Result<()> {
    match fs::DirBuilder::new().mode(mode).create(path(text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            store.make_roots()?;
            make_directory(text, mode)
        }
        other => other.map_err(|error| Error::io(error, format!("cannot make `{text}`"))),
    }
}

fn make_directory(text: &OsText, mode: u32) -> Result<()> {
    let made = fs::DirBuilder::new().mode(mode).create(path(text));
    made.map_err(|error| Error::io(error, format!("cannot make the directory `{text}`")))
}

fn link_layers(directory: &OsText, targets: &[OsText]) -> Result<()> {
    let failed = |error, what: &OsText| Error::io(error, format!("cannot make `{what}`"));
    match fs::DirBuilder::new().mode(0o700).create(path(directory)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error, directory)),
        _ => {}
    }
    for (number, target) in targets.iter().enumerate() {
        let link = directory.join(number.to_string());
        match std::os::unix::fs::symlink(path(target), path(&link)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error, &link)),
            _ => {}
        }
    }
    Ok(())
}

fn make_source(text: &OsText) -> Result<()> {
    match fs::symlink_metadata(path(text)) {
        Ok(_) => Ok(()),
        Err(_) => fs::create_dir_all(path(text))
            .map_err(|error| Error::io(error, format!("cannot make the missing mount source `{text}`"))),
    }
}

fn write_new(text: &OsText, bytes: &[u8], mode: u32) -> Result<()> {
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path(text));
    open.and_then(|mut file| file.write_all(bytes))
        .map_err(|error| Error::io(error, format!("cannot write `{text}`")))
}

fn reserve_name(text: &OsText, id: &ContainerId) -> Result<()> {
    match rustix::fs::symlink(id.as_str(), path(text)) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => {
            let name = path(text).file_name().unwrap_or_default().to_string_lossy().into_owned();
            let other = fs::read_link(path(text)).unwrap_or_default();
            let other = other.to_string_lossy();
            let message = format!(
                "the name `{name}` is already used by container {}",
                other.get(..12).unwrap_or(&other)
            );
            Err(Error::new(ErrorKind::AlreadyExists, message)
                .with_hint(format!("choose another name, or remove that container with `cv rm {name}`")))
        }
        Err(errno) => Err(Error::os(errno.raw_os_error(), format!("cannot reserve the name `{text}`"))),
    }
}

/// Opens what a plan's stage steps refer to.
pub(crate) fn open_handles(plan: &LinuxPlan, handles: &mut Handles) -> Result<()> {
    handles.join = cgroup::open_join_files(&plan.groups)?;
    handles.group = cgroup::open_clone_target(&plan.groups)?;
    if plan.steps.iter().any(|step| watches_owner(&step.action)) {
        handles.owner = Some(this_process()?);
    }
    Ok(())
}

/// Says whether a step ends something when this process ends.
fn watches_owner(action: &Action) -> bool {
    match action {
        Action::Keep { owner_bound } | Action::StayAsInit { owner_bound } => *owner_bound,
        Action::Start { supervisor: Supervisor::Monitor { owner_bound, .. }, .. } => *owner_bound,
        _ => false,
    }
}

/// Opens the other containers whose namespaces a plan joins.
pub(crate) fn open_others(plan: &LinuxPlan, store: &Store, handles: &mut Handles) -> Result<()> {
    for step in &plan.steps {
        if let Action::JoinNamespaces { source: NamespaceSource::Container(id), .. } = &step.action {
            handles.others.push(process::first_of(store, id)?.pidfd);
        }
    }
    Ok(())
}

fn this_process() -> Result<OwnedFd> {
    rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .map_err(|errno| Error::os(errno.raw_os_error(), "cannot open a descriptor of this process"))
}

/// Starts the stage and follows it until the process is prepared or executed.
///
/// `record` is called with the new process before it may go on.
pub(crate) fn start(
    run: &Run<'_>,
    stage: &StageFile,
    record: &mut dyn FnMut(ProcessRecord, Option<u32>) -> Result<()>,
) -> Result<Started> {
    let program = encode(run.plan, &run.handles, run.fault);
    let spawned = stage.spawn(program, &run.handles.inherited()).map_err(|error| {
        Error::io(error, "cannot start the stage")
            .with_hint("the sysctl `vm.memfd_noexec` must not be 2, and a process must be allowed to be made")
    })?;
    let mut following = Following {
        run,
        spawned,
        made: None,
        started: None,
        monitor: None,
        inside: None,
        terminal: None,
        record,
    };
    let followed = following.follow().map_err(|error| following.give_up(error));
    following.spawned.reap_outer();
    match (followed, following.started) {
        (Ok(()), Some(started)) => Ok(Started {
            pid_inside: following.inside.unwrap_or(started.pid),
            terminal: following.terminal,
            ..started
        }),
        (Ok(()), None) => Err(Error::new(ErrorKind::Other, "the stage ended without starting a process")),
        (Err(error), started) => {
            if let Some(started) = started {
                let _ = containerv_sys::linux::process::wait(&started.pidfd, true);
            }
            Err(error)
        }
    }
}

struct Following<'a> {
    run: &'a Run<'a>,
    spawned: Spawned,
    /// The number of the new process, and the process once it is opened.
    made: Option<i32>,
    started: Option<Started>,
    monitor: Option<u32>,
    /// What the new process tells of itself, maybe before the one that made it tells its number:
    /// the two share the channel and run at the same time.
    inside: Option<u32>,
    terminal: Option<OwnedFd>,
    record: &'a mut dyn FnMut(ProcessRecord, Option<u32>) -> Result<()>,
}

impl Following<'_> {
    fn follow(&mut self) -> Result<()> {
        loop {
            let report = self
                .spawned
                .channel
                .receive()
                .map_err(|error| Error::io(error, "cannot hear from the stage"))?;
            match report {
                None if self.keeps() => {
                    return Err(Error::new(ErrorKind::Other, "the keeper was killed before it was ready"));
                }
                None => return Ok(()),
                Some(Report { kind: report::READY, .. }) => return Ok(()),
                Some(report) => self.hear(report)?,
            }
        }
    }

    /// Ends what was started and hears the stage out: a process may fail before the one that made
    /// it has reported it, and what it says itself tells more than how it was missed.
    fn give_up(&mut self, error: Error) -> Error {
        let mut told = None;
        if self.started.is_none() && self.made.is_some() {
            // It could not be opened, so it cannot be killed, and it awaits what will not come.
            self.spawned.channel.hang_up();
        }
        loop {
            if let Some(started) = &self.started {
                let _ = rustix::process::pidfd_send_signal(&started.pidfd, rustix::process::Signal::KILL);
            }
            let Ok(Some(report)) = self.spawned.channel.receive() else {
                // By now there may be a descriptor for it again, by which it is reaped.
                let unopened = self.made.filter(|_| self.started.is_none());
                self.started = self.started.take().or_else(|| open_started(unopened?).ok());
                return told.unwrap_or(error);
            };
            if let Some(errno) = report.failure() {
                told = Some(explain::step_failed(self.run.plan, report.step, errno));
            } else if report.kind == report::CHILD {
                self.started = open_started(report.value as i32).ok();
            }
        }
    }

    /// Says whether the last step is a keeper, which tells that it is ready.
    fn keeps(&self) -> bool {
        self.run.plan.steps.iter().any(|step| matches!(step.action, Action::Keep { .. }))
    }

    fn hear(&mut self, report: Report) -> Result<()> {
        if let Some(errno) = report.failure() {
            return Err(explain::step_failed(self.run.plan, report.step, errno));
        }
        match report.kind {
            report::MONITOR => self.monitor = u32::try_from(report.value).ok(),
            report::CHILD => return self.child(report.value as i32),
            report::INSIDE => self.inside = u32::try_from(report.value).ok(),
            report::TERMINAL => self.terminal = report.fd,
            report::TRAPPED => die(),
            _ => {}
        }
        Ok(())
    }

    /// The new process is known: everything that it waits for is done now.
    fn child(&mut self, pid: i32) -> Result<()> {
        self.made = Some(pid);
        let pid = self.started.insert(open_started(pid)?).pid;
        let start = process::start_time(pid)?.unwrap_or(0);
        for (number, action) in self.run.plan.phase(Phase::Beside) {
            let done = match action {
                Action::MapIds(maps) => idmap::write(pid, maps),
                Action::MakeVeth(veth) => veth::make(veth, &self.run.plan.container, pid),
                Action::Release => (self.record)(ProcessRecord { pid, start }, self.monitor),
                other => Err(Error::new(ErrorKind::Other, format!("`{other}` is not a step beside"))),
            };
            done?;
            die_at(self.run.fault, number);
        }
        self.spawned.channel.go().map_err(|error| Error::io(error, "cannot let the process go on"))
    }
}

fn open_started(pid: i32) -> Result<Started> {
    let number =
        Pid::from_raw(pid).ok_or_else(|| Error::new(ErrorKind::Other, "the stage reported process 0"))?;
    let pidfd = rustix::process::pidfd_open(number, PidfdFlags::empty())
        .map_err(|errno| Error::os(errno.raw_os_error(), format!("cannot open process {pid}")))?;
    Ok(Started { pid: pid as u32, pid_inside: pid as u32, pidfd, terminal: None })
}

/// Ends this process if the fault is at this step.
pub(crate) fn die_at(fault: Fault, number: u32) {
    if fault == Some(number) {
        die();
    }
}

/// Ends this process as a crash would; for tests of the clean-up.
fn die() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

/// Returns a copy of a descriptor that is above 2, for the stage.
pub(crate) fn duplicate(fd: impl AsFd) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 3)
        .map_err(|errno| Error::os(errno.raw_os_error(), "cannot duplicate a descriptor"))
}
