//! Ends a container and removes everything that was made for it.
//!
//! One sequence serves for deletion, for a creation that failed, and for repair after a crash.
//! Each step may find its work already done.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use containerv_spec::OsText;
use containerv_spec::cgroup::GroupSet;
use containerv_spec::plan::{IdMaps, Namespace};
use containerv_sys::linux::stage::Program;
use containerv_sys::linux::stage::wire::{NO_FD, clone_mode, op, report};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::children::Aftermath;
use super::execute::{Fault, die_at, duplicate};
use super::journal::{Entry, Journal};
use super::store::{Directory, path};
use super::{System, cgroup, idmap, process, streams, transfer, veth};
use crate::{Error, ErrorKind, Result};

/// How long processes get to disappear after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a supervisor gets to write its record; a client that does not read may hold it up.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_secs(12);

/// How often the supervisor's lock is looked at while its process is waited for.
const SUPERVISOR_ROUND: Duration = Duration::from_millis(100);

/// The same if its process is not known, or has ended without letting go.
const SUPERVISOR_PAUSE: Duration = Duration::from_millis(1);

/// How many descriptors a removal has open at most at the same time.
const RESERVED: usize = 6;

/// Descriptors for the removal of a container that cannot be made because they have run out.
/// Dropping it makes them free.
pub(crate) struct Reserve {
    _held: Vec<OwnedFd>,
}

impl Reserve {
    /// Takes them.
    pub(crate) fn take() -> Result<Self> {
        let first = streams::null(false)?;
        let mut held = (1..RESERVED).map(|_| duplicate(&first)).collect::<Result<Vec<_>>>()?;
        held.push(first);
        Ok(Self { _held: held })
    }
}

/// One step of a removal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Removal {
    /// Notes that the container is on its way out.
    Note,
    /// Kills the first process, and with it the PID namespace.
    KillFirst,
    /// Kills everything in the control groups.
    KillGroups(GroupSet),
    /// Waits for the supervisor's last words.
    AwaitSupervisor,
    /// Removes an interface of the host.
    Interface(String),
    /// Removes a control group.
    Groups(GroupSet),
    /// Removes the reserved name.
    Name(PathBuf),
    /// Removes the directory.
    Tree,
}

impl std::fmt::Display for Removal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Note => f.write_str("note that it is being removed"),
            Self::KillFirst => f.write_str("kill its first process"),
            Self::KillGroups(_) => f.write_str("kill every process in its control groups"),
            Self::AwaitSupervisor => f.write_str("wait for its supervisor"),
            Self::Interface(name) => write!(f, "remove the interface `{name}`"),
            Self::Groups(groups) => {
                f.write_str("remove the control groups")?;
                groups.groups.iter().try_for_each(|group| write!(f, " `{}`", group.path))
            }
            Self::Name(path) => write!(f, "release the name `{}`", path.display()),
            Self::Tree => f.write_str("remove its directory"),
        }
    }
}

/// Everything that is to be removed, in order.
pub(crate) fn removals(journal: &Journal) -> Vec<Removal> {
    let (intent, groups) = (&journal.intent, journal.groups());
    let mut steps = vec![Removal::Note, Removal::KillFirst];
    if !groups.groups.is_empty() {
        steps.push(Removal::KillGroups(groups.clone()));
    }
    // Only a monitor writes its record on its own: a keeper has none, and an attached command's is
    // written by whoever called for it.
    if !intent.keeper && intent.attached.is_none() {
        steps.push(Removal::AwaitSupervisor);
    }
    steps.extend(intent.interfaces.iter().cloned().map(Removal::Interface));
    if !groups.groups.is_empty() {
        steps.push(Removal::Groups(groups));
    }
    steps.extend(intent.name.iter().map(|name| Removal::Name(path(name).to_owned())));
    steps.push(Removal::Tree);
    steps
}

impl System {
    /// Removes what one start of a container has made, but neither its name nor its directory.
    pub(crate) fn end_run(&self, directory: &Directory, journal: &Journal) -> Result<()> {
        let stays = |step: &Removal| matches!(step, Removal::Note | Removal::Name(_) | Removal::Tree);
        let steps = removals(journal);
        steps
            .iter()
            .filter(|step| !stays(step))
            .try_for_each(|step| self.remove_step(step, directory, journal))
    }

    /// Removes a container with everything. The caller holds its lock.
    pub(crate) fn dismantle(&self, directory: &Directory, journal: &Journal, fault: Fault) -> Result<()> {
        for (number, step) in (1..).zip(removals(journal)) {
            self.remove_step(&step, directory, journal)?;
            die_at(fault, number);
        }
        Ok(())
    }

    fn remove_step(&self, step: &Removal, directory: &Directory, journal: &Journal) -> Result<()> {
        match step {
            Removal::KillFirst => self.kill_first(directory, journal),
            Removal::AwaitSupervisor => await_supervisor(directory, journal.monitor),
            Removal::Tree => self.remove_owned(&directory.path, || journal.intent.maps.clone()),
            other => execute(other, directory),
        }
    }

