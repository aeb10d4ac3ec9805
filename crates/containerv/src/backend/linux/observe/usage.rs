//! What a container uses.

use containerv_spec::ContainerId;
use containerv_spec::request::{Network, Request};

use super::processes::{Clock, members};
use super::procfs::{ProcessDirectory, Stat};
use crate::Result;
use crate::backend::clock::now_unix_ns;
use crate::backend::linux::cgroup::{self, CgroupStats};
use crate::backend::linux::journal::Journal;
use crate::backend::linux::{System, process};
use crate::stats::{InterfaceStats, Stats};

impl System {
    /// Takes a snapshot of what a container uses.
    pub(crate) fn stats(&self, id: &ContainerId) -> Result<Stats> {
        let directory = self.directory(id)?;
        let journal = directory.journal()?;
        let request = directory.request()?;
        let pidfd = process::open(journal.process.as_ref())?;
        let first =
            journal.process.as_ref().filter(|_| pidfd.as_ref().is_some_and(|it| !process::has_ended(it)));
        let mut counted = cgroup::stats(&journal.intent.groups);
        let network = match first {
            Some(first) => {
                let sums = || sums_of_processes(&journal, &request, first.pid);
                fill_from_processes(&mut counted, sums)?;
                interfaces(&request, first.pid)
            }
            None => {
                counted.pids_current = Some(0);
                Vec::new()
            }
        };
        // A pidfd keeps the number from being used again, so what was read was of this process.
        drop(pidfd);
        Ok(snapshot(&counted, network))
    }
}

/// Interfaces of the container's own network namespace. One that is shared counts what others
/// send, too.
fn interfaces(request: &Request, first: u32) -> Vec<InterfaceStats> {
    match request.network {
        Network::Host | Network::Container(_) | Network::Named(_) => Vec::new(),
        Network::None | Network::Veth(_) => {
            let directory = ProcessDirectory::open(first).ok().flatten();
            directory.map_or_else(Vec::new, |directory| directory.interfaces())
        }
    }
}

/// What the processes that run now have used together.
#[derive(Default)]
struct Sums {
    cpu_user_ns: u64,
    cpu_system_ns: u64,
    memory: u64,
    threads: u64,
}

fn sums_of_processes(journal: &Journal, request: &Request, first: u32) -> Result<Sums> {
    let clock = Clock::now();
    let page = rustix::param::page_size() as u64;
    let mut sums = Sums::default();
    for pid in members(journal, request, first)? {
        let stat: Option<Stat> = ProcessDirectory::open(pid).ok().flatten().and_then(|it| it.stat());
        let Some(stat) = stat else { continue };
        sums.cpu_user_ns = sums.cpu_user_ns.saturating_add(clock.nanoseconds(stat.cpu_ticks[0]));
        sums.cpu_system_ns = sums.cpu_system_ns.saturating_add(clock.nanoseconds(stat.cpu_ticks[1]));
        sums.memory = sums.memory.saturating_add(stat.pages.saturating_mul(page));
        sums.threads = sums.threads.saturating_add(u64::from(stat.threads));
    }
    Ok(sums)
}

/// Fills in what no control group counts from the processes themselves. The CPU time of those
/// that have ended is missing then, so that it is not a whole number.
fn fill_from_processes(counted: &mut CgroupStats, sums: impl FnOnce() -> Result<Sums>) -> Result<()> {
    if counted.cpu_total_ns.is_some() && counted.memory_usage.is_some() && counted.pids_current.is_some() {
        return Ok(());
    }
    let sums = sums()?;
    if counted.cpu_total_ns.is_none() {
        counted.cpu_total_ns = Some(sums.cpu_user_ns.saturating_add(sums.cpu_system_ns));
        (counted.cpu_user_ns, counted.cpu_system_ns) = (Some(sums.cpu_user_ns), Some(sums.cpu_system_ns));
    }
    counted.memory_usage.get_or_insert(sums.memory);
    counted.pids_current.get_or_insert(sums.threads);
    Ok(())
}

fn snapshot(counted: &CgroupStats, network: Vec<InterfaceStats>) -> Stats {
    let mut not_counted = Vec::new();
    let mut take = |name: &'static str, number: Option<u64>| {
        if number.is_none() {
            not_counted.push(name);
        }
        number.unwrap_or(0)
    };
    Stats {
        timestamp_unix_ns: now_unix_ns(),
        cpu_total_ns: take("cpu_total_ns", counted.cpu_total_ns),
        cpu_user_ns: take("cpu_user_ns", counted.cpu_user_ns),
        cpu_system_ns: take("cpu_system_ns", counted.cpu_system_ns),
        memory_usage: take("memory_usage", counted.memory_usage),
        memory_peak: take("memory_peak", counted.memory_peak),
        memory_limit: counted.memory_limit,
        memory_cache: take("memory_cache", counted.memory_cache),
        memory_inactive_file: take("memory_inactive_file", counted.memory_inactive_file),
        pids_current: take("pids_current", counted.pids_current),
        pids_limit: counted.pids_limit,
        io_read_bytes: take("io_read_bytes", counted.io_read_bytes),
        io_write_bytes: take("io_write_bytes", counted.io_write_bytes),
        io_read_ops: take("io_read_ops", counted.io_read_ops),
        io_write_ops: take("io_write_ops", counted.io_write_ops),
        network,
        oom_kills: take("oom_kills", counted.oom_kills),
        not_counted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_counts_is_named() {
        let counted = CgroupStats { cpu_total_ns: Some(5), ..CgroupStats::default() };
        let stats = snapshot(&counted, Vec::new());
        assert_eq!(stats.cpu_total_ns, 5);
        assert!(!stats.not_counted.contains(&"cpu_total_ns"));
        assert!(stats.not_counted.contains(&"memory_usage") && stats.not_counted.contains(&"oom_kills"));
        assert_eq!(stats.memory_limit, None);
    }

    #[test]
    fn processes_fill_only_gaps() {
        let sums = || Ok(Sums { cpu_user_ns: 1, cpu_system_ns: 2, memory: 3, threads: 4 });
        let mut counted = CgroupStats { memory_usage: Some(9), ..CgroupStats::default() };
        fill_from_processes(&mut counted, sums).unwrap();
        assert_eq!(
            (counted.cpu_total_ns, counted.memory_usage, counted.pids_current),
            (Some(3), Some(9), Some(4))
        );
        let full =
            CgroupStats { cpu_total_ns: Some(1), memory_usage: Some(1), pids_current: Some(1), ..counted };
        fill_from_processes(&mut full.clone(), || panic!("nothing is missing")).unwrap();
    }
}
