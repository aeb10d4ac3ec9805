//! Processes in running containers.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use containerv_spec::ContainerId;
use containerv_spec::cgroup::GroupSet;
use containerv_spec::plan::Plan;
use containerv_spec::request::{Process as ProcessRequest, Request, TerminalSize};
use containerv_spec::state::Exit;
use containerv_sys::linux::process::Ended;
use rustix::fs::{Mode, OFlags};

use super::encode::Handles;
use super::events::{End, Subject};
use super::execute::{self, Run, Started};
use super::lifecycle::{now_unix_ns, parse_signal};
use super::store::Directory;
use super::{System, cgroup, probe, process, streams};
use crate::lower::linux::{Joined, join};
use crate::process::{ExecOptions, ExitStatus, StdioSet};
use crate::{Error, ErrorKind, Result};

/// A process that this process has started and waits for.
#[derive(Debug)]
pub(crate) struct Process {
    started: Started,
    ended: Option<ExitStatus>,
    /// Set for the container's own command.
    first: Option<First>,
}

/// What ends with the container's own command.
#[derive(Debug)]
struct First {
    system: Arc<System>,
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
        let auto_remove = request.auto_remove;
        let first = First {
            system: Arc::clone(system),
            alive,
            directory,
            groups,
            auto_remove,
            subject: Subject::of(request),
        };
        Ok(Self { started, ended: None, first: Some(first) })
    }

    /// A further process.
    fn further(started: Started) -> Self {
        Self { started, ended: None, first: None }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.started.pid
    }

    pub(crate) fn pid_inside(&self) -> u32 {
        self.started.pid_inside
    }

    pub(crate) fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.started.terminal.take()
    }

    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.wait_for(true)? {
                return Ok(status);
            }
        }
    }

    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.wait_for(false)
    }

    fn wait_for(&mut self, block: bool) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let ended = containerv_sys::linux::process::wait(&self.started.pidfd, block)
                .map_err(|error| Error::io(error, format!("cannot wait for process {}", self.started.pid)))?;
            self.ended = ended.map(|ended| match ended {
                Ended::Code(code) => ExitStatus { code, signal: None, out_of_memory: false },
                Ended::Signal(signal) => {
                    ExitStatus { code: 128 + signal, signal: Some(signal), out_of_memory: false }
                }
            });
            if let (Some(status), Some(first)) = (&mut self.ended, self.first.take()) {
                status.out_of_memory = cgroup::oom_kills(&first.groups).unwrap_or(0) > 0;
                first.finish(*status)?;
            }
        }
        Ok(self.ended)
    }

    pub(crate) fn signal(&self, signal: i32) -> Result<()> {
        let number = parse_signal(signal)?;
        if self.ended.is_some() {
            return Err(Error::os(rustix::io::Errno::SRCH.raw_os_error(), self.signal_failed(signal)));
        }
        rustix::process::pidfd_send_signal(&self.started.pidfd, number)
            .map_err(|errno| Error::os(errno.raw_os_error(), self.signal_failed(signal)))
    }

    fn signal_failed(&self, signal: i32) -> String {
        format!("cannot send signal {signal} to process {}", self.started.pid)
    }

    pub(crate) fn resize(&self, size: TerminalSize) -> Result<()> {
        let terminal = self.started.terminal.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidState, format!("process {} has no terminal here", self.started.pid))
        })?;
        let size =
            rustix::termios::Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(terminal, size)
            .map_err(|errno| Error::os(errno.raw_os_error(), "cannot resize the terminal"))
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.started.pidfd.as_fd()
    }
}

impl First {
    /// Records how the container ended, and removes what an ended container does not need.
    fn finish(self, status: ExitStatus) -> Result<()> {
        let exit = Exit {
            code: status.docker_code(),
            signal: status.signal,
            out_of_memory: status.out_of_memory,
            finished_unix_ns: now_unix_ns(),
        };
        let end = End { started: true, exit: Some(exit), destroyed: self.auto_remove };
        if let Some(alive) = self.alive {
            self.directory.record_exit(&alive, &exit)?;
            if !self.auto_remove {
                self.system.announce_end_of(&self.subject, end);
            }
            self.directory.end_supervision(alive)?;
        }
        if !self.auto_remove {
            return Ok(());
        }
        let _lock = self.directory.lock()?;
        // Somebody else may have been faster.
        if self.directory.path.exists() {
            let journal = self.directory.journal()?;
            self.system.dismantle(&self.directory, &journal, None)?;
        }
        self.system.announce_end_of(&self.subject, end);
        Ok(())
    }
}

impl System {
    /// Starts a further process in a running container.
    pub(crate) fn exec(
        &self,
        id: &ContainerId,
        process: &ProcessRequest,
        stdio: StdioSet,
        options: ExecOptions,
    ) -> Result<(Process, streams::Ends)> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let name = request.name.as_deref().unwrap_or(id.short()).to_owned();
        let journal = directory.journal()?;
        let first = process::first_of(&self.store, id).map_err(|_| process::not_running(&name))?;
        if journal.started_unix_ns.is_none() {
            return Err(process::not_running(&name));
        }
        let groups = &journal.intent.groups;
        if cgroup::is_frozen(groups).unwrap_or(false) {
            return Err(Error::new(ErrorKind::InvalidState, format!("container `{name}` is paused"))
                .with_hint(format!("resume it with `cv unpause {name}`")));
        }
        let joined = Joined { request: &request, groups, privileged: options.privileged };
        let plan = join(&joined, process, &probe::for_process(process))?;
        let (handles, ends) = join_handles(&plan, &request, process, &first, stdio)?;
        let mut run = Run { plan: &plan, handles, fault: self.fault };
        let started = execute::start(&run, self.stage()?, &mut |_, _| Ok(()))
            .map_err(|error| error.context(format!("cannot start a process in container `{name}`")))?;
        run.handles = Handles::default();
        Ok((Process::further(started), ends))
    }
}

fn join_handles(
    plan: &Plan,
    request: &Request,
    process: &ProcessRequest,
    first: &process::First,
    stdio: StdioSet,
) -> Result<(Handles, streams::Ends)> {
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
