//! PID 1 of a container.

use crate::call;
use crate::exec;
use crate::program::Operation;
use crate::sys::{self, Sys};
use crate::wire::{NO_FD, report};
use crate::{Stage, send_report};

const SIGCHLD: i32 = 17;
const SIGTERM: i32 = 15;
const WNOHANG: usize = 1;
const WALL: usize = 0x4000_0000;
const POLLIN: u64 = 1;

/// `struct signalfd_siginfo`: 128 bytes that begin with the signal number.
const SIGNAL_INFO: usize = 128;

/// Blocks every signal and returns a descriptor from which they are read.
pub fn signal_descriptor() -> Sys<i32> {
    const SIG_SETMASK: usize = 2;
    const NONBLOCK_CLOEXEC: i32 = sys::O_NONBLOCK | sys::O_CLOEXEC;
    let all = u64::MAX;
    call!(RT_SIGPROCMASK, SIG_SETMASK, &raw const all, 0, 8)?;
    call!(SIGNALFD4, -1i32, &raw const all, 8, NONBLOCK_CLOEXEC).map(|fd| fd as i32)
}

/// Returns the next signal that is waiting.
pub fn next_signal(fd: i32) -> Option<i32> {
    let mut info = [0u32; SIGNAL_INFO / 4];
    match call!(READ, fd, info.as_mut_ptr(), SIGNAL_INFO) {
        Ok(SIGNAL_INFO) => Some(info[0] as i32),
        _ => None,
    }
}

/// `KEEP`: reaps orphans until the owner ends or SIGTERM comes; the kernel then kills everything
/// else in the PID namespace.
pub fn keep(stage: &mut Stage, o: &Operation) -> Sys<()> {
    let owner = if o.arg(0) == NO_FD { -1 } else { o.int(0) };
    let kept = if o.arg(1) == NO_FD { -1 } else { o.int(1) };
    // Without a PID namespace orphans would go to the host's init; as a subreaper they come here.
    exec::prctl(exec::PR_SET_CHILD_SUBREAPER, 1, 0)?;
    let signals = signal_descriptor()?;
    send_report(stage.channel, report::READY, o.step, 0);
    exec::close_others(&mut [owner, kept, signals]);
    loop {
        // `struct pollfd`: descriptor, wanted events, then what happened. A negative descriptor
        // is passed over.
        let mut polled = [u64::from(signals as u32) | POLLIN << 32, u64::from(owner as u32) | POLLIN << 32];
        let _ = call!(POLL, polled.as_mut_ptr(), 2, -1i32);
        while let Some(signal) = next_signal(signals) {
            if signal == SIGTERM {
                end_descendants();
                sys::exit(0);
            }
        }
        reap_all(-1);
        if polled[1] >> 48 != 0 {
            end_descendants();
            sys::exit(0);
        }
    }
}

/// Kills what this process has adopted where no PID namespace does it: direct children first,
/// then those that become direct children by that.
fn end_descendants() {
    const SIGKILL: i32 = 9;
    const P_ALL_ROUNDS: usize = 10_000;
    if call!(GETPID) == Ok(1) {
        return;
    }
    for _ in 0..P_ALL_ROUNDS {
        let mut text = [0u8; 4096];
        let path = c"/proc/thread-self/children".as_ptr();
        let Ok(file) = call!(OPENAT, sys::AT_FDCWD, path, sys::O_RDONLY | sys::O_CLOEXEC, 0) else { return };
        let count = sys::read(file as i32, &mut text).unwrap_or(0);
        sys::close(file as i32);
        let mut any = false;
        for number in text.get(..count).unwrap_or(&[]).split(|byte| *byte == b' ') {
            // Only a child can be waited for: the file is no proof, a container may have covered its proc.
            let Some(pid) = crate::passwd::parse_id(number).filter(|pid| *pid != 0) else { continue };
            let Ok(ended) = call!(WAIT4, pid, 0, WNOHANG | WALL, 0) else { continue };
            any = true;
            if ended == 0 {
                let _ = call!(KILL, pid, SIGKILL);
                let _ = call!(WAIT4, pid, 0, WALL, 0);
            }
        }
        if !any {
            return;
        }
    }
}

/// Reaps every child that has ended; returns the wait status of `main` if it is among them.
fn reap_all(main: i32) -> Option<u32> {
    let mut found = None;
    loop {
        let mut status = 0u32;
        match call!(WAIT4, -1i32, &raw mut status, WNOHANG | WALL, 0) {
            Ok(0) | Err(_) => return found,
            Ok(pid) if pid as i32 == main => found = Some(status),
            Ok(_) => {}
        }
    }
}

/// Makes the command the terminal's foreground, so that the terminal's signals reach it once and
/// not a second time through the init.
fn lead_the_terminal() -> Sys<()> {
    const SIG_BLOCK: usize = 0;
    const SIG_SETMASK: usize = 2;
    const SIGTTOU_BIT: u64 = 1 << 21;
    const TIOCSPGRP: usize = 0x5410;
    call!(SETPGID, 0, 0)?;
    let (stop, none, own) = (SIGTTOU_BIT, 0u64, call!(GETPID)? as i32);
    // A background process that does this is stopped by SIGTTOU unless it blocks it, tcsetpgrp(3).
    call!(RT_SIGPROCMASK, SIG_BLOCK, &raw const stop, 0, 8)?;
    let _ = call!(IOCTL, 0, TIOCSPGRP, &raw const own);
    call!(RT_SIGPROCMASK, SIG_SETMASK, &raw const none, 0, 8).map(drop)
}

/// `INIT`: the rest of the program runs in a child; this process passes signals on, reaps, and
/// ends as the child ended.
pub fn init(stage: &mut Stage, o: &Operation) -> Sys<()> {
    let owner = if o.arg(0) == NO_FD { -1 } else { o.int(0) };
    // Not clone3(2): the filter that is installed by now refuses it, because flags in memory cannot
    // be filtered; clone(2) with nothing but an exit signal is a fork.
    let child = call!(CLONE, SIGCHLD)? as i32;
    if child == 0 {
        sys::close(owner);
        return lead_the_terminal();
    }
    let Ok(signals) = signal_descriptor() else { sys::exit(125) };
    sys::close(stage.channel);
    sys::close(stage.gate);
    sys::close(stage.entrance);
    exec::close_others(&mut [owner, signals]);
    for standard in 0..3 {
        sys::close(standard);
    }
    loop {
        // Before the first wait too: a child that ended before its signal was blocked left none.
        if let Some(status) = reap_all(child) {
            let signal = status & 0x7f;
            sys::exit(if signal == 0 { (status >> 8 & 0xff) as i32 } else { 128 + signal as i32 });
        }
        let mut polled = [u64::from(signals as u32) | POLLIN << 32, u64::from(owner as u32) | POLLIN << 32];
        let _ = call!(POLL, polled.as_mut_ptr(), 2, -1i32);
        if polled[1] >> 48 != 0 {
            end_descendants();
            sys::exit(128 + 9);
        }
        while let Some(signal) = next_signal(signals) {
            if signal != SIGCHLD {
                let _ = call!(KILL, child, signal);
            }
        }
    }
}
