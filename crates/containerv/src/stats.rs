//! What a container uses and which processes it has.

use containerv_spec::OsText;
use serde::Serialize;

use crate::{Container, Result};

/// What a container has used, at one moment.
///
/// Counters run from the container's last start. Nothing is guessed: a number that nobody counts
/// on this machine is 0 and its field is named in [`Stats::not_counted`].
///
/// Of a container that does not run, `pids_current` and `network` are empty, and the other numbers
/// are the last ones for as long as its control groups exist, else 0 and not counted. On Windows they
/// are not counted once it has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// When the numbers were read, in nanoseconds since 1970.
    pub timestamp_unix_ns: u64,
    /// CPU time of all processes, in nanoseconds.
    pub cpu_total_ns: u64,
    /// Of it, in programs.
    pub cpu_user_ns: u64,
    /// Of it, in the kernel.
    pub cpu_system_ns: u64,
    /// Memory in bytes: on Linux with the file cache, on Windows what was promised to its processes
    /// (commit); a limit is one of this number.
    pub memory_usage: u64,
    /// Most memory so far, in bytes.
    pub memory_peak: u64,
    /// Limit of the memory in bytes; `None` if there is none.
    pub memory_limit: Option<u64>,
    /// Of the memory, file cache in bytes.
    pub memory_cache: u64,
    /// Of the file cache, what is taken back first when memory is needed, in bytes;
    /// `docker stats` shows the usage without it.
    pub memory_inactive_file: u64,
    /// Processes and threads; on Windows processes alone.
    pub pids_current: u64,
    /// Limit of their number; `None` if there is none.
    pub pids_limit: Option<u64>,
    /// Bytes read from block devices; on Windows from the container's disk.
    pub io_read_bytes: u64,
    /// Bytes written to block devices.
    pub io_write_bytes: u64,
    /// Reads from block devices; on Windows in units of 8 KiB.
    pub io_read_ops: u64,
    /// Writes to block devices.
    pub io_write_ops: u64,
    /// Interfaces of the container's own network namespace; empty if it has none of its own.
    pub network: Vec<InterfaceStats>,
    /// Processes that the kernel has killed because memory ran out.
    pub oom_kills: u64,
    /// Names of the fields, also of those of [`InterfaceStats`], that nobody counts for this container.
    pub not_counted: Vec<&'static str>,
}

/// What went through one network interface, as the container sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InterfaceStats {
    /// Its name in the container; on Windows that of the network.
    pub name: String,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Damaged packets received.
    pub rx_errors: u64,
    /// Packets received for which there was no room.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets to be sent for which there was no room.
    pub tx_dropped: u64,
}

/// One process of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Process id on the host; on Windows as the container counts.
    pub pid: u32,
    /// Process id in the container; that of the innermost namespace if it has made some.
    pub pid_inside: u32,
    /// Process id of its parent on the host; 0 if that is not visible.
    pub ppid: u32,
    /// Effective user id on the host; 0 on Windows, which does not tell the user.
    pub uid: u32,
    /// State as ps(1) shows it: `R` runs, `S` sleeps, `D` waits for a device, `T` is stopped, `Z` has
    /// ended and is not reaped, `I` is idle; `?` on Windows, which does not tell it.
    pub state: char,
    /// Arguments joined by spaces, cut off at 16 KiB; empty if the process has none or has ended. On
    /// Windows the name of the program, which is all that is told.
    pub command: OsText,
    /// Name of its program, on Linux at most 15 bytes.
    pub name: String,
    /// CPU time in nanoseconds, in steps of the kernel's clock tick.
    pub cpu_ns: u64,
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// Threads; 0 on Windows, which does not tell it.
    pub threads: u32,
    /// When it started, in nanoseconds since 1970, to about a clock tick.
    pub started_unix_ns: u64,
    /// Its controlling terminal, such as `pts/0`, counted in the container's own devpts.
    pub terminal: Option<String>,
}

impl Container {
    /// Takes a snapshot of what the container uses, or has used last; see [`Stats`].
    ///
    /// # Errors
    ///
    /// `NotFound` once it was removed.
    pub fn stats(&self) -> Result<Stats> {
        self.host().system.stats(self.id())
    }

    /// Lists the container's processes, its first one first and then the oldest. One that ends
    /// meanwhile is left out.
    ///
    /// # Errors
    ///
    /// `InvalidState` if it does not run, or on Windows if it is paused.
    pub fn processes(&self) -> Result<Vec<ProcessInfo>> {
        self.host().system.processes(self.id())
    }
}
