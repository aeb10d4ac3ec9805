//! Processes in running containers.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use containerv_spec::ContainerId;
use containerv_spec::cgroup::{CgroupStep, GroupSet};
use containerv_spec::plan::LinuxPlan;
use containerv_spec::request::{Process as ProcessRequest, Request, TerminalSize};
use containerv_spec::state::Exit;
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;

use super::children::{Aftermath, Child};
use super::encode::Handles;
use super::execute::{self, Run, Started};
use super::lifecycle::parse_signal;
use super::store::Directory;
use super::{System, cgroup, probe, process, streams};
use crate::backend::clock::now_unix_ns;
use crate::backend::events::{Announce, End, Subject, ToldExec};
use crate::lower::linux::{Joined, join};
use crate::process::{Ends, ExecOptions, ExitStatus, StdioSet, TerminalStreams};
use crate::{Error, ErrorKind, Result};

/// A process that this process has started and waits for.
#[derive(Debug)]
pub(crate) struct Process {
    system: Arc<System>,
    child: Arc<Child>,
    pid_inside: u32,
    /// Master of its terminal.
    terminal: Option<OwnedFd>,
    /// Set until its end is told, if its start was.
    told: Option<ToldExec>,
}

/// What ends with the container's own command.
#[derive(Debug)]
pub(crate) struct First {
    /// Not a strong reference: the system itself keeps this until the command has ended.
    system: Weak<System>,
    alive: Option<OwnedFd>,
    directory: Directory,
    groups: GroupSet,
    auto_remove: bool,
    subject: Subject,
}

impl Process {
    /// The container's own command, which this process supervises.
    pub(crate) fn first(
        system: &Arc<System>,
        started: Started,
        alive: Option<OwnedFd>,
        directory: &Directory,
        request: &Request,
    ) -> Result<Self> {
        let directory = Directory::open(directory.path.clone())?;
        let groups = directory.journal()?.intent.groups;
        let first = First {
            system: Arc::downgrade(system),
            alive,
            directory,
            groups,
            auto_remove: request.auto_remove,
            subject: Subject::of(request),
        };
        Ok(Self::new(system, &request.id, started, Some(first)))
    }

    fn new(system: &Arc<System>, id: &ContainerId, started: Started, first: Option<First>) -> Self {
        let Started { pid, pid_inside, pidfd, terminal } = started;
        let child = system.children.add(id, pid, pidfd, first);
        Self { system: Arc::clone(system), child, pid_inside, terminal, told: None }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    pub(crate) fn pid_inside(&self) -> u32 {
        self.pid_inside
    }

    pub(crate) fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    pub(crate) fn take_terminal_streams(&mut self) -> Result<Option<TerminalStreams>> {
        let Some(master) = &self.terminal else { return Ok(None) };
        let [input, output] = [execute::duplicate(master)?, execute::duplicate(master)?];
        Ok(Some(TerminalStreams { input: input.into(), output: output.into() }))
    }

    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            let (id, children) = (self.child.container(), &self.system.children);
            children.wait_for_first(id, &*self.child, None, Aftermath::Usual)?;
        }
    }

    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        let ended = self.child.reap(Aftermath::Usual);
        if let (Ok(Some(status)), Some(told)) = (&ended, self.told.take_if(|_| self.child.ended().is_some()))
        {
            self.system.announce_exec_end(told, status.docker_code());
        }
        if self.child.ended().is_some() {
            self.system.children.forget_reaped();
        }
        ended
    }

    pub(crate) fn signal(&self, signal: i32) -> Result<()> {
        let number = parse_signal(signal)?;
        if self.child.ended().is_some() {
            return Err(Error::os(rustix::io::Errno::SRCH.raw_os_error(), self.signal_failed(signal)));
        }
        rustix::process::pidfd_send_signal(&*self.child, number)
            .map_err(|errno| Error::os(errno.raw_os_error(), self.signal_failed(signal)))
    }

    fn signal_failed(&self, signal: i32) -> String {
        format!("cannot send signal {signal} to process {}", self.pid())
    }

    pub(crate) fn resize(&self, size: TerminalSize) -> Result<()> {
        let terminal = self.terminal.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidState, format!("process {} has no terminal here", self.pid()))
        })?;
        let size =
            rustix::termios::Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(terminal, size)
            .map_err(|errno| Error::os(errno.raw_os_error(), "cannot resize the terminal"))
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }
}

