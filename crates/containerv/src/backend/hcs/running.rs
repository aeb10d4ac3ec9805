//! Processes in running containers, and the attached commands that this process supervises.

use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use containerv_spec::ContainerId;
use containerv_spec::request::{Request, TerminalSize};
use containerv_sys::windows::notices::Notices;

use super::compute;
use super::lifecycle::parse_signal;
use super::store::Directory;
use super::streams::Pumps;
use super::supervise::{Supervised, UNKNOWN, exit_now};
use super::system::System;
use crate::backend::events::{Announce, ToldExec};
use crate::process::{Ends, ExitStatus, StdioSet, TerminalStreams};
use crate::{Error, ErrorKind, Result};

/// A process that this process has started and waits for.
#[derive(Debug)]
pub(crate) struct Process {
    child: Arc<Child>,
    pumps: Pumps,
    terminal: Option<TerminalStreams>,
    /// Set until its end is told, if its start was.
    told: Option<(Arc<System>, ToldExec)>,
}

/// A process of a container.
#[derive(Debug)]
pub(crate) struct Child {
    id: ContainerId,
    number: u32,
    terminal: bool,
    process: compute::Process,
    /// Kept open by a system's owner, with whose last handle it may be bound to end; nobody else's handle
    /// should keep it.
    system: Option<compute::System>,
    /// Signaled at its end, or before.
    events: Notices,
    ended: Mutex<Option<ExitStatus>>,
    /// Set until its end is recorded, if it is its container's own command.
    supervised: Mutex<Option<Supervised>>,
}

