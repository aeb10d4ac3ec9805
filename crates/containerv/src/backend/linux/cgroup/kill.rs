//! Listing and ending all processes of a container, those in groups of its own making included.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use containerv_spec::OsText;
use containerv_spec::cgroup::{Controller, Group, GroupSet};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::change::failed;
use super::events::{self, Backoff};
use super::{files, freeze, tree};
use crate::{Error, ErrorKind, Result};

/// Most bytes read of one `cgroup.procs`: more than the kernel's 4,194,304 processes never fill.
const MOST_PROCESSES: usize = 32 << 20;
/// How long the rounds of signals on version 1 may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long version 1 may take to freeze before the first round: without it, the rounds only race.
const FREEZE_PATIENCE: Duration = Duration::from_millis(100);

/// Sends SIGKILL to all processes, frozen ones too; [`wait_until_empty`] tells when they are gone.
///
/// A group that does not exist any more has nobody to kill.
pub(crate) fn kill(groups: &GroupSet) -> Result<()> {
    let group = tracking(groups)?;
    let cannot =
        |errno| failed(errno, format!("cannot kill the processes of control group `{}`", group.path));
    if groups.v2().is_some() {
        match files::write(&group.file("cgroup.kill"), "1") {
            // Kernels before 5.14 have no such file.
            Err(Errno::NOENT) => {}
            result => return result.map_err(cannot),
        }
    }
    match kill_one_by_one(groups, &group.path) {
        Err(Errno::NOENT | Errno::NODEV) => Ok(()),
        result => result.map_err(cannot),
    }
}

/// Returns the processes by their numbers in the caller's process id namespace, sorted.
pub(crate) fn processes(groups: &GroupSet) -> Result<Vec<u32>> {
    let group = tracking(groups)?;
    list(&group.path).map_err(|errno| {
        failed(errno, format!("cannot list the processes of control group `{}`", group.path))
    })
}

/// Waits until no process is left or the group is gone; says whether it came to that.
pub(crate) fn wait_until_empty(groups: &GroupSet, timeout: Duration) -> Result<bool> {
    let group = tracking(groups)?;
    let empty = match groups.v2() {
        Some(_) => events::wait_for(&group.path, "populated", 0, timeout),
        None => poll_until_empty(&group.path, timeout),
    };
    match empty {
        Err(Errno::NOENT | Errno::NODEV) => Ok(true),
        result => {
            result.map_err(|errno| failed(errno, format!("cannot watch control group `{}`", group.path)))
        }
    }
}

fn poll_until_empty(path: &OsText, timeout: Duration) -> Result<bool, Errno> {
    let mut backoff = Backoff::until(Instant::now() + timeout);
    loop {
        if list(path)?.is_empty() {
            return Ok(true);
        }
        if !backoff.wait() {
            return Ok(false);
        }
    }
}

/// The group whose members are the container's processes.
fn tracking(groups: &GroupSet) -> Result<&Group> {
    groups.tracking().ok_or_else(|| {
        let why = groups.absent.as_deref().unwrap_or("none was made");
        Error::new(ErrorKind::Unavailable, format!("the container has no control group: {why}"))
    })
}

/// Lists the members of a group and of the groups below it.
pub(super) fn list(path: &OsText) -> Result<Vec<u32>, Errno> {
    let mut found = Vec::new();
    tree::visit(path, |directory| {
        found.extend(parse(&members(directory)?));
        Ok(())
    })?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn members(directory: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let read = |name: &str| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
        files::read_open(&file, MOST_PROCESSES)
    };
    match read("cgroup.procs") {
        // In a threaded group, which a container can make of its own, processes have no meaning.
        Err(Errno::OPNOTSUPP) => read("cgroup.threads"),
        // The group went away after the walk saw it.
        Err(Errno::NODEV | Errno::NOENT) => Ok(Vec::new()),
        result => result,
    }
}

/// Reads one number a line. A process of another process id namespace is 0 and left out.
pub(super) fn parse(content: &[u8]) -> impl Iterator<Item = u32> {
    let line = |line: &[u8]| std::str::from_utf8(line).ok()?.parse().ok().filter(|number| *number != 0);
    content.split(|byte| *byte == b'\n').filter_map(line)
}

/// Kills by number: freezes first, so that nobody forks away and no number changes its owner.
fn kill_one_by_one(groups: &GroupSet, path: &OsText) -> Result<(), Errno> {
    let freezer = groups.with(Controller::Freezer).map(|group| &group.path);
    let v2 = groups.v2().map(|group| &group.path);
    let deadline = Instant::now() + PATIENCE;
    let mut backoff = Backoff::until(deadline);
    loop {
        if let Some(group) = freezer {
            freeze::freeze_v1(group, Instant::now() + FREEZE_PATIENCE)?;
        } else if let Some(group) = v2 {
            files::write(&group.join("cgroup.freeze"), "1")?;
            events::wait_for(group, "frozen", 1, FREEZE_PATIENCE)?;
        }
        let victims = list(path)?;
        let killed = victims.iter().try_for_each(|number| send_kill(*number));
        // A frozen process of version 1 takes its signals only once it is thawed.
        if let Some(group) = freezer {
            files::write(&group.join("freezer.state"), "THAWED")?;
        } else if let Some(group) = v2 {
            files::write(&group.join("cgroup.freeze"), "0")?;
        }
        killed?;
        if victims.is_empty() || !backoff.wait() {
            return Ok(());
        }
    }
}

fn send_kill(number: u32) -> Result<(), Errno> {
    let Some(pid) = i32::try_from(number).ok().and_then(Pid::from_raw) else { return Ok(()) };
    match rustix::process::kill_process(pid, Signal::KILL) {
        Err(Errno::SRCH) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_and_broken_lines_are_left_out() {
        let numbers: Vec<u32> = parse(b"12\n0\n-3\nx\n\n4194304\n99999999999\n\xff\n7").collect();
        assert_eq!(numbers, [12, 4_194_304, 7]);
    }
}
