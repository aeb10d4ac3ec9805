//! Creation, start, end and removal of containers.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use containerv_spec::facts::CgroupFacts;
use containerv_spec::plan::{LinuxPlan, Plan};
use containerv_spec::request::Request;
use containerv_spec::state::{Exit, Status};
use containerv_spec::{ContainerId, OsText};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Signal;

use super::children::Aftermath;
use super::dismantle::Reserve;
use super::encode::Handles;
use super::execute::{self, Held, Run, Started, duplicate};
use super::journal::{Entry, Journal};
use super::store::{Directory, text};
use super::{System, cgroup, control, probe, process, running, settle, streams};
use crate::backend::clock::now_unix_ns;
use crate::backend::events::{Announce, action};
use crate::container::State;
use crate::lower::cgroup::later_groups;
use crate::lower::linux::{Launch, lower};
use crate::process::{Ends, StdioSet};
use crate::{Error, ErrorKind, Result};

/// How many clients may wait for the monitor to take them.
const BACKLOG: i32 = 16;

/// A container that was just made, with its process if the caller waits for that itself.
#[derive(Debug)]
pub(crate) struct Made {
    /// The request as it was stored.
    pub(crate) request: Request,
    /// The attached process.
    pub(crate) process: Option<running::Process>,
    /// The caller's ends of its pipes.
    pub(crate) ends: Ends,
}

/// The entry that ends a start.
fn begun_by(launch: Launch) -> Entry {
    match launch {
        Launch::Prepared => Entry::Ready,
        _ => Entry::Started { unix_ns: now_unix_ns() },
    }
}

fn not_started(error: Error, request: &Request) -> Error {
    let name = request.called();
    error.context(format!("cannot start container `{name}`"))
}

impl System {
    /// Returns a new identifier from the kernel's random source.
    pub(crate) fn new_id(&self) -> Result<ContainerId> {
        let mut bytes = [0u8; 32];
        let mut filled = 0;
        while filled < bytes.len() {
            let flags = rustix::rand::GetRandomFlags::empty();
            filled += rustix::rand::getrandom(&mut bytes[filled..], flags)
                .map_err(|errno| Error::os(errno.raw_os_error(), "cannot get random bytes"))?;
        }
        Ok(ContainerId::from_random(bytes))
    }

    /// Lowers a request for this machine without doing anything.
    pub(crate) fn plan(&self, request: &Request, attached: bool) -> Result<Plan> {
        let launch = match (&request.process, attached) {
            (None, _) => Launch::Keeper,
            (Some(_), true) => Launch::Attached { main_thread: true },
            (Some(_), false) => Launch::Detached,
        };
        let mut request = request.clone();
        settle::layers(&mut request);
        let machine = probe::for_request(&request)?;
        lower(&request, &machine, &self.store.places(&request), launch).map(Plan::Linux)
    }

    /// Makes a container: with a keeper, or with its command prepared.
    pub(crate) fn create(self: &Arc<Self>, request: Request) -> Result<Made> {
        let launch = if request.process.is_none() { Launch::Keeper } else { Launch::Prepared };
        self.make(request, launch, None)
    }

    /// Makes a container and starts its command under a monitor.
    pub(crate) fn run_detached(self: &Arc<Self>, request: Request) -> Result<Made> {
        self.make(request, Launch::Detached, None)
    }

    /// Makes a container and starts its command as a child of this process.
    pub(crate) fn run_attached(self: &Arc<Self>, request: Request, stdio: StdioSet) -> Result<Made> {
        let main_thread = rustix::thread::gettid() == rustix::process::getpid();
        self.make(request, Launch::Attached { main_thread }, Some(stdio))
    }

