//! Creation, start, end and looking at containers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use containerv_spec::hcs::properties::PropertyQuery;
use containerv_spec::hcs::signal::{self, WindowsSignal};
use containerv_spec::plan::Plan;
use containerv_spec::plan::hcs::Stage;
use containerv_spec::state::{Exit, Status};
use containerv_spec::{ContainerId, Request};

use super::execute::{self, Record};
use super::found::Values;
use super::journal::Journal;
use super::monitor::{self, Launched};
use super::perform::{Hold, Performer};
use super::root;
use super::running::Process;
use super::store::Directory;
use super::supervise::{UNKNOWN, exit_now};
use super::system::System;
use super::{compute, crash};
use crate::backend::events::{Announce, End, action};
use crate::container::State;
use crate::process::{Ends, StdioSet};
use crate::{Error, ErrorKind, Result};

/// How often a container that is not started is looked at.
const ROUND: Duration = Duration::from_millis(20);

/// A container that was just made, with its process if the caller waits for that itself.
#[derive(Debug)]
pub(crate) struct Made {
    /// The request as it was stored.
    pub(crate) request: Request,
    /// The attached process.
    pub(crate) process: Option<Process>,
    /// The caller's ends of its pipes.
    pub(crate) ends: Ends,
}

/// What runs of a container.
pub(super) struct Running {
    pub(super) system: compute::System,
    /// Its own command, if it has one.
    pub(super) process: Option<compute::Process>,
    pub(super) paused: bool,
}

impl System {
    /// Lowers a request for this machine without doing anything. Whose the command's streams are makes no
    /// difference: they are pipes.
    pub(crate) fn plan(&self, request: &Request, _attached: bool) -> Result<Plan> {
        self.lower(&self.resolved(request.clone())?).map(Plan::Hcs)
    }

    /// Looks at what a directory is that is named as the root.
    fn resolved(&self, request: Request) -> Result<Request> {
        let base = Self::variable(root::BASE_VARIABLE).filter(|base| !base.is_empty()).map(PathBuf::from);
        root::resolve(request, base.as_deref())
    }

    /// Makes a container: one without a command runs at once; a command waits for `start`.
    pub(crate) fn create(self: &Arc<Self>, request: Request) -> Result<Made> {
        let keeper = request.process.is_none();
        self.make(request, |directory, request| {
            if keeper {
                let mut live = self.begin(directory, request)?;
                self.keep_owned(request, &mut live);
            }
            Ok((None, Ends::default()))
        })
    }

    /// Makes a container and starts its command under a monitor.
    pub(crate) fn run_detached(self: &Arc<Self>, request: Request) -> Result<Made> {
        if request.process.is_none() {
            return self.create(request);
        }
        let made = self.make(request, |_, _| Ok((None, Ends::default())))?;
        match self.start(&made.request.id) {
            Ok(()) => Ok(made),
            Err(error) => {
                let name = made.request.called();
                let error = error.context(format!("cannot create container `{name}`"));
                match self.delete(&made.request.id, true) {
                    // It has removed itself.
                    Err(left) if left.kind() != ErrorKind::NotFound => Err(left.context(error.to_string())),
                    _ => Err(error),
                }
            }
        }
    }

    /// Makes a container and starts its command as a child of this process.
    pub(crate) fn run_attached(self: &Arc<Self>, request: Request, stdio: StdioSet) -> Result<Made> {
        self.make(request, |directory, request| Process::first(self, directory, request, stdio))
    }

