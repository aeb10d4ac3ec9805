//! Starting the stage and hearing from it.

// UNSAFETY: clone(2) with shared memory, and execveat(2) in the process that it makes.
#![allow(unsafe_code, reason = "no safe interface to clone(2) with CLONE_VM exists")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, WaitOptions};

use super::program::Program;
use super::wire::{REPORT_BYTES, report};

static STAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stage"));

/// Room for the few frames between clone(2) and execveat(2).
const STACK_BYTES: usize = 64 * 1024;

/// The stage as a sealed memory file: nobody, not even root inside a container that reaches it
/// through `/proc`, can change it.
#[derive(Debug)]
pub struct StageFile(OwnedFd);

impl StageFile {
    /// Makes the file.
    pub fn new() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = match rustix::fs::memfd_create("containerv-stage", flags | MemfdFlags::EXEC) {
            // Before Linux 6.3 the flag is unknown and every memory file may be executed.
            Err(rustix::io::Errno::INVAL) => rustix::fs::memfd_create("containerv-stage", flags)?,
            other => other?,
        };
        let mut file = File::from(fd);
        file.write_all(STAGE)?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok(Self(file.into()))
    }

    /// Starts a program in a new process. It inherits `inherit`, under the same numbers, and the
    /// report channel; standard input, output and error are the caller's.
    ///
    /// The new process shares the caller's memory only until it executes the stage, with every
    /// signal blocked; the calling thread waits meanwhile, other threads go on. Nothing of the
    /// caller's memory is copied, so the cost does not depend on its size.
    pub fn spawn(&self, program: Program, inherit: &[BorrowedFd<'_>]) -> io::Result<Spawned> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (ours, theirs) = (Channel(ours), above_standard(theirs)?);
        let bytes = program.finish(theirs.as_raw_fd() as u32);
        let file = above_standard(rustix::fs::memfd_create("containerv-program", MemfdFlags::CLOEXEC)?)?;
        let mut file = File::from(file);
        file.write_all(&bytes)?;
        io::Seek::rewind(&mut file)?;
        let mut fds: Vec<RawFd> = inherit.iter().map(AsRawFd::as_raw_fd).collect();
        fds.push(theirs.as_raw_fd());
        fds.push(file.as_raw_fd());
        let outer = clone_and_execute(self.0.as_fd(), file.as_fd(), &fds)?;
        drop(theirs);
        let mut spawned = Spawned { channel: ours, outer: Some(outer) };
        spawned.channel = spawned.channel.private()?;
        Ok(spawned)
    }
}

/// Returns the descriptor, or a copy that is not one of the standard three.
fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { Ok(rustix::io::fcntl_dupfd_cloexec(&fd, 3)?) }
}

/// What the child needs, prepared by the parent, and the error that it leaves.
struct Handover<'a> {
    stage: RawFd,
    /// The same file by name, for tools that stand between and do not know nameless execution.
    path: *const c_char,
    arguments: [*const c_char; 3],
    environment: [*const c_char; 1],
    inherit: &'a [RawFd],
    error: c_int,
}

fn clone_and_execute(stage: BorrowedFd<'_>, program: BorrowedFd<'_>, inherit: &[RawFd]) -> io::Result<Pid> {
    let name = c"containerv";
    let number = CString::new(program.as_raw_fd().to_string())?;
    let path = CString::new(format!("/proc/self/fd/{}", stage.as_raw_fd()))?;
    let mut handover = Handover {
        stage: stage.as_raw_fd(),
        path: path.as_ptr(),
        arguments: [name.as_ptr(), number.as_ptr(), std::ptr::null()],
        environment: [std::ptr::null()],
        inherit,
        error: 0,
    };
    let mut stack: Vec<MaybeUninit<u128>> = vec![MaybeUninit::uninit(); STACK_BYTES / 16];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let blocked = BlockedSignals::all()?;
    // SAFETY: `top` is the 16-byte aligned end of a stack that outlives the child's use of it:
    // with CLONE_VFORK the call returns when the child has executed another program or ended.
    // `execute_stage` makes only system calls. `handover` lives on this frame.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.len()).cast::<c_void>();
        libc::clone(execute_stage, top, flags, (&raw mut handover).cast::<c_void>())
    };
    let failed = io::Error::last_os_error();
    drop(blocked);
    let Some(pid) = Pid::from_raw(pid).filter(|pid| !pid.is_init() && pid.as_raw_nonzero().get() > 0) else {
        return Err(failed);
    };
    if handover.error != 0 {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        return Err(io::Error::from_raw_os_error(handover.error));
    }
    Ok(pid)
}

