//! Entering and making namespaces.

use crate::call;
use crate::logline::{self, Sink};
use crate::program::{Operation, Program};
use crate::sys::{self, AT_FDCWD, Sys};
use crate::text::PathText;
use crate::wire::{NO_FD, clone_mode, op, report};
use crate::{Stage, monitor, send_report};

const CLONE_PARENT: u64 = 0x8000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_PIDFD: u64 = 0x1000;
const SIGCHLD: u64 = 17;

/// Makes a process by clone3(2); returns 0 in it and its id otherwise.
pub fn clone_process(flags: u64, cgroup: u64, pidfd: Option<&mut i32>) -> Sys<i32> {
    // `struct clone_args`: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size,
    // tls, set_tid, set_tid_size, cgroup.
    let mut arguments = [0u64; 11];
    arguments[0] = flags;
    // The kernel takes the exit signal of a sibling from this process and refuses another.
    arguments[4] = if flags & CLONE_PARENT != 0 { 0 } else { SIGCHLD };
    if let Some(place) = pidfd {
        arguments[0] |= CLONE_PIDFD;
        arguments[1] = core::ptr::from_mut(place) as u64;
    }
    if cgroup != NO_FD {
        arguments[0] |= CLONE_INTO_CGROUP;
        arguments[10] = cgroup;
    }
    call!(CLONE3, arguments.as_ptr(), core::mem::size_of_val(&arguments)).map(|pid| pid as i32)
}

/// `CLONE`: the rest of the program runs in a new process.
pub fn clone(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    if o.arg(2) == clone_mode::MONITOR {
        return monitor::clone(stage, program, o);
    }
    let pid = clone_process(o.arg(0) | CLONE_PARENT, o.arg(1), None)?;
    if pid == 0 {
        stage.in_container = true;
        return Ok(());
    }
    send_report(stage.channel, report::CHILD, o.step, i64::from(pid));
    sys::exit(0)
}

/// Opens what proc(5) shows of a process, by a name such as `/ns/user`.
pub fn open_of(process: i32, name: &[u8], flags: i32) -> Sys<i32> {
    let mut path = PathText::new();
    path.put(b"/proc/");
    logline::number(&mut path, process as u64, 1);
    path.put(name);
    call!(OPENAT, AT_FDCWD, path.as_ptr(), flags | sys::O_CLOEXEC, 0).map(|fd| fd as i32)
}

/// Waits for one packet. End of file means that the library's process is gone: so are we.
pub fn await_go(channel: i32) -> Sys<()> {
    let mut byte = [0u8; 1];
    match sys::read(channel, &mut byte) {
        Ok(1) => Ok(()),
        Ok(_) => sys::exit(125),
        Err(error) => Err(error),
    }
}

/// `HOSTNAME` and `DOMAINNAME`.
pub fn set_name(program: &Program, o: &Operation) -> Sys<()> {
    let name = program.bytes(o.arg(0));
    if o.code == op::HOSTNAME {
        call!(SETHOSTNAME, name.as_ptr(), name.len()).map(drop)
    } else {
        call!(SETDOMAINNAME, name.as_ptr(), name.len()).map(drop)
    }
}

/// `LOOPBACK`: netdevice(7), `SIOCSIFFLAGS` with `IFF_UP` on `lo`.
pub fn loopback_up() -> Sys<()> {
    const AF_INET: usize = 2;
    const SOCK_DGRAM_CLOEXEC: usize = 0o2_000_002;
    const SIOCSIFFLAGS: usize = 0x8914;
    let mut request = [0u8; 40];
    request[..2].copy_from_slice(b"lo");
    // IFF_UP | IFF_RUNNING in the 16-bit flags behind the 16-byte name.
    request[16] = 0x41;
    let socket = call!(SOCKET, AF_INET, SOCK_DGRAM_CLOEXEC, 0)? as i32;
    let result = call!(IOCTL, socket, SIOCSIFFLAGS, request.as_ptr()).map(drop);
    sys::close(socket);
    result
}