    /// Makes what a container has for all its life, and begins its first run by `begin`. Nothing is
    /// left if either fails.
    fn make(
        self: &Arc<Self>,
        request: Request,
        begin: impl FnOnce(&Directory, &Request) -> Result<(Option<Process>, Ends)>,
    ) -> Result<Made> {
        let request = self.resolved(request)?;
        let plan = self.lower(&request)?;
        let failed = |error: Error| error.context(format!("cannot create container `{}`", request.called()));
        let hold = Hold::default();
        let mut performer = Performer::new(self.windows(), &request.id, Some(&request))
            .with_fault(self.fault())
            .with_hold(&hold);
        let mut open = || {
            let directory = self.directory(&request.id)?;
            hold.set(directory.lock()?);
            Ok(Box::new(directory) as Box<dyn Record>)
        };
        let ran = execute::run(&plan, Stage::Create, Values::default(), &mut performer, &mut open);
        ran.map_err(|error| {
            let taken = request.name.as_deref().filter(|_| error.kind() == ErrorKind::AlreadyExists);
            failed(taken.and_then(|name| self.taken(name)).unwrap_or(error))
        })?;
        let directory = self.directory(&request.id)?;
        match begin(&directory, &request) {
            Ok((process, ends)) => {
                self.announce_new(&request, directory.journal().is_ok_and(|journal| journal.complete));
                Ok(Made { request, process, ends })
            }
            Err(error) => {
                self.remove_all(&directory, &directory.journal()?, &hold).map_err(failed)?;
                Err(failed(error))
            }
        }
    }