    fn make(self: &Arc<Self>, mut request: Request, launch: Launch, stdio: Option<StdioSet>) -> Result<Made> {
        settle::refuse_own_root(&request)?;
        settle::devices(&mut request)?;
        settle::layers(&mut request);
        let machine = probe::for_request(&request)?;
        let places = self.store.places(&request);
        let plan = lower(&request, &machine, &places, launch)?;
        let mut made: Option<Held> = None;
        let reserve = Reserve::take()?;
        let result = execute::host_steps(&plan, &request, &self.store, self.fault, &mut made)
            .and_then(|()| self.begin((&plan, &machine.cgroups), &request, launch, stdio, &made));
        match (result, made) {
            (Ok((process, ends)), _held) => {
                self.announce_new(&request, launch != Launch::Prepared);
                Ok(Made { request, process, ends })
            }
            (Err(error), made) => {
                drop(reserve);
                if let Some((directory, _lock)) = made {
                    let journal = directory.journal().unwrap_or_default();
                    let dismantled = self.dismantle(&directory, &journal, None);
                    // A monitor may have removed it all itself; that is not what has failed.
                    dismantled
                        .or_else(|failed| if directory.path.exists() { Err(failed) } else { Ok(()) })?;
                }
                let name = request.called();
                Err(error.context(format!("cannot create container `{name}`")))
            }
        }
    }

    /// Starts the container's first process, whoever supervises it.
    fn begin(
        self: &Arc<Self>,
        (plan, facts): (&LinuxPlan, &CgroupFacts),
        request: &Request,
        launch: Launch,
        stdio: Option<StdioSet>,
        made: &Option<Held>,
    ) -> Result<(Option<running::Process>, Ends)> {
        let Some((directory, _)) = made else {
            return Err(Error::new(ErrorKind::Other, "the plan makes no container directory"));
        };
        let (handles, ends) = self.handles((plan, facts), request, launch, stdio, directory)?;
        let alive = match launch {
            Launch::Attached { .. } => Some(directory.supervise(true)?),
            _ => None,
        };
        // Opened before the start: the container may have ended and removed itself right after.
        let journal = directory.open_journal()?;
        let (started, mut run) = self.start_stage(plan, handles, directory, &journal)?;
        // The pipes' other ends must be closed here, or readers would never see their end.
        run.handles = Handles::default();
        self.die_after(plan, 0);
        directory.note(&journal, &begun_by(launch))?;
        self.die_after(plan, 1);
        let process = match launch {
            Launch::Attached { .. } => {
                Some(running::Process::first(self, started, alive, directory, request)?)
            }
            _ => None,
        };
        Ok((process, ends))
    }

    /// For tests: a crash after the last step of the plan, or that much later.
    fn die_after(&self, plan: &LinuxPlan, later: u32) {
        execute::die_at(self.fault, plan.steps.len() as u32 + later);
    }

