//! The process itself: descriptors, limits, signals, and the last step.

use crate::call;
use crate::fs;
use crate::program::{Operation, Program};
use crate::sys::{self, AT_FDCWD, Sys, resolve};
use crate::tree::{self, Rules};
use crate::wire::FROM_MONITOR;
use crate::Stage;

pub const PR_SET_PDEATHSIG: usize = 1;
pub const PR_SET_DUMPABLE: usize = 4;
pub const PR_SET_KEEPCAPS: usize = 8;
pub const PR_CAPBSET_READ: usize = 23;
pub const PR_CAPBSET_DROP: usize = 24;
pub const PR_SET_NO_NEW_PRIVS: usize = 38;
pub const PR_SET_CHILD_SUBREAPER: usize = 36;
pub const PR_CAP_AMBIENT: usize = 47;

const F_GETFD: usize = 1;
const F_SETFD: usize = 2;
const F_DUPFD_CLOEXEC: usize = 1030;
const FD_CLOEXEC: usize = 1;

/// prctl(2) with two arguments.
pub fn prctl(option: usize, a: usize, b: usize) -> Sys<()> {
    call!(PRCTL, option, a, b, 0, 0).map(drop)
}

/// Gives every signal its default action and unblocks all: the embedding program may have
/// ignored some, and execve(2) keeps that.
pub fn reset_signals() {
    const SIG_SETMASK: usize = 2;
    let default = [0u64; 4];
    for signal in 1..=64 {
        let _ = call!(RT_SIGACTION, signal, default.as_ptr(), 0, 8);
    }
    let none = 0u64;
    let _ = call!(RT_SIGPROCMASK, SIG_SETMASK, &raw const none, 0, 8);
}

/// Makes a descriptor end with the next execve(2).
pub fn set_cloexec(fd: i32) {
    let _ = call!(FCNTL, fd, F_SETFD, FD_CLOEXEC);
}

/// `WRITE`.
pub fn write_file(path: *const u8, bytes: &[u8]) -> Sys<()> {
    let file = call!(OPENAT, AT_FDCWD, path, sys::O_WRONLY | sys::O_CLOEXEC, 0)? as i32;
    let written = sys::write_all(file, bytes);
    sys::close(file);
    written
}

/// `RLIMIT`.
pub fn rlimit(o: &Operation) -> Sys<()> {
    let limit = [o.arg(1), o.arg(2)];
    call!(PRLIMIT64, 0, o.arg(0), limit.as_ptr(), 0).map(drop)
}

/// `OOM_SCORE`.
pub fn oom_score(o: &Operation) -> Sys<()> {
    let mut digits = [0u8; 8];
    let text = decimal(o.int(0), &mut digits);
    write_file(c"/proc/self/oom_score_adj".as_ptr().cast(), text)
}

/// Writes a number of at most seven digits.
pub fn decimal(value: i32, buffer: &mut [u8; 8]) -> &[u8] {
    let mut magnitude = value.unsigned_abs() % 10_000_000;
    let mut start = buffer.len();
    loop {
        start -= 1;
        buffer[start] = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    if value < 0 {
        start -= 1;
        buffer[start] = b'-';
    }
    &buffer[start..]
}

/// `STDIO`. The sources are above 2, so none is overwritten before it is used.
pub fn stdio(stage: &mut Stage, o: &Operation) -> Sys<()> {
    for number in 0..3 {
        let source = if o.arg(number) == FROM_MONITOR { stage.stdio[number] } else { o.int(number) };
        call!(DUP3, source, number, 0)?;
    }
    Ok(())
}

/// Returns a copy of a descriptor that is above 2 and ends with execve(2).
pub fn duplicate_high(fd: i32) -> Sys<i32> {
    call!(FCNTL, fd, F_DUPFD_CLOEXEC, 3).map(|fd| fd as i32)
}

/// `SESSION`: setsid(2), and a session keyring so that the caller's keys are not at hand.
pub fn session() -> Sys<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
    match call!(SETSID) {
        Ok(_) | Err(sys::EPERM) => {}
        Err(error) => return Err(error),
    }
    // Kernels without keyrings answer ENOSYS; the caller's quota may be used up (EDQUOT): in
    // both cases the process keeps the keyring that it has, which needs possession to be used.
    let _ = call!(KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, 0);
    Ok(())
}

