//! What the fuzz targets reach of this backend: each parser as it is, with public types.

use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use containerv_spec::OsText;
use containerv_spec::machine::Machine;
use containerv_spec::plan::LinuxPlan;
use containerv_spec::request::{IdRange, Request};

use super::cgroup::{files, probe as groups, stats};
use super::observe::procfs;
use super::{probe, transfer};
use crate::Result;
use crate::backend::{frames, logs};
use crate::copy::{CopyOptions, CopySummary};
use crate::images::layers::{self, Limits};
use crate::logs::LogEntry;
use crate::lower::cgroup::check;
use crate::lower::linux::{Launch, Places, lower as lower_for};
use crate::stats::InterfaceStats;

/// Lowers a request for a machine; `attached` plans for a child of the caller.
pub fn lower(request: &Request, machine: &Machine, attached: bool) -> Result<LinuxPlan> {
    let launch = match (&request.process, attached) {
        (None, _) => Launch::Keeper,
        (Some(_), true) => Launch::Attached { main_thread: false },
        (Some(_), false) => Launch::Detached,
    };
    let places = Places { directory: "/state/containers/c".into(), names: "/state/names".into() };
    lower_for(request, machine, &places, launch)
}

/// Unpacks an archive below `root`, which stands for a container's.
pub fn upload_tar(
    root: BorrowedFd<'_>,
    archive: impl Read,
    to: &OsText,
    options: &CopyOptions,
) -> Result<CopySummary> {
    transfer::upload_tar(&plain_root(root), archive, to, options)
}

/// Packs what is below `root`.
pub fn download_tar(
    root: BorrowedFd<'_>,
    from: &OsText,
    archive: impl Write,
    options: &CopyOptions,
) -> Result<CopySummary> {
    transfer::download_tar(&plain_root(root), from, archive, options)
}

/// Removes a tree by its name in a directory.
pub fn remove_tree(directory: BorrowedFd<'_>, name: &OsText) -> Result<()> {
    transfer::remove_tree(directory, name)
}

/// Unpacks a layer of an image, of so many entries and bytes at most, into an empty directory.
pub fn unpack_layer(
    target: BorrowedFd<'_>,
    layer: impl Read + Send,
    parents: &[PathBuf],
    (entries, size): (u64, u64),
) -> Result<CopySummary> {
    let limits = Limits { entries, size };
    layers::unpack(layer, None, target, layers::Parents::at(parents), limits, None, None)
        .map(|unpacked| unpacked.summary)
}

fn plain_root(directory: BorrowedFd<'_>) -> transfer::Root<'_> {
    transfer::Root { directory, uids: &[], gids: &[] }
}

/// Reads a line of a log.
pub fn log_entry(line: &[u8]) -> Result<LogEntry, &'static str> {
    logs::entry::parse(line)
}

/// Puts frames of a stream together, which comes in these pieces: kinds and payloads, and whether what
/// follows is none.
pub fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<(u8, Vec<u8>)>, bool) {
    let (mut decoder, mut found) = (frames::Decoder::default(), Vec::new());
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => found.push((frame.kind, frame.payload)),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

/// Returns the bytes of a frame.
pub fn encode_frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    frames::encode(kind, payload)
}

/// Reads `/proc/self/cgroup`: controllers and path of each line that matters.
pub fn memberships(content: &[u8]) -> Vec<(String, OsText)> {
    groups::parse_memberships(content).into_iter().map(|it| (it.names, it.own)).collect()
}

/// Reads the control group lines of a mount table: mount point, and which of the memberships of
/// `content` each fits.
pub fn group_mounts(table: &[u8], content: &[u8]) -> Vec<(OsText, Vec<bool>)> {
    let memberships = groups::parse_memberships(content);
    let mounts = groups::parse_mounts(table).into_iter();
    mounts.map(|mount| (mount.path.clone(), memberships.iter().map(|it| mount.fits(it)).collect())).collect()
}

/// Reads every line of a mount table: its number, its parent's and the mount point.
pub fn mount_points(table: &[u8]) -> Vec<(u64, u64, OsText)> {
    let mounts = super::mounts_below::parse(table).into_iter();
    mounts.map(|mount| (mount.id, mount.parent, super::store::text(&mount.at))).collect()
}

/// Undoes the notation of a mount table.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    groups::unescape(text)
}

/// Adds the counters of a `blkio` file of version 1: read and written.
pub fn io_counters_v1(content: &[u8]) -> (Option<u64>, Option<u64>) {
    stats::sums_v1(content)
}

/// Adds the counters of `io.stat` of version 2: bytes read and written, reads and writes.
pub fn io_counters_v2(content: &[u8]) -> [Option<u64>; 4] {
    let mut counted = stats::CgroupStats::default();
    stats::io_v2(content, &mut counted);
    [counted.io_read_bytes, counted.io_write_bytes, counted.io_read_ops, counted.io_write_ops]
}

/// Returns the value of a key in lines of `key value`, as in `memory.events`.
pub fn keyed_value(content: &[u8], key: &str) -> Option<u64> {
    files::value_of(content, key)
}

/// Reads a file of one number.
pub fn single_number(content: &[u8]) -> Option<u64> {
    files::number(content)
}

/// Reads a list of CPUs or memory nodes.
pub fn cpu_list(text: &str) -> Result<Vec<RangeInclusive<u32>>, String> {
    check::parse_list(text)
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Name of the program, as the process chose it.
    pub name: String,
    /// State letter.
    pub state: char,
    /// Parent, terminal, ticks in programs and in the kernel, threads, start and resident pages.
    pub numbers: [u64; 7],
}

/// Reads `/proc/PID/stat`.
pub fn process_stat(content: &[u8]) -> Option<ProcessStat> {
    let stat = procfs::parse_stat(content)?;
    let [user, kernel] = stat.cpu_ticks;
    let (ppid, terminal, threads) = (stat.ppid.into(), stat.terminal.into(), stat.threads.into());
    let numbers = [ppid, terminal, user, kernel, threads, stat.start_ticks, stat.pages];
    Some(ProcessStat { name: stat.name, state: stat.state, numbers })
}

/// Reads the user and the innermost process id of `/proc/PID/status`.
pub fn process_status(content: &[u8]) -> Option<(u32, u32)> {
    procfs::parse_status(content).map(|status| (status.uid, status.pid_inside))
}

/// Reads `/proc/PID/cmdline`.
pub fn process_arguments(content: Vec<u8>) -> OsText {
    procfs::join_arguments(content)
}

/// Names a terminal.
pub fn terminal_name(device: u32) -> Option<String> {
    procfs::terminal_name(device)
}

/// Reads `/proc/PID/net/dev`.
pub fn interfaces(content: &[u8]) -> Vec<InterfaceStats> {
    procfs::parse_interfaces(content)
}

/// Reads `/etc/subuid` or `/etc/subgid` for one user.
pub fn subordinate_ids(text: &str, uid: u32, name: Option<&str>) -> Vec<IdRange> {
    probe::parse_ranges(text, uid, name)
}
