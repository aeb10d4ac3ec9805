//! Stopping and resuming all processes of a container.

use std::time::{Duration, Instant};

use containerv_spec::OsText;
use containerv_spec::cgroup::{Controller, GroupSet};
use rustix::io::Errno;

use super::change::failed;
use super::events::{self, Backoff};
use super::files;
use crate::{Error, ErrorKind, Result};

/// How long all processes may take to stop: one in an uninterruptible wait holds all up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stops all processes and returns when they have stopped.
///
/// # Errors
///
/// `Unavailable` without a group that can freeze; `TimedOut` if a process did not stop within
/// 10 seconds, after which all run again.
pub(crate) fn freeze(groups: &GroupSet) -> Result<()> {
    let frozen = match freezer(groups)? {
        Freezer::V2(group) => freeze_v2(group),
        Freezer::V1(group) => freeze_v1(group, Instant::now() + PATIENCE),
    };
    let cannot = |errno| failed(errno, format!("cannot freeze control group `{}`", path_of(groups)));
    match frozen.map_err(cannot)? {
        true => Ok(()),
        false => {
            thaw(groups)?;
            let message =
                format!("not all processes of control group `{}` stopped within 10 s", path_of(groups));
            Err(Error::new(ErrorKind::TimedOut, message).with_hint(
                "a process waits for a device or a network file system (state `D`); try again later",
            ))
        }
    }
}

/// Lets all processes run again.
pub(crate) fn thaw(groups: &GroupSet) -> Result<()> {
    let thawed = match freezer(groups)? {
        Freezer::V2(group) => files::write(&group.join("cgroup.freeze"), "0"),
        Freezer::V1(group) => files::write(&group.join("freezer.state"), "THAWED"),
    };
    thawed.map_err(|errno| failed(errno, format!("cannot thaw control group `{}`", path_of(groups))))
}

/// Lets a frozen container take a SIGKILL: on version 1 a process dies only once it is thawed, and
/// processes outside of its PID namespace live on.
pub(crate) fn thaw_killed(groups: &GroupSet) -> Result<()> {
    match is_frozen(groups) {
        Ok(true) => thaw(groups),
        _ => Ok(()),
    }
}

/// Says whether the processes are stopped, or are about to.
pub(crate) fn is_frozen(groups: &GroupSet) -> Result<bool> {
    let (path, thawed) = match freezer(groups)? {
        Freezer::V2(group) => (group.join("cgroup.freeze"), &b"0"[..]),
        Freezer::V1(group) => (group.join("freezer.state"), &b"THAWED"[..]),
    };
    let state = files::read(&path).map_err(|errno| failed(errno, format!("cannot read `{path}`")))?;
    Ok(state.trim_ascii() != thawed)
}

enum Freezer<'a> {
    V1(&'a OsText),
    V2(&'a OsText),
}

fn freezer(groups: &GroupSet) -> Result<Freezer<'_>> {
    if let Some(group) = groups.v2() {
        return Ok(Freezer::V2(&group.path));
    }
    if let Some(group) = groups.with(Controller::Freezer) {
        return Ok(Freezer::V1(&group.path));
    }
    let why = groups.absent.as_deref().unwrap_or("its groups have no `freezer` controller");
    Err(Error::new(ErrorKind::Unavailable, format!("cannot freeze the container: {why}"))
        .with_hint("run it as root, or on control groups v2 below a delegated group"))
}

fn path_of(groups: &GroupSet) -> OsText {
    match freezer(groups) {
        Ok(Freezer::V1(path) | Freezer::V2(path)) => path.clone(),
        Err(_) => OsText::default(),
    }
}

fn freeze_v2(group: &OsText) -> Result<bool, Errno> {
    files::write(&group.join("cgroup.freeze"), "1")?;
    events::wait_for(group, "frozen", 1, PATIENCE)
}

/// Freezes a group of version 1; says whether all processes had stopped before the deadline.
///
/// A process that forks meanwhile can leave the group `FREEZING` until the state is written anew.
pub(super) fn freeze_v1(group: &OsText, deadline: Instant) -> Result<bool, Errno> {
    let state = group.join("freezer.state");
    let mut backoff = Backoff::until(deadline);
    loop {
        files::write(&state, "FROZEN")?;
        if files::read(&state)?.trim_ascii() == b"FROZEN" {
            return Ok(true);
        }
        if !backoff.wait() {
            return Ok(false);
        }
    }
}
