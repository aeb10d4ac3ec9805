//! Removing a container's groups.

use std::time::{Duration, Instant};

use containerv_spec::OsText;
use containerv_spec::cgroup::GroupSet;
use rustix::io::Errno;

use super::change::failed;
use super::events::{self, Backoff};
use super::{kill, tree};
use crate::{Error, ErrorKind, Result};

/// How long a group may stay busy: processes that were killed need a moment to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Removes all groups and what was made inside them; those that are gone already count as removed.
///
/// # Errors
///
/// `InvalidState` if a group still has processes after 2 seconds. All others are removed even so.
pub(crate) fn remove(groups: &GroupSet) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    // Version 2 comes last in a set and first here: it can wait for the end of the processes
    // without asking again and again.
    let results: Vec<Result<()>> =
        groups.groups.iter().rev().map(|group| remove_until(&group.path, deadline)).collect();
    results.into_iter().collect()
}

/// Removes one group, as [`remove`] does.
pub(crate) fn remove_group(path: &OsText) -> Result<()> {
    remove_until(path, Instant::now() + PATIENCE)
}

fn remove_until(path: &OsText, deadline: Instant) -> Result<()> {
    let mut backoff = Backoff::until(deadline);
    loop {
        match rustix::fs::rmdir(path.as_bytes()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY | Errno::NOTEMPTY) => {}
            Err(errno) => return Err(failed(errno, format!("cannot remove control group `{path}`"))),
        }
        match tree::remove_below(path) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => {
                return Err(failed(errno, format!("cannot remove the groups below control group `{path}`")));
            }
        }
        match rustix::fs::rmdir(path.as_bytes()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            _ if wait_a_moment(path, deadline, &mut backoff) => {}
            _ => return Err(still_busy(path)),
        }
    }
}

/// Waits until another try makes sense; says whether there is time for one.
fn wait_a_moment(path: &OsText, deadline: Instant, backoff: &mut Backoff) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    // A group of version 1 has no events. One of version 2 can be busy without processes for an
    // instant, so the pause is made in any case.
    let _ = events::wait_for(path, "populated", 0, left);
    backoff.wait()
}

fn still_busy(path: &OsText) -> Error {
    let processes = kill::list(path).unwrap_or_default();
    let numbers: Vec<String> = processes.iter().take(10).map(u32::to_string).collect();
    let which = match processes.len() {
        0 => "is still busy".to_owned(),
        count if count > 10 => format!("still has {count} processes: {}, …", numbers.join(", ")),
        _ => format!("still has processes: {}", numbers.join(", ")),
    };
    Error::new(ErrorKind::InvalidState, format!("cannot remove control group `{path}`: it {which}"))
        .with_hint("end these processes; `cv system repair` then removes the group")
}