/// `SECCOMP`: seccomp(2) with `SECCOMP_SET_MODE_FILTER`.
pub fn seccomp(instructions: &[u8], flags: u64) -> Sys<()> {
    const SET_MODE_FILTER: usize = 1;
    let filter = [(instructions.len() / 8) as u64, instructions.as_ptr() as u64];
    call!(SECCOMP, SET_MODE_FILTER, flags, filter.as_ptr()).map(drop)
}

/// `CWD`: entered by descriptor, without magic links, so that `/proc/self/fd/N` cannot lead to a
/// directory of the host (CVE-2024-21626).
pub fn enter_directory(path: *const u8, create: bool) -> Sys<()> {
    let flags = sys::O_PATH | sys::O_DIRECTORY | sys::O_CLOEXEC;
    let opened = match sys::openat2(AT_FDCWD, path, flags, 0, resolve::NO_MAGICLINKS) {
        Err(sys::ENOENT) if create => {
            let root = call!(OPENAT, AT_FDCWD, c"/".as_ptr(), flags, 0)? as i32;
            // SAFETY: a text of the program, ended by NUL.
            let bytes = unsafe { core::slice::from_raw_parts(path, sys::strlen(path)) };
            tree::make_directories(root, bytes, Rules::CONFINED)
        }
        other => other,
    };
    let directory = opened?;
    call!(FCHDIR, directory)?;
    sys::close(directory);
    verify_inside()
}

/// getcwd(2) of a directory outside the root begins with `(unreachable)`.
fn verify_inside() -> Sys<()> {
    let mut path = [0u8; 4096];
    match call!(GETCWD, path.as_mut_ptr(), path.len()) {
        Ok(_) if path[0] == b'/' => Ok(()),
        Ok(_) => Err(sys::EACCES),
        Err(error) => Err(error),
    }
}

/// `EXEC`: tries the candidates in order, as execvp(3) does with `PATH`.
pub fn execute(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    const ENOEXEC_LIKE: [i32; 2] = [sys::EACCES, sys::ELOOP];
    if o.arg(3) != 0 {
        program.set_entry(o.arg(2), o.arg(3) - 1, stage.user.home_entry());
    }
    let (arguments, environment) = (program.pointers(o.arg(1)), program.pointers(o.arg(2)));
    let mut failure = sys::ENOENT;
    for candidate in program.list(o.arg(0)) {
        let Err(error) = call!(EXECVE, program.text(candidate), arguments, environment) else { continue };
        match error {
            sys::ENOENT | sys::ENOTDIR => {}
            error if ENOEXEC_LIKE.contains(&error) => failure = error,
            error => return Err(error),
        }
    }
    Err(failure)
}

/// Closes every descriptor above 2 except those given.
pub fn close_others(keep: &mut [i32]) {
    keep.sort_unstable();
    let mut from = 3;
    for &fd in keep.iter().filter(|fd| **fd >= 3) {
        if fd > from {
            let _ = call!(CLOSE_RANGE, from, fd - 1, 0);
        }
        from = fd + 1;
    }
    let _ = call!(CLOSE_RANGE, from, u32::MAX, 0);
}

/// Says whether a descriptor is open.
pub fn is_open(fd: i32) -> bool {
    call!(FCNTL, fd, F_GETFD).is_ok()
}

/// Says whether a descriptor refers to a regular file.
pub fn is_regular(fd: i32) -> Sys<bool> {
    Ok(fs::file_type(fd)? == 0o100_000)
}