/// Runs in the child, on its own stack, in the parent's memory.
extern "C" fn execute_stage(argument: *mut c_void) -> c_int {
    let handover = argument.cast::<Handover<'_>>();
    // SAFETY: the parent hands over a valid `Handover` and waits; nobody else uses it. The calls
    // are system calls with arguments that the parent prepared; none takes a lock or allocates.
    unsafe {
        for &fd in (*handover).inherit {
            libc::syscall(libc::SYS_fcntl, fd, libc::F_SETFD, 0);
        }
        libc::syscall(
            libc::SYS_execveat,
            (*handover).stage,
            c"".as_ptr(),
            (&raw const (*handover).arguments).cast::<*const c_char>(),
            (&raw const (*handover).environment).cast::<*const c_char>(),
            libc::AT_EMPTY_PATH,
        );
        // Valgrind looks for the file by its name, which a memory file does not have.
        libc::syscall(
            libc::SYS_execve,
            (*handover).path,
            (&raw const (*handover).arguments).cast::<*const c_char>(),
            (&raw const (*handover).environment).cast::<*const c_char>(),
        );
        (*handover).error = *libc::__errno_location();
        libc::syscall(libc::SYS_exit_group, 127);
    }
    127
}

/// Every signal of this thread blocked until dropped, so that no handler of the embedding program
/// runs in a child that shares its memory.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn all() -> io::Result<Self> {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: `sigfillset` initialises `all`; `pthread_sigmask` reads it and initialises
        // `before`.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            match libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) {
                0 => Ok(Self(before.assume_init())),
                number => Err(io::Error::from_raw_os_error(number)),
            }
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the mask came from `pthread_sigmask`; restoring it cannot fail.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

/// A started stage.
#[derive(Debug)]
pub struct Spawned {
    /// Where it reports.
    pub channel: Channel,
    outer: Option<Pid>,
}

impl Spawned {
    /// Reaps the first process, which ends as soon as it has made the next one.
    pub fn reap_outer(&mut self) {
        if let Some(pid) = self.outer.take() {
            // An embedding program that waits for any child may have taken it: just as well.
            let wait = || rustix::process::waitpid(Some(pid), WaitOptions::empty());
            while matches!(wait(), Err(rustix::io::Errno::INTR)) {}
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.reap_outer();
    }
}

/// The library's end of the report channel.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// One report.
#[derive(Debug)]
pub struct Report {
    /// One of `wire::report`.
    pub kind: u32,
    /// The plan's step.
    pub step: u32,
    /// Depends on the kind.
    pub value: i64,
    /// A descriptor that came along.
    pub fd: Option<OwnedFd>,
}

impl From<OwnedFd> for Channel {
    /// Takes a connection to the gate of a stage.
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl Channel {
    /// Waits for the next report; `None` once every process of the stage has executed its
    /// program or ended.
    pub fn receive(&self) -> io::Result<Option<Report>> {
        loop {
            match self.receive_unless_reset() {
                // The stage ended without having read what was sent to it: said once, and before
                // what it has reported itself.
                Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => {}
                other => return other,
            }
        }
    }

    /// As [`Self::receive`], but ECONNRESET is an error: at a gate it tells that the stage ended before it took the
    /// connection.
    pub fn receive_unless_reset(&self) -> io::Result<Option<Report>> {
        let mut bytes = [0u8; REPORT_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut vectors = [io::IoSliceMut::new(&mut bytes)];
            match rustix::net::recvmsg(&self.0, &mut vectors, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        let fd = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        match received.bytes {
            0 => Ok(None),
            REPORT_BYTES => Ok(Some(Report::decode(bytes, fd))),
            _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }

    /// Receives the channel that the stage itself has made in place of this one. The end of a
    /// channel tells that a program was executed, so nobody else may hold a copy of the other end:
    /// a process that the embedding program forks at the wrong moment has one of this channel's.
    fn private(&self) -> io::Result<Self> {
        match self.receive()? {
            Some(Report { kind: report::CHANNEL, fd: Some(fd), .. }) => Ok(Self(fd)),
            Some(Report { kind: report::CHANNEL, .. }) => Err(io::Error::from_raw_os_error(libc::EMFILE)),
            Some(report) => Err(io::Error::from_raw_os_error(report.failure().unwrap_or(libc::EPROTO))),
            None => Err(io::Error::from_raw_os_error(libc::EPROTO)),
        }
    }

    /// Lets nobody go on any more: a stage that awaits it ends. Its reports can still be received.
    pub fn hang_up(&self) {
        // It fails only where the other end is closed already.
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Write);
    }

    /// Lets a stage that awaits it go on. One that has ended instead has reported why.
    pub fn go(&self) -> io::Result<()> {
        match rustix::net::send(&self.0, &[1], SendFlags::NOSIGNAL) {
            Ok(_) | Err(rustix::io::Errno::PIPE) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Report {
    fn decode(bytes: [u8; REPORT_BYTES], fd: Option<OwnedFd>) -> Self {
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let value = (u64::from(word(12)) << 32 | u64::from(word(8))) as i64;
        Self { kind: word(0), step: word(4), value, fd }
    }

    /// Returns the error number if the step failed.
    pub fn failure(&self) -> Option<i32> {
        match self.kind {
            report::FAILED => Some(self.value as i32),
            report::BAD_PROGRAM => Some(libc::ENOEXEC),
            _ => None,
        }
    }
}