    /// Starts a container's command, or runs a container again that has ended.
    pub(crate) fn start(self: &Arc<Self>, id: &ContainerId) -> Result<()> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let failed = |error: Error| error.context(format!("cannot start container `{}`", request.called()));
        loop {
            let lock = directory.lock()?;
            let supervised = directory.is_supervised()?;
            if !supervised && self.running(&directory, &directory.journal()?)?.is_some() {
                return Ok(());
            }
            if !supervised && request.process.is_none() {
                let mut live = self.begin(&directory, &request).map_err(failed)?;
                self.keep_owned(&request, &mut live);
                self.announce(&request, action::START, &[]);
                return Ok(());
            }
            // The monitor takes the hold itself.
            let launched = match supervised {
                true => monitor::start(&directory, lock),
                false => monitor::launch(self, &directory, monitor::Begin::AtOnce, lock),
            };
            match launched.map_err(failed)? {
                Launched::Done => return Ok(()),
                Launched::Otherwise => std::thread::sleep(ROUND),
            }
        }
    }

    /// Prepares the command of a container that does not run, for `start`.
    pub(crate) fn prepare(self: &Arc<Self>, id: &ContainerId) -> Result<()> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let lock = directory.lock()?;
        if request.process.is_none()
            || directory.is_supervised()?
            || self.running(&directory, &directory.journal()?)?.is_some()
        {
            return Ok(());
        }
        // If another monitor was faster, it is prepared as well.
        let launched = monitor::launch(self, &directory, monitor::Begin::WhenTold, lock);
        launched
            .map(drop)
            .map_err(|error| error.context(format!("cannot start container `{}`", request.called())))
    }

    /// Reads a container's request.
    pub(crate) fn request(&self, id: &ContainerId) -> Result<Request> {
        self.directory(id)?.request()
    }

    /// As [`Directory::uses_nothing`]; so does one that is gone.
    pub(crate) fn uses_nothing(&self, id: &ContainerId) -> Result<bool> {
        self.store().find(id).map_or(Ok(true), |directory| directory.uses_nothing())
    }

    /// Returns the ids of all containers.
    pub(crate) fn ids(&self) -> Result<Vec<ContainerId>> {
        self.store().ids()
    }

    /// Returns the id behind a name.
    pub(crate) fn named(&self, name: &str) -> Option<ContainerId> {
        self.store().named(name)
    }

    /// Returns the container's directory.
    pub(crate) fn path(&self, id: &ContainerId) -> Result<PathBuf> {
        Ok(self.directory(id)?.path)
    }

    /// Finds what runs of a container.
    pub(super) fn running(&self, directory: &Directory, journal: &Journal) -> Result<Option<Running>> {
        let (true, Some(isolation)) = (journal.open && journal.complete, journal.isolation) else {
            return Ok(None);
        };
        let failed = |failure: super::explain::Failure| {
            failure.explain(&format!("cannot look at container `{}`", directory.called()))
        };
        let Some(system) = self.windows().find_system(isolation, &directory.id).map_err(failed)? else {
            return Ok(None);
        };
        let properties = match system.properties(&PropertyQuery::default()) {
            Err(failure) if failure.is_no_system() => return Ok(None),
            properties => properties.map_err(failed)?,
        };
        if properties.stopped == Some(true) || properties.state.as_deref() == Some("Stopped") {
            return Ok(None);
        }
        let paused = properties.state.as_deref() == Some("Paused");
        let Some(number) = journal.process else {
            return Ok(Some(Running { system, process: None, paused }));
        };
        match system.open_process(number).and_then(|process| Ok((process.status()?.exited, process))) {
            Ok((false, process)) => Ok(Some(Running { system, process: Some(process), paused })),
            Ok((true, _)) => Ok(None),
            Err(failure) if failure.is_no_process() => Ok(None),
            Err(failure) => Err(failed(failure)),
        }
    }

    /// Finds what runs of a container, which has to run.
    pub(super) fn running_now(&self, id: &ContainerId) -> Result<(Directory, Running)> {
        let directory = self.directory(id)?;
        let running = self.running(&directory, &directory.journal()?)?;
        let running = running.ok_or_else(|| {
            let name = directory.called();
            Error::new(ErrorKind::InvalidState, format!("container `{name}` is not running"))
                .with_hint(format!("start it with `cv start {name}`"))
        })?;
        Ok((directory, running))
    }

    /// Says where a container is in its life.
    pub(crate) fn state(&self, id: &ContainerId) -> Result<State> {
        self.settle(id, false, false)?;
        let directory = self.directory(id)?;
        let journal = directory.journal()?;
        let running = if journal.removing { None } else { self.running(&directory, &journal)? };
        let exit = directory.exit()?;
        let status = status(&directory, &journal, running.as_ref(), exit.is_some())?;
        let ended = matches!(status, Status::Exited | Status::Dead);
        Ok(State {
            status,
            pid: journal.process.filter(|_| running.is_some()),
            started_unix_ns: journal.started_unix_ns,
            exit: exit.filter(|_| ended),
            oom_kills: 0,
        })
    }

    /// Sends a signal to the container's own command; without one, to the container.
    pub(crate) fn signal(&self, id: &ContainerId, number: i32) -> Result<()> {
        let signal = parse_signal(number)?;
        let (directory, running) = self.running_now(id)?;
        let request = directory.request()?;
        let send = || match (&running.process, signal) {
            (Some(process), signal) => process.signal(signal),
            (None, WindowsSignal::Terminate) => running.system.terminate(),
            (None, WindowsSignal::Event(_)) => running.system.shut_down(),
        };
        let sent = self.announce_done(&request, action::KILL, &[("signal", number.to_string())], send);
        sent.map_err(|failure| {
            let name = request.called();
            failure.explain(&format!("cannot send signal {number} to container `{name}`"))
        })?;
        Ok(())
    }

    /// Asks the container to end, and ends it if it does not within the time.
    pub(crate) fn stop(
        &self,
        id: &ContainerId,
        signal: Option<i32>,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let number = signal.unwrap_or_else(|| i32::from(request.stop.signal));
        parse_signal(number)?;
        let timeout = timeout.unwrap_or(Duration::from_secs(request.stop.timeout_seconds));
        let journal = directory.journal()?;
        let Some(running) = self.running(&directory, &journal)? else {
            self.settle(id, true, false)?;
            // The command has ended; its supervisor may have output to pass on before it records that.
            return if journal.complete { directory.wait_exit().map(drop) } else { Ok(()) };
        };
        // It may end meanwhile, and a program may refuse; then the time passes.
        let _ = self.signal(id, number);
        let name = request.called();
        let failed =
            |failure: super::explain::Failure| failure.explain(&format!("cannot stop container `{name}`"));
        let (graceful, supervised) = match &running.process {
            Some(process) => {
                (process.wait(Some(timeout)).map_err(failed)?.is_some(), directory.is_supervised()?)
            }
            None => (running.system.wait(Some(timeout)).map_err(failed)?, false),
        };
        if !graceful {
            match running.system.terminate() {
                Err(failure) if !failure.is_no_system() => return Err(failed(failure)),
                _ => {}
            }
        }
        drop(running);
        self.settle(id, true, false)?;
        if supervised {
            directory.wait_exit()?;
        } else {
            self.end_unsupervised(&directory, if graceful { 0 } else { UNKNOWN })?;
        }
        self.announce(&request, action::STOP, &[]);
        Ok(())
    }

    /// Records the end of a container that nobody supervises, and tidies up.
    fn end_unsupervised(&self, directory: &Directory, code: u32) -> Result<()> {
        let _lock = directory.lock()?;
        let journal = directory.journal()?;
        if !journal.open {
            return Ok(());
        }
        let exit = exit_now(code);
        directory.record_exit(&directory.supervise()?, &exit)?;
        if let Ok(request) = directory.request() {
            self.announce_end(&request, End { started: true, exit: Some(exit), ..End::default() });
        }
        self.end_run(directory, &journal, None)
    }

    /// Waits for the end of a container; one that was never started has yet to be.
    pub(crate) fn wait(&self, id: &ContainerId) -> Result<Exit> {
        let directory = self.directory(id)?;
        while matches!(self.state(id)?.status, Status::Creating | Status::Created) {
            std::thread::sleep(ROUND);
        }
        let running = self.running(&directory, &directory.journal()?)?;
        let failed = |failure: super::explain::Failure| {
            failure.explain(&format!("cannot wait for container `{}`", directory.called()))
        };
        let mut code = UNKNOWN;
        match running {
            Some(Running { process: Some(process), .. }) => {
                let ended = process.wait(None).map_err(failed)?;
                code = ended.and_then(|ended| ended.0).unwrap_or(UNKNOWN);
            }
            Some(Running { process: None, system, .. }) => {
                system.wait(None).map_err(failed)?;
                // No supervisor tells it.
                if let (Ok(Some(report)), Ok(request)) = (system.crash(), directory.request()) {
                    self.announce_crash(&request, &crash::attributes(&report));
                }
            }
            None => {}
        }
        self.settle(id, true, false)?;
        let supervised = directory.wait_exit();
        // Whoever has ended it is about to record how.
        drop(directory.lock());
        Ok(supervised?.or(directory.exit().unwrap_or_default()).unwrap_or_else(|| exit_now(code)))
    }
}

fn status(
    directory: &Directory,
    journal: &Journal,
    running: Option<&Running>,
    ended: bool,
) -> Result<Status> {
    if journal.removing {
        return Ok(Status::Removing);
    }
    if let Some(running) = running {
        return Ok(if running.paused { Status::Paused } else { Status::Running });
    }
    if directory.is_supervised()? {
        // The supervisor waits for the start, or is about to record the end.
        return Ok(if journal.is_started() { Status::Running } else { Status::Created });
    }
    if journal.started_unix_ns.is_some() || ended {
        return Ok(Status::Exited);
    }
    if journal.made.is_some() {
        return Ok(Status::Created);
    }
    // Somebody is at work, or died at it.
    Ok(if directory.try_lock()?.is_none() { Status::Creating } else { Status::Dead })
}

/// Reads a signal number.
pub(super) fn parse_signal(number: i32) -> Result<WindowsSignal> {
    u8::try_from(number).ok().and_then(signal::from_number).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, format!("{number} is no signal of Windows"))
            .with_hint(format!("use {}", signal::NAMES))
    })
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
