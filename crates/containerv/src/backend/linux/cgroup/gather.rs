//! A further group of version 1 for a container that runs: its processes move there together.

use std::collections::HashSet;
use std::path::{Component, Path};
use std::time::{Duration, Instant};

use containerv_spec::OsText;
use containerv_spec::cgroup::Group;
use containerv_spec::facts::CgroupFacts;
use rustix::io::Errno;

use super::change::failed;
use super::events::Backoff;
use super::probe::{MOST_MEMBERSHIP, parse_memberships};
use super::{files, kill, remove};
use crate::backend::linux::store;
use crate::{Error, ErrorKind, Result};

/// How long processes may go on to be made outside while others are moved.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes read of a list of threads.
const MOST_THREADS: usize = 32 << 20;

/// Moves the processes of `members`, and of the groups below it, into `path`, until none is outside.
///
/// A process takes its threads along, and what it makes afterwards is inside from the first moment; what it
/// makes while it is moved may be outside, and the next round finds it.
pub(super) fn gather(path: &OsText, members: &OsText) -> Result<()> {
    let mut backoff = Backoff::until(Instant::now() + PATIENCE);
    loop {
        let outside = outside(path, members).map_err(|errno| {
            failed(errno, format!("cannot list the processes of control group `{members}`"))
        })?;
        if outside.is_empty() {
            return Ok(());
        }
        for number in outside {
            move_one(path, number)?;
        }
        if !backoff.wait() {
            let message = format!(
                "the processes of `{members}` make new ones faster than they can be moved into `{path}`"
            );
            return Err(Error::new(ErrorKind::InvalidState, message)
                .with_hint("pause the container with `cv pause`, and try again"));
        }
    }
}

fn outside(path: &OsText, members: &OsText) -> Result<Vec<u32>, Errno> {
    let all = match kill::list(members) {
        Err(Errno::NOENT | Errno::NODEV) => Vec::new(),
        listed => listed?,
    };
    if all.is_empty() {
        return Ok(all);
    }
    // Where a container has made a threaded group of its own, its threads are listed.
    let mut inside = HashSet::new();
    for file in ["cgroup.procs", "tasks"] {
        let content = files::read_at_most(path.join(file).as_bytes(), MOST_THREADS)?;
        inside.extend(kill::parse(&content));
    }
    Ok(all.into_iter().filter(|number| !inside.contains(number)).collect())
}

fn move_one(path: &OsText, number: u32) -> Result<()> {
    match files::write(&path.join("cgroup.procs"), &number.to_string()) {
        // It has ended.
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(failed(errno, format!("cannot move process {number} into control group `{path}`"))),
    }
}

/// Returns the group that a process is in, in the hierarchy of another group of version 1; `None` if that
/// cannot be told from here.
pub(crate) fn present_group(pid: u32, facts: &CgroupFacts, group: &Group) -> Option<OsText> {
    let content = files::read_whole(format!("/proc/{pid}/cgroup").as_bytes(), MOST_MEMBERSHIP).ok()?;
    let own = |controllers: Vec<_>| group.controllers.iter().any(|it| controllers.contains(it));
    let membership = parse_memberships(&content).into_iter().find(|it| own(it.controllers()))?;
    let hierarchy = facts.v1.iter().find(|it| own(it.controllers.clone()))?;
    let names = store::path(&membership.own).components();
    // Above the root of this process's cgroup namespace nothing can be named.
    let nameable = names.clone().all(|name| name != Component::ParentDir);
    let is_root = names.eq([Component::RootDir]);
    match is_root {
        true => Some(hierarchy.mount.clone()),
        false => Some(hierarchy.mount.join(&membership.own)).filter(|_| nameable),
    }
}

/// Removes a group that was made for a container that runs. Its processes go back to where they were,
/// or to the group above it if that is gone.
pub(crate) fn take_back(group: &OsText, from: Option<&OsText>) -> Result<()> {
    if !store::path(group).exists() {
        return Ok(());
    }
    let above = group.join("..");
    let is_there = |from: &&OsText| Path::new(store::path(from)).is_dir();
    gather(from.filter(is_there).unwrap_or(&above), group)?;
    remove::remove_group(group)
}