    fn start_stage<'a>(
        &self,
        plan: &'a LinuxPlan,
        handles: Handles,
        directory: &Directory,
        journal: &OwnedFd,
    ) -> Result<(Started, Run<'a>)> {
        // The daemon of a keeper ends once it has made the keeper.
        let monitored = handles.listen.is_some();
        let run = Run { plan, handles, fault: self.fault };
        let mut record = |process, monitor: Option<u32>| {
            if let Some(pid) = monitor.filter(|_| monitored) {
                directory.note(journal, &Entry::Monitor { pid })?;
            }
            directory.note(journal, &Entry::Process(process))
        };
        let started = execute::start(&run, self.stage()?, &mut record)?;
        Ok((started, run))
    }

    fn handles(
        &self,
        (plan, facts): (&LinuxPlan, &CgroupFacts),
        request: &Request,
        launch: Launch,
        stdio: Option<StdioSet>,
        directory: &Directory,
    ) -> Result<(Handles, Ends)> {
        let mut handles = Handles::default();
        let mut ends = Ends::default();
        execute::open_handles(plan, &mut handles)?;
        execute::open_others(plan, &self.store, &mut handles)?;
        match launch {
            Launch::Keeper => handles.alive = Some(duplicate(directory.supervise(false)?)?),
            Launch::Attached { .. } => {
                let terminal = request.process.as_ref().is_some_and(|process| process.terminal.is_some());
                let stdio = if terminal { StdioSet::null() } else { stdio.unwrap_or_else(StdioSet::inherit) };
                let (streams, made) = streams::child_streams(stdio)?;
                (handles.streams, ends) = (Some(streams), made);
            }
            Launch::Prepared | Launch::Detached => {
                handles.alive = Some(duplicate(directory.supervise(true)?)?);
                handles.listen = Some(duplicate(listen(directory)?)?);
                handles.directory = Some(duplicate(directory.fd())?);
                handles.null = Some(streams::null_both()?);
                handles.oom = oom_file(plan)?;
                if request.auto_remove {
                    let groups = every_group(plan, facts);
                    handles.removals = removals(&groups, request, directory, &self.store.names());
                }
            }
        }
        Ok((handles, ends))
    }

    /// Lets a prepared container's command go, or runs a container again that has ended.
    pub(crate) fn start(&self, id: &ContainerId) -> Result<()> {
        let directory = self.directory(id)?;
        let _lock = directory.lock()?;
        let journal = directory.journal()?;
        let request = directory.request()?;
        let alive = directory.is_supervised()?;
        match (alive, journal.started_unix_ns) {
            (true, Some(_)) => return Ok(()),
            (true, None) => control::start(&directory, &request).and_then(|()| {
                execute::die_at(self.fault, 1);
                let file = directory.open_journal()?;
                directory.note(&file, &Entry::Started { unix_ns: now_unix_ns() })?;
                execute::die_at(self.fault, 2);
                Ok(())
            }),
            (false, _) if process::runs(journal.process.as_ref())? => return Ok(()),
            (false, _) => self.notice_end(&directory, &request, None).and_then(|_| {
                let launch = if request.process.is_none() { Launch::Keeper } else { Launch::Detached };
                self.run_again(&directory, &journal, &request, launch)
            }),
        }
        .map(|()| self.announce(&request, action::START, &[]))
        .map_err(|error| not_started(error, &request))
    }

    /// Prepares the command of a container that has ended, for `start`.
    pub(crate) fn prepare(&self, id: &ContainerId) -> Result<()> {
        let directory = self.directory(id)?;
        let _lock = directory.lock()?;
        let journal = directory.journal()?;
        let request = directory.request()?;
        if request.process.is_none() || directory.is_supervised()? || process::runs(journal.process.as_ref())?
        {
            return Ok(());
        }
        self.notice_end(&directory, &request, None)
            .and_then(|_| self.run_again(&directory, &journal, &request, Launch::Prepared))
            .map_err(|error| not_started(error, &request))
    }

    fn run_again(
        &self,
        directory: &Directory,
        journal: &Journal,
        request: &Request,
        launch: Launch,
    ) -> Result<()> {
        if journal.removing {
            return Err(Error::new(ErrorKind::InvalidState, "it is being removed"));
        }
        self.end_run(directory, journal)?;
        let machine = probe::for_existing(request, journal)?;
        let plan = lower(request, &machine, &self.store.places(request), launch)?;
        let file = directory.open_journal()?;
        directory.note(&file, &Entry::Intent(Box::new(execute::intent(&plan, request))))?;
        let begun = execute::again(&plan, request, self.fault).and_then(|()| {
            let (handles, _) = self.handles((&plan, &machine.cgroups), request, launch, None, directory)?;
            self.start_stage(&plan, handles, directory, &file)
        });
        match begun {
            Ok(_) => {
                self.die_after(&plan, 0);
                directory.note(&file, &begun_by(launch))?;
                self.die_after(&plan, 1);
                Ok(())
            }
            Err(error) => {
                self.end_run(directory, &directory.journal()?)?;
                Err(error)
            }
        }
    }

    /// Opens an existing container's directory.
    pub(crate) fn directory(&self, id: &ContainerId) -> Result<Directory> {
        self.store.get(id)
    }

    /// Reads a container's request.
    pub(crate) fn request(&self, id: &ContainerId) -> Result<Request> {
        self.directory(id)?.request()
    }

    /// As [`Directory::uses_nothing`]; so does one that is gone.
    pub(crate) fn uses_nothing(&self, id: &ContainerId) -> Result<bool> {
        self.store.find(id)?.map_or(Ok(true), |directory| directory.uses_nothing())
    }

    /// Returns the ids of all containers.
    pub(crate) fn ids(&self) -> Result<Vec<ContainerId>> {
        self.store.ids()
    }

    /// Returns the id behind a name.
    pub(crate) fn named(&self, name: &str) -> Option<ContainerId> {
        self.store.named(name)
    }

    /// Says where a container is in its life.
    pub(crate) fn state(&self, id: &ContainerId) -> Result<State> {
        let directory = self.directory(id)?;
        let journal = directory.journal()?;
        let exit = directory.exit()?;
        let alive = directory.is_supervised()? || process::runs(journal.process.as_ref())?;
        let status = status(&directory, &journal, alive, exit.is_some())?;
        let pid = journal.process.filter(|_| alive).map(|record| record.pid);
        let ended = matches!(status, Status::Exited | Status::Dead);
        let started_unix_ns = journal.started_unix_ns;
        let oom_kills = cgroup::oom_kills(&journal.intent.groups).unwrap_or(0);
        Ok(State { status, pid, started_unix_ns, exit: exit.filter(|_| ended), oom_kills })
    }

    /// Sends a signal to the container's first process.
    pub(crate) fn signal(&self, id: &ContainerId, signal: i32) -> Result<()> {
        let number = parse_signal(signal)?;
        let directory = self.directory(id)?;
        let first = process::first_in(&directory, &directory.journal()?)?;
        let send = || rustix::process::pidfd_send_signal(&first.pidfd, number);
        let sent = match directory.request() {
            Ok(request) => {
                self.announce_done(&request, action::KILL, &[("signal", signal.to_string())], send)
            }
            Err(_) => send(),
        };
        sent.map_err(|errno| {
            Error::os(
                errno.raw_os_error(),
                format!("cannot send signal {signal} to container `{}`", directory.called()),
            )
        })?;
        if number == Signal::KILL {
            cgroup::thaw_killed(&directory.journal()?.intent.groups)?;
        }
        Ok(())
    }

    /// Asks the container to end, and ends it if it does not within the time.
    ///
    /// Without `signal` or `timeout` those of the request hold; a timeout that is too long for a
    /// clock never comes.
    pub(crate) fn stop(
        &self,
        id: &ContainerId,
        signal: Option<i32>,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let first = match process::first_in(&directory, &directory.journal()?) {
            Err(error) if error.kind() == ErrorKind::InvalidState => return Ok(()),
            other => other?,
        };
        let witness = directory.witness().ok();
        let keeper = request.process.is_none();
        let usual = if keeper { Signal::TERM.as_raw() } else { i32::from(request.stop.signal) };
        let signal = signal.unwrap_or(usual);
        let timeout = timeout.unwrap_or(Duration::from_secs(request.stop.timeout_seconds));
        parse_signal(signal)?;
        let _ = self.signal(id, signal);
        let end = |timeout| self.children.wait_for_first(id, &first.pidfd, timeout, Aftermath::Usual);
        if !end(Some(timeout))? {
            let _ = self.signal(id, Signal::KILL.as_raw());
            end(None)?;
        }
        reap_keeper(&request, &first.pidfd);
        directory.wait_exit()?;
        self.announce_seen_end(&directory, &request, witness.as_ref());
        self.announce(&request, action::STOP, &[]);
        Ok(())
    }

    /// Waits for the end of a container.
    pub(crate) fn wait(&self, id: &ContainerId) -> Result<Exit> {
        let directory = self.directory(id)?;
        let journal = directory.journal()?;
        let request = directory.request()?;
        // Opened before the end, at which the container may remove itself.
        let witness = directory.witness().ok();
        if let Some(pidfd) = process::open(journal.process.as_ref())? {
            self.children.wait_for_first(id, &pidfd, None, Aftermath::Usual)?;
            reap_keeper(&request, &pidfd);
        }
        let lost = Exit { code: 137, signal: Some(9), out_of_memory: false, finished_unix_ns: now_unix_ns() };
        let exit = directory.wait_exit()?;
        self.announce_seen_end(&directory, &request, witness.as_ref());
        Ok(exit.or_else(|| witness?.exit()).unwrap_or(lost))
    }

    /// Returns the container's directory.
    pub(crate) fn path(&self, id: &ContainerId) -> Result<PathBuf> {
        Ok(self.directory(id)?.path)
    }

    /// Returns how much the container's directory takes on disk, in bytes.
    pub(crate) fn disk_usage(&self, id: &ContainerId) -> Result<u64> {
        Ok(disk_usage(&self.directory(id)?.path))
    }

    /// Removes a container. One that runs is ended first if `force` is set, and refused otherwise.
    pub(crate) fn delete(&self, id: &ContainerId, force: bool) -> Result<()> {
        let directory = self.directory(id)?;
        let _lock = directory.lock()?;
        let journal = directory.journal()?;
        let alive = directory.is_supervised()? || process::runs(journal.process.as_ref())?;
        if alive && !force && journal.started_unix_ns.is_some() && !journal.removing {
            let message = format!("container `{}` is running", directory.called());
            return Err(Error::new(ErrorKind::InvalidState, message)
                .with_hint("stop it with `cv stop`, or remove it with `cv rm --force`"));
        }
        let request = directory.request().ok();
        self.dismantle_and_tell(&directory, &journal, request.as_ref(), self.fault).map_err(|error| {
            let name = request.as_ref().map_or(id.short(), Request::called);
            error.context(format!("cannot remove container `{name}`"))
        })
    }
}