/// How a process ended, from its exit code.
pub(super) fn status_of(code: Option<u32>) -> ExitStatus {
    ExitStatus { code: code.unwrap_or(UNKNOWN).cast_signed(), signal: None, out_of_memory: false }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Child {
    /// Waits for the end; `None` when the time is over.
    fn wait(&self, limit: Option<Duration>) -> Result<Option<ExitStatus>> {
        let mut ended = locked(&self.ended);
        if ended.is_none() {
            let waited = self.process.wait(limit).map_err(|failure| {
                failure.explain(&format!("cannot wait for process {} of `{}`", self.number, self.id.short()))
            })?;
            *ended = waited.map(|ended| status_of(ended.0));
        }
        Ok(*ended)
    }

    /// Records the end, once. The container is held by the caller, who tidies up, or by nobody.
    fn settle(&self, status: ExitStatus, held: bool) -> Result<()> {
        let Some(supervised) = locked(&self.supervised).take() else { return Ok(()) };
        let code = status.code.cast_unsigned();
        let supervised = match &self.system {
            Some(system) => supervised.with_crash_of(system, code),
            None => supervised,
        };
        let exit = exit_now(code);
        if held { supervised.record(&exit) } else { supervised.finish(&exit) }
    }
}

impl Process {
    /// Starts a container's own command, which this process supervises. The caller holds the container.
    pub(super) fn first(
        system: &Arc<System>,
        directory: &Directory,
        request: &Request,
        stdio: StdioSet,
    ) -> Result<(Option<Self>, Ends)> {
        let alive = directory.supervise()?;
        let mut wanted = request.clone();
        if let Some(process) = &mut wanted.process {
            process.open_stdin = process.terminal.is_some() || !stdio.stdin.is_null();
        }
        let mut live = system.begin(directory, &wanted)?;
        let supervised = Supervised::new(system, directory.clone(), request.clone(), alive);
        let (Some(process), Some(info), Some(compute)) =
            (live.process.take(), live.info.take(), live.system.take())
        else {
            return Err(Error::new(ErrorKind::InvalidArgument, "the request has no command to attach to"));
        };
        let terminal = request.process.as_ref().is_some_and(|process| process.terminal.is_some());
        let (process, ends) =
            Self::new(&request.id, Some(compute), process, info, stdio, terminal, Some(supervised))?;
        system.attach_child(&process.child);
        Ok((Some(process), ends))
    }

    pub(super) fn new(
        id: &ContainerId,
        system: Option<compute::System>,
        process: compute::Process,
        info: containerv_sys::windows::hcs::ProcessInfo,
        stdio: StdioSet,
        terminal: bool,
        supervised: Option<Supervised>,
    ) -> Result<(Self, Ends)> {
        let failed = |failure: super::explain::Failure| {
            failure.explain(&format!("cannot follow process {} of container `{}`", info.id, id.short()))
        };
        let events = process.events().map_err(failed)?;
        let child = Arc::new(Child {
            id: id.clone(),
            number: info.id,
            terminal,
            process,
            system,
            events,
            ended: Mutex::default(),
            supervised: Mutex::new(supervised),
        });
        let (pumps, ends, terminal) = if terminal {
            (Pumps::default(), Ends::default(), super::streams::terminal(info))
        } else {
            let (pumps, ends) = super::streams::connect(info, stdio, &child)?;
            (pumps, ends, None)
        };
        Ok((Self { child, pumps, terminal, told: None }, ends))
    }

    /// Tells of its end once somebody has waited for it.
    pub(super) fn tell_end(&mut self, system: &Arc<System>, told: ToldExec) {
        self.told = Some((Arc::clone(system), told));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.number
    }

    pub(crate) fn pid_inside(&self) -> u32 {
        self.child.number
    }

    pub(crate) fn take_terminal_streams(&mut self) -> Result<Option<TerminalStreams>> {
        Ok(self.terminal.take())
    }

    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait(None)?.unwrap_or_else(|| status_of(None));
        self.finish(status)
    }

    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        match self.child.wait(Some(Duration::ZERO))? {
            Some(status) => self.finish(status).map(Some),
            None => Ok(None),
        }
    }

    /// All that it wrote is passed on before anybody hears of its end.
    fn finish(&mut self, status: ExitStatus) -> Result<ExitStatus> {
        self.pumps.finish();
        if let Some((system, told)) = self.told.take() {
            system.announce_exec_end(told, status.docker_code());
        }
        self.child.settle(status, false)?;
        Ok(status)
    }

    pub(crate) fn signal(&self, number: i32) -> Result<()> {
        let signal = parse_signal(number)?;
        let doing = || format!("cannot send signal {number} to process {}", self.child.number);
        if locked(&self.child.ended).is_some() {
            return Err(Error::new(ErrorKind::NotFound, doing() + ": it has ended"));
        }
        self.child.process.signal(signal).map_err(|failure| {
            let error = failure.explain(&doing());
            if failure.is_no_process() { error.with_kind(ErrorKind::NotFound) } else { error }
        })
    }

    pub(crate) fn resize(&self, size: TerminalSize) -> Result<()> {
        if !self.child.terminal {
            return Err(Error::new(ErrorKind::InvalidState, "the process has no terminal"));
        }
        self.child.process.resize(size).map_err(|failure| {
            failure.explain(&format!("cannot resize the terminal of process {}", self.child.number))
        })
    }
}

impl Child {
    /// Ends its standard input.
    pub(super) fn close_stdin(&self) {
        // A process that has ended has none.
        let _ = self.process.close_stdin();
    }
}

impl AsHandle for Process {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.child.events.as_handle()
    }
}

impl System {
    /// Remembers an attached command, so that its end is recorded also if nobody waits for it.
    fn attach_child(&self, child: &Arc<Child>) {
        locked(&self.attached).push(Arc::clone(child));
    }

    /// Records the end of an attached command of this process, if it has ended, or with `wait` once it
    /// has. With `held`, the caller holds the container and tidies up himself.
    pub(super) fn settle(&self, id: &ContainerId, wait: bool, held: bool) -> Result<()> {
        let child = locked(&self.attached).iter().find(|child| child.id == *id).cloned();
        let Some(child) = child else { return Ok(()) };
        if let Some(status) = child.wait(if wait { None } else { Some(Duration::ZERO) })? {
            locked(&self.attached).retain(|other| !Arc::ptr_eq(other, &child));
            child.settle(status, held)?;
        }
        Ok(())
    }
}
