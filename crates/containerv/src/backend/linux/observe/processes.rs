//! The processes of a container.

use std::collections::{HashMap, HashSet};

use containerv_spec::ContainerId;
use containerv_spec::request::{Request, Share};
use rustix::io::Errno;

use super::procfs::{self, ProcessDirectory, Stat};
use crate::backend::linux::journal::Journal;
use crate::backend::linux::{System, cgroup, process};
use crate::stats::ProcessInfo;
use crate::{Error, Result};

impl System {
    /// Lists the processes of a running container, oldest first.
    pub(crate) fn processes(&self, id: &ContainerId) -> Result<Vec<ProcessInfo>> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let journal = directory.journal()?;
        let first = process::first_in(&directory, &journal)?;
        let clock = Clock::now();
        let mut found = Vec::new();
        for pid in members(&journal, &request, first.pid)? {
            let directory = ProcessDirectory::open(pid).map_err(unreadable)?;
            found.extend(directory.and_then(|directory| describe(&directory, pid, &clock)));
        }
        // A number that was freed and given to a stranger between the list and the look at it is
        // not in a second list.
        let still: HashSet<u32> = members(&journal, &request, first.pid)?.into_iter().collect();
        found.retain(|process| still.contains(&process.pid));
        found.sort_by_key(|process| (process.pid != first.pid, process.started_unix_ns, process.pid));
        Ok(found)
    }
}

fn unreadable(errno: Errno) -> Error {
    Error::os(errno.raw_os_error(), "cannot look at the processes in `/proc`")
        .with_hint("mount proc at `/proc`, without the option `hidepid`")
}

/// Returns the numbers of a container's processes.
///
/// Its control groups know all of them. Without groups, they are those in its PID namespace with
/// their descendants; if it has no PID namespace of its own either, only its first process with
/// its descendants.
pub(super) fn members(journal: &Journal, request: &Request, first: u32) -> Result<Vec<u32>> {
    if !journal.intent.groups.groups.is_empty() {
        return cgroup::processes(&journal.intent.groups);
    }
    let private = request.namespaces.pid == Share::Private;
    descendants(first, private).map_err(unreadable)
}

/// A process of the machine, for the search without control groups.
struct Candidate {
    pid: u32,
    ppid: u32,
    namespace: Option<u64>,
}

fn descendants(first: u32, by_namespace: bool) -> Result<Vec<u32>, Errno> {
    let namespace_of = |pid| Ok(ProcessDirectory::open(pid)?.and_then(|it| it.pid_namespace()));
    let wanted = if by_namespace { namespace_of(first)? } else { None };
    let mut all = Vec::new();
    for pid in procfs::all_processes()? {
        let Some(directory) = ProcessDirectory::open(pid)? else { continue };
        let namespace = wanted.and_then(|_| directory.pid_namespace());
        all.extend(directory.stat().map(|stat| Candidate { pid, ppid: stat.ppid, namespace }));
    }
    Ok(select(&all, first, wanted))
}

/// Returns the first process, those of the wanted namespace, and all descendants of them.
fn select(all: &[Candidate], first: u32, wanted: Option<u64>) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for candidate in all {
        children.entry(candidate.ppid).or_default().push(candidate.pid);
    }
    let is_root = |it: &&Candidate| it.pid == first || (wanted.is_some() && it.namespace == wanted);
    let mut pending: Vec<u32> = all.iter().filter(is_root).map(|it| it.pid).collect();
    let mut found = HashSet::new();
    while let Some(pid) = pending.pop() {
        if found.insert(pid) {
            pending.extend(children.get(&pid).into_iter().flatten());
        }
    }
    let mut found: Vec<u32> = found.into_iter().collect();
    found.sort_unstable();
    found
}

/// Returns what is known of a process; `None` if it has ended meanwhile.
fn describe(directory: &ProcessDirectory, pid: u32, clock: &Clock) -> Option<ProcessInfo> {
    let status = directory.status()?;
    let command = directory.arguments();
    let stat: Stat = directory.stat()?;
    Some(ProcessInfo {
        pid,
        pid_inside: status.pid_inside,
        ppid: stat.ppid,
        uid: status.uid,
        state: stat.state,
        command,
        cpu_ns: clock.nanoseconds(stat.cpu_ticks[0].saturating_add(stat.cpu_ticks[1])),
        memory_bytes: stat.pages.saturating_mul(rustix::param::page_size() as u64),
        threads: stat.threads,
        started_unix_ns: clock.boot_unix_ns.saturating_add(clock.nanoseconds(stat.start_ticks)),
        terminal: procfs::terminal_name(stat.terminal),
        name: stat.name,
    })
}

/// Turns the kernel's ticks into time.
pub(super) struct Clock {
    ticks_per_second: u64,
    /// When the machine was started, in nanoseconds since 1970.
    boot_unix_ns: u64,
}

impl Clock {
    pub(super) fn now() -> Self {
        // Ticks of starts count on the boot clock, which a time namespace shifts for both alike.
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let since_boot = boot.tv_sec as u64 * 1_000_000_000 + boot.tv_nsec as u64;
        let now = crate::backend::clock::now_unix_ns();
        let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
        Self { ticks_per_second, boot_unix_ns: now.saturating_sub(since_boot) }
    }

    pub(super) fn nanoseconds(&self, ticks: u64) -> u64 {
        let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(self.ticks_per_second);
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(pid: u32, ppid: u32, namespace: u64) -> Candidate {
        Candidate { pid, ppid, namespace: Some(namespace) }
    }

    #[test]
    fn a_namespace_is_taken_with_those_nested_in_it() {
        let all = [
            candidate(1, 0, 1),
            candidate(10, 1, 2),
            candidate(11, 10, 2),
            candidate(12, 11, 3),
            candidate(20, 1, 2),
            candidate(21, 20, 2),
            candidate(30, 1, 4),
        ];
        assert_eq!(select(&all, 10, Some(2)), [10, 11, 12, 20, 21]);
        assert_eq!(select(&all, 10, None), [10, 11, 12]);
        assert!(select(&all, 99, None).is_empty());
    }

    #[test]
    fn a_loop_of_parents_ends() {
        let all = [candidate(5, 6, 2), candidate(6, 5, 2)];
        assert_eq!(select(&all, 5, None), [5, 6]);
    }

    #[test]
    fn ticks_do_not_overflow() {
        let clock = Clock { ticks_per_second: 100, boot_unix_ns: 0 };
        assert_eq!(clock.nanoseconds(250), 2_500_000_000);
        assert_eq!(clock.nanoseconds(u64::MAX), u64::MAX);
    }
}
