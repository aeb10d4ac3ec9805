//! Processes of the host by number, without mistaking one for another.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use containerv_spec::ContainerId;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use super::journal::{Journal, ProcessRecord};
use super::store::{Directory, Store};
use crate::{Error, ErrorKind, Result};

/// Returns when a process started, in clock ticks since the machine did; `None` if it is gone.
pub(crate) fn start_time(pid: u32) -> Result<Option<u64>> {
    let path = format!("/proc/{pid}/stat");
    // 52 fields: 51 numbers of 20 digits at most, and a name of 64 bytes at most. One read gives all.
    let mut bytes = [0u8; 2048];
    let read = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::read(&file, &mut bytes));
    match read {
        Ok(count) => Ok(bytes.get(..count).and_then(parse_start_time)),
        Err(errno) if is_gone(errno) => Ok(None),
        Err(errno) => Err(Error::os(errno.raw_os_error(), format!("cannot read `{path}`"))),
    }
}

fn parse_start_time(stat: &[u8]) -> Option<u64> {
    // The command's name, in parentheses, may hold anything: fields are counted behind the last.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 2..)?).ok()?;
    rest.split(' ').nth(19)?.parse().ok()
}

/// Says whether this is how the kernel tells that a process is no more. Everything else, such as
/// too many open files, says nothing about the process.
fn is_gone(errno: Errno) -> bool {
    [Errno::NOENT, Errno::SRCH, Errno::INVAL].contains(&errno)
}

/// Opens whatever process has this number now; `None` if there is none.
pub(crate) fn open_number(pid: u32) -> Result<Option<OwnedFd>> {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match rustix::process::pidfd_open(number, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(errno) if is_gone(errno) => Ok(None),
        Err(errno) => Err(Error::os(errno.raw_os_error(), format!("cannot open process {pid}"))),
    }
}

/// Opens a recorded process; `None` if there is none, or it has ended and was reaped.
pub(crate) fn open(record: Option<&ProcessRecord>) -> Result<Option<OwnedFd>> {
    let Some(record) = record else { return Ok(None) };
    let Some(pidfd) = open_number(record.pid)? else { return Ok(None) };
    // The number is compared after it was pinned: what it means cannot change any more.
    Ok((start_time(record.pid)? == Some(record.start)).then_some(pidfd))
}

/// Opens a recorded process that has not ended.
pub(crate) fn open_running(record: Option<&ProcessRecord>) -> Result<Option<OwnedFd>> {
    Ok(open(record)?.filter(|pidfd| !has_ended(pidfd)))
}

/// Says whether a recorded process has not ended.
pub(crate) fn runs(record: Option<&ProcessRecord>) -> Result<bool> {
    Ok(open_running(record)?.is_some())
}

/// The first process of a running container.
pub(crate) struct First {
    /// The process.
    pub(crate) pidfd: OwnedFd,
    /// Its number.
    pub(crate) pid: u32,
}

/// Finds the first process of a container that must be running.
pub(crate) fn first_of(store: &Store, id: &ContainerId) -> Result<First> {
    let directory = store.get(id)?;
    first_in(&directory, &directory.journal()?)
}

/// Finds the first process of a container that must be running, in its journal.
pub(crate) fn first_in(directory: &Directory, journal: &Journal) -> Result<First> {
    let record = journal.process.as_ref();
    let running = open_running(record)?.zip(record).map(|(pidfd, record)| First { pidfd, pid: record.pid });
    running.ok_or_else(|| not_running(&directory.called()))
}

/// The error for a container that would have to run.
pub(crate) fn not_running(name: &str) -> Error {
    Error::new(ErrorKind::InvalidState, format!("container `{name}` is not running"))
        .with_hint(format!("start it with `cv start {name}`"))
}

/// Says whether a process has ended: its descriptor is readable then.
pub(crate) fn has_ended(pidfd: &OwnedFd) -> bool {
    wait_end(pidfd, Some(Duration::ZERO)).unwrap_or(true)
}

/// Waits until a process has ended; false if it has not in time.
pub(crate) fn wait_end(pidfd: &OwnedFd, timeout: Option<Duration>) -> Result<bool> {
    // A time that no clock reaches means for ever.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let rest = rest
            .map(|rest| Timespec { tv_sec: rest.as_secs() as i64, tv_nsec: i64::from(rest.subsec_nanos()) });
        let mut polled = [PollFd::new(pidfd, PollFlags::IN)];
        match rustix::event::poll(&mut polled, rest.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::os(errno.raw_os_error(), "cannot wait for a process")),
        }
    }
}