/// A keeper is the child of the process that made the container, if that is still there; nobody
/// holds a `Child` of it.
fn reap_keeper(request: &Request, pidfd: &OwnedFd) {
    if request.process.is_none() {
        let _ = containerv_sys::linux::process::wait(pidfd, false);
    }
}

fn status(directory: &Directory, journal: &Journal, alive: bool, ended: bool) -> Result<Status> {
    if journal.removing {
        return Ok(Status::Removing);
    }
    if alive && journal.started_unix_ns.is_some() {
        let frozen = cgroup::is_frozen(&journal.intent.groups).unwrap_or(false);
        return Ok(if frozen { Status::Paused } else { Status::Running });
    }
    if journal.started_unix_ns.is_some() || ended {
        return Ok(Status::Exited);
    }
    if journal.ready {
        return Ok(Status::Created);
    }
    // Somebody is at work, or died at it.
    if directory.try_lock()?.is_none() {
        return Ok(Status::Creating);
    }
    Ok(if journal.again { Status::Exited } else { Status::Dead })
}

/// Sums the blocks of a tree. What cannot be looked at, such as an overlay's work directory, counts
/// nothing.
fn disk_usage(path: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_usage(&entry.path()),
            Ok(metadata) => std::os::unix::fs::MetadataExt::blocks(&metadata) * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Reads a signal number.
pub(crate) fn parse_signal(signal: i32) -> Result<Signal> {
    Signal::from_named_raw(signal).or_else(|| realtime(signal)).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, format!("{signal} is not a signal")).with_hint("use 1 to 64")
    })
}

