//! Ends a container and removes everything that was made for it.
//!
//! One sequence serves for deletion, for a creation that failed, and for repair after a crash.
//! Each step may find its work already done.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use containerv_spec::cgroup::GroupSet;
use rustix::process::Signal;

use super::execute::{Fault, die};
use super::store::{Directory, Entry, Journal, path};
use super::{cgroup, process, veth};
use crate::{Error, Result};

/// How long processes get to disappear after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

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
    let intent = &journal.intent;
    let mut steps = vec![Removal::Note, Removal::KillFirst];
    if !intent.groups.groups.is_empty() {
        steps.push(Removal::KillGroups(intent.groups.clone()));
    }
    steps.push(Removal::AwaitSupervisor);
    steps.extend(intent.interfaces.iter().cloned().map(Removal::Interface));
    if !intent.groups.groups.is_empty() {
        steps.push(Removal::Groups(intent.groups.clone()));
    }
    steps.extend(intent.name.iter().map(|name| Removal::Name(path(name).to_owned())));
    steps.push(Removal::Tree);
    steps
}

/// Removes what one start of a container has made, but neither its name nor its directory.
pub(crate) fn end_run(directory: &Directory, journal: &Journal) -> Result<()> {
    let stays = |step: &Removal| matches!(step, Removal::Note | Removal::Name(_) | Removal::Tree);
    for step in removals(journal).iter().filter(|step| !stays(step)) {
        execute(step, directory, journal)?;
    }
    Ok(())
}

/// Removes a container with everything. The caller holds its lock.
pub(crate) fn remove(directory: &Directory, journal: &Journal, fault: Fault) -> Result<()> {
    for (number, step) in (1..).zip(removals(journal)) {
        execute(&step, directory, journal)?;
        if fault == Some(number) {
            die();
        }
    }
    Ok(())
}

fn execute(step: &Removal, directory: &Directory, journal: &Journal) -> Result<()> {
    match step {
        Removal::Note => {
            let file = directory.open_journal()?;
            directory.note(&file, &Entry::Removing)
        }
        Removal::KillFirst => {
            kill_first(journal);
            Ok(())
        }
        Removal::KillGroups(groups) => {
            cgroup::kill(groups)?;
            cgroup::wait_until_empty(groups, KILL_TIMEOUT).map(drop)
        }
        Removal::AwaitSupervisor => await_supervisor(directory),
        Removal::Interface(name) => veth::remove(name, &directory.name()),
        Removal::Groups(groups) => cgroup::remove(groups),
        Removal::Name(path) => remove_name(path, directory),
        Removal::Tree => remove_tree(directory),
    }
}

/// Kills the first process and waits for its end, which the kernel delays until everything else
/// in its PID namespace has ended.
fn kill_first(journal: &Journal) {
    let Some(pidfd) = journal.process.as_ref().and_then(process::open) else { return };
    let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
    let mut polled = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    let timeout = rustix::event::Timespec { tv_sec: KILL_TIMEOUT.as_secs() as i64, tv_nsec: 0 };
    let _ = rustix::event::poll(&mut polled, Some(&timeout));
    // It may be a child of this very process.
    let _ = containerv_sys::linux::process::wait(&pidfd, false);
}

/// The supervisor writes its record after the first process has ended. Only a monitor is waited
/// for: if this process supervises, it waits for nobody.
fn await_supervisor(directory: &Directory) -> Result<()> {
    const STEP: Duration = Duration::from_millis(1);
    for _ in 0..2000 {
        if !directory.is_supervised()? {
            return Ok(());
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}

/// A name is released only while it still leads to this container.
fn remove_name(path: &std::path::Path, directory: &Directory) -> Result<()> {
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

fn remove_tree(directory: &Directory) -> Result<()> {
    match fs::remove_dir_all(&directory.path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(error, format!("cannot remove `{}`", directory.path.display())))
        }
        _ => Ok(()),
    }
}