impl First {
    /// Says whether memory ran out in the container.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        cgroup::oom_kills(&self.groups).unwrap_or(0) > 0
    }

    /// Records how the container ended, and removes what an ended container does not need.
    pub(crate) fn finish(self, status: ExitStatus, aftermath: Aftermath) -> Result<()> {
        let exit = Exit {
            code: status.docker_code(),
            signal: status.signal,
            out_of_memory: status.out_of_memory,
            finished_unix_ns: now_unix_ns(),
        };
        let removes = self.auto_remove && aftermath == Aftermath::Usual;
        let kills = cgroup::oom_kills(&self.groups);
        let end = End { started: true, exit: Some(exit), kills, destroyed: removes };
        let system = self.system.upgrade();
        if let Some(alive) = self.alive {
            self.directory.record_exit(&alive, &exit)?;
            if let (false, Some(system)) = (removes, &system) {
                system.announce_end_of(&self.subject, end);
            }
            self.directory.end_supervision(alive)?;
        }
        let Some(system) = system.filter(|_| removes) else { return Ok(()) };
        let _lock = self.directory.lock()?;
        // Somebody else may have been faster.
        if self.directory.path.exists() {
            let journal = self.directory.journal()?;
            system.dismantle(&self.directory, &journal, None)?;
        }
        system.announce_end_of(&self.subject, end);
        Ok(())
    }
}

impl System {
    /// Starts a further process in a running container.
    pub(crate) fn exec(
        self: &Arc<Self>,
        id: &ContainerId,
        process: &ProcessRequest,
        stdio: StdioSet,
        options: ExecOptions,
    ) -> Result<(Process, Ends)> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let name = request.called().to_owned();
        let journal_size = directory.journal_size();
        let journal = directory.journal()?;
        let first = process::first_in(&directory, &journal)?;
        if journal.started_unix_ns.is_none() {
            return Err(process::not_running(&name));
        }
        let groups = &journal.intent.groups;
        if cgroup::is_frozen(groups).unwrap_or(false) {
            return Err(Error::new(ErrorKind::InvalidState, format!("container `{name}` is paused"))
                .with_hint(format!("resume it with `cv unpause {name}`")));
        }
        cgroup::refuse_if_full(groups)
            .map_err(|error| error.context(format!("cannot start a process in container `{name}`")))?;
        let joined = Joined { request: &request, groups, privileged: options.privileged };
        let plan = join(&joined, process, &probe::for_process(process))?;
        let (handles, ends) = join_handles(&plan, &request, process, &first, stdio)?;
        let mut run = Run { plan: &plan, handles, fault: self.fault };
        let started = execute::start(&run, self.stage()?, &mut |_, _| Ok(()))
            .map_err(|error| error.context(format!("cannot start a process in container `{name}`")))?;
        run.handles = Handles::default();
        let mut running = Process::new(self, id, started, None);
        if directory.journal_size() != journal_size
            && let Err(error) = join_added(&directory, groups)
        {
            let _ = running.signal(Signal::KILL.as_raw()).and_then(|()| running.wait());
            return Err(error.context(format!("cannot start a process in container `{name}`")));
        }
        let announce = |id| self.announce_exec(&request, &id, &process.args);
        running.told = if options.announced { self.new_id().ok().map(announce) } else { None };
        Ok((running, ends))
    }
}

/// Joins control groups that the container got while a process was started in it.
fn join_added(directory: &Directory, known: &GroupSet) -> Result<()> {
    let groups = directory.journal()?.intent.groups;
    let Some(members) = groups.tracking() else { return Ok(()) };
    let added = groups.groups.iter().filter(|group| !known.groups.contains(group));
    let mut steps =
        added.map(|group| CgroupStep::Gather { path: group.path.clone(), members: members.path.clone() });
    steps.try_for_each(|step| cgroup::execute(&step))
}

fn join_handles(
    plan: &LinuxPlan,
    request: &Request,
    process: &ProcessRequest,
    first: &process::First,
    stdio: StdioSet,
) -> Result<(Handles, Ends)> {
    let mut handles = Handles::default();
    execute::open_handles(plan, &mut handles)?;
    handles.own = Some(execute::duplicate(&first.pidfd)?);
    if !request.namespaces.mount {
        handles.own_root = Some(root_of(first.pid)?);
    }
    let stdio = if process.terminal.is_some() { StdioSet::null() } else { stdio };
    let (streams, ends) = streams::child_streams(stdio)?;
    handles.streams = Some(streams);
    Ok((handles, ends))
}

/// Opens the root directory of a process.
pub(crate) fn root_of(pid: u32) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/root");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&path, flags, Mode::empty())
        .map_err(|errno| Error::os(errno.raw_os_error(), format!("cannot open `{path}`")))?;
    execute::duplicate(opened)
}