fn realtime(signal: i32) -> Option<Signal> {
    containerv_sys::linux::process::realtime_signal(signal)
}

/// Makes the monitor's control socket. The directory's descriptor stands for its path, which may
/// be longer than a socket's name.
fn listen(directory: &Directory) -> Result<OwnedFd> {
    let failed = |errno: rustix::io::Errno| {
        Error::os(
            errno.raw_os_error(),
            format!("cannot listen on `{}`", directory.path.join("control").display()),
        )
    };
    let _ = std::fs::remove_file(directory.path.join("control"));
    let address = control::address(directory).map_err(failed)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).map_err(failed)?;
    // The name gets the mode that the socket has before, less the caller's mask, whatever that is.
    rustix::fs::fchmod(&socket, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).map_err(failed)?;
    rustix::net::bind(&socket, &address as &SocketAddrUnix).map_err(failed)?;
    rustix::net::listen(&socket, BACKLOG).map_err(failed)?;
    Ok(socket)
}

/// Opens the file that counts out-of-memory kills, if there is a memory group.
fn oom_file(plan: &LinuxPlan) -> Result<Option<OwnedFd>> {
    let Some(file) = cgroup::oom_file(&plan.groups) else { return Ok(None) };
    match std::fs::File::open(super::store::path(&file)) {
        Ok(file) => duplicate(file).map(Some),
        Err(_) => Ok(None),
    }
}

/// The control groups of a container, and those that changes of its limits may give it later: its monitor is not
/// told of these, and removes them if they are there.
fn every_group(plan: &LinuxPlan, facts: &CgroupFacts) -> Vec<OsText> {
    let own = plan.groups.groups.iter().map(|group| group.path.clone());
    own.chain(later_groups(facts, &plan.groups)).collect()
}

/// What a monitor removes when an auto-remove container has ended: the entries of `op::MONITOR`.
fn removals(
    groups: &[OsText],
    request: &Request,
    directory: &Directory,
    names: &std::path::Path,
) -> Vec<Vec<u8>> {
    let entry = |kind: u8, path: &OsText| [&[kind], path.as_bytes()].concat();
    let mut list: Vec<Vec<u8>> = groups.iter().map(|group| entry(b'g', group)).collect();
    list.extend(request.name.iter().map(|name| entry(b'f', &text(&names.join(name)))));
    list.push(entry(b'd', &text(&directory.path)));
    list
}