    /// Kills the first process and waits for its end, which the kernel delays until everything else
    /// in its PID namespace has ended and was reaped.
    fn kill_first(&self, directory: &Directory, journal: &Journal) -> Result<()> {
        let Some(pidfd) = process::open(journal.process.as_ref())? else { return Ok(()) };
        let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
        // If that fails, the next steps say what is in the way.
        let _ = cgroup::thaw_killed(&journal.intent.groups);
        if let Ok(id) = directory.name().parse() {
            let _ = self.children.wait_for_first(&id, &pidfd, Some(KILL_TIMEOUT), Aftermath::Removal);
        }
        // A keeper may be a child of this very process, if orphans come here.
        let _ = containerv_sys::linux::process::wait(&pidfd, false);
        Ok(())
    }

    /// Removes a directory. What ids of a user namespace own is removed by a process in such a namespace.
    pub(crate) fn remove_owned(&self, path: &Path, maps: impl FnOnce() -> Option<IdMaps>) -> Result<()> {
        match remove_all(path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let Some(maps) = maps() else { return Err(error) };
                self.remove_mapped(path, &maps).map_err(|error| {
                    Error::io(error, format!("cannot remove `{}` in its user namespace", path.display()))
                })?;
                remove_all(path)
            }
            result => result,
        }
    }

    fn remove_mapped(&self, path: &Path, maps: &IdMaps) -> std::io::Result<()> {
        self.run_mapped(maps, &[], |program| {
            program.op(4, op::REMOVE).text(super::store::text(path));
        })
    }

    /// Runs an operation as root of a new user namespace with these mappings.
    pub(super) fn run_mapped(
        &self,
        maps: &IdMaps,
        inherit: &[BorrowedFd<'_>],
        operation: impl FnOnce(&mut Program),
    ) -> std::io::Result<()> {
        let mut program = Program::new();
        program.op(1, op::CLONE).int(Namespace::User.flag()).int(NO_FD).int(clone_mode::SIBLING);
        program.op(2, op::AWAIT);
        program.op(3, op::BECOME_ROOT);
        operation(&mut program);
        let stage = self.stage().map_err(std::io::Error::other)?;
        let spawned = stage.spawn(program, inherit)?;
        let (mut child, mut failed) = (None, None);
        while let Some(report) = spawned.channel.receive()? {
            if report.kind == report::FAILED {
                failed = Some(std::io::Error::from_raw_os_error(report.value as i32));
            }
            let Some(pid) = Pid::from_raw(report.value as i32).filter(|_| report.kind == report::CHILD)
            else {
                continue;
            };
            child = Some(rustix::process::pidfd_open(pid, PidfdFlags::empty())?);
            idmap::write(report.value as u32, maps).map_err(std::io::Error::other)?;
            spawned.channel.go()?;
        }
        if let Some(pidfd) = child {
            containerv_sys::linux::process::wait(&pidfd, true)?;
        }
        failed.map_or(Ok(()), Err)
    }
}

fn remove_all(path: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let parent = fs::File::open(parent)
        .map_err(|error| Error::io(error, format!("cannot open `{}`", parent.display())))?;
    transfer::remove_tree(parent.as_fd(), &OsText::from_bytes(name.as_bytes()))
}

fn execute(step: &Removal, directory: &Directory) -> Result<()> {
    match step {
        Removal::Note => match directory.open_journal() {
            Ok(file) => directory.note(&file, &Entry::Removing),
            // A monitor that removes its container asks nobody: it may have done so by now.
            Err(error) if error.kind() == ErrorKind::NotFound && !directory.path.exists() => Ok(()),
            Err(error) => Err(error),
        },
        Removal::KillGroups(groups) => {
            // Usually everybody has ended with the first process.
            if cgroup::wait_until_empty(groups, Duration::ZERO)? {
                return Ok(());
            }
            cgroup::kill(groups)?;
            cgroup::wait_until_empty(groups, KILL_TIMEOUT).map(drop)
        }
        Removal::Interface(name) => veth::remove(name, &directory.name()),
        Removal::Groups(groups) => cgroup::remove(groups),
        Removal::Name(path) => remove_name(path, directory),
        Removal::KillFirst | Removal::AwaitSupervisor | Removal::Tree => Ok(()),
    }
}

/// The supervisor writes its record after the first process has ended, and lets go of its lock when
/// it ends itself. The lock tells; the process only wakes: its number may be another one's by now.
fn await_supervisor(directory: &Directory, monitor: Option<u32>) -> Result<()> {
    let deadline = Instant::now() + SUPERVISOR_TIMEOUT;
    let mut monitor = monitor.map_or(Ok(None), process::open_number)?;
    while directory.is_supervised()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match monitor.take() {
            Some(pidfd) if !process::wait_end(&pidfd, Some(left.min(SUPERVISOR_ROUND)))? => {
                monitor = Some(pidfd);
            }
            Some(_) => {}
            None => std::thread::sleep(SUPERVISOR_PAUSE),
        }
    }
    Ok(())
}

/// A name is released only while it still leads to this container.
fn remove_name(path: &Path, directory: &Directory) -> Result<()> {
    let ours = fs::read_link(path).is_ok_and(|target| target.as_os_str() == directory.name().as_str());
    if !ours {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(error, format!("cannot release the name `{}`", path.display())))
        }
        _ => Ok(()),
    }
}
