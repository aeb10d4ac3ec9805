//! Waiting for processes by descriptor.

// UNSAFETY: one ioctl(2) and one entry of the auxiliary vector that rustix does not know, and
// signals that it keeps from safe code.
#![allow(unsafe_code, reason = "PIDFD_GET_INFO and AT_SECURE have no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus};

/// How a process ended, as waitid(2) tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended by itself with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

/// Waits for a child of this process by its descriptor and reaps it. With `block` unset, `None`
/// says that it still runs.
///
/// If somebody else has reaped it (a program that embeds us may wait for any child), Linux 6.15
/// still knows how it ended; before, the error is `ECHILD`.
pub fn wait(pidfd: &impl AsFd, block: bool) -> io::Result<Option<Ended>> {
    let mut options = WaitIdOptions::EXITED;
    options.set(WaitIdOptions::NOHANG, !block);
    loop {
        return match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options) {
            Ok(status) => Ok(status.as_ref().map(ended)),
            Err(rustix::io::Errno::INTR) => continue,
            Err(rustix::io::Errno::CHILD) => exit_information(pidfd).map(Some),
            Err(error) => Err(error.into()),
        };
    }
}

/// Says whether this program was given rights that its caller does not have, as a set-user-ID
/// program is: then its environment is the word of somebody with less power.
pub fn is_elevated() -> bool {
    // SAFETY: reads the vector that the kernel has passed to this program; nothing else happens.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Returns a real-time signal, 34 to 64. The C library keeps 32 and 33 for itself.
pub fn realtime_signal(number: i32) -> Option<rustix::process::Signal> {
    // SAFETY: the number is one that the kernel delivers and the C library does not use.
    (34..=64).contains(&number).then(|| unsafe { rustix::process::Signal::from_raw_unchecked(number) })
}

fn ended(status: &WaitIdStatus) -> Ended {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, signal) => Ended::Signal(signal.unwrap_or(0)),
    }
}

/// `struct pidfd_info` of `linux/pidfd.h`, first version.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    ids: [u32; 11],
    exit_code: i32,
}

fn exit_information(pidfd: &impl AsFd) -> io::Result<Ended> {
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    // _IOWR(0xff, 11, struct pidfd_info)
    const PIDFD_GET_INFO: libc::Ioctl = (3 << 30 | 64 << 16 | 0xff << 8 | 11) as libc::Ioctl;
    const { assert!(size_of::<PidfdInfo>() == 64) };
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the kernel writes at most the 64 bytes that the request's number names.
    let result = unsafe { libc::ioctl(pidfd.as_fd().as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    if result != 0 || info.mask & PIDFD_INFO_EXIT == 0 {
        return Err(rustix::io::Errno::CHILD.into());
    }
    let status = info.exit_code;
    Ok(if status & 0x7f == 0 { Ended::Code(status >> 8 & 0xff) } else { Ended::Signal(status & 0x7f) })
}
