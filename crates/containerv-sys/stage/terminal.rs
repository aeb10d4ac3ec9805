//! Terminals: a pair of the container's own devpts.

use crate::call;
use crate::fs;
use crate::program::Operation;
use crate::sys::{self, AT_EMPTY_PATH, AT_FDCWD, Sys, resolve};
use crate::tree::{self, Rules};
use crate::wire::{DEVPTS, REPORT_BYTES, ROOT, report};
use crate::Stage;

const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;
const TIOCSPTLCK: usize = 0x4004_5431;
const TIOCGPTPEER: usize = 0x5441;
const TIOCSWINSZ: usize = 0x5414;
const TIOCSCTTY: usize = 0x540e;

/// `TERMINAL`: the slave becomes 0, 1 and 2 and the controlling terminal; the master goes to
/// whoever supervises.
pub fn make(stage: &mut Stage, o: &Operation) -> Sys<()> {
    let master = open_master(stage)?;
    let unlock = 0u32;
    call!(IOCTL, master, TIOCSPTLCK, &raw const unlock)?;
    let slave = call!(IOCTL, master, TIOCGPTPEER, sys::O_RDWR | sys::O_NOCTTY | sys::O_CLOEXEC)? as i32;
    let size = [o.arg(1) as u16, o.arg(0) as u16, 0, 0];
    call!(IOCTL, master, TIOCSWINSZ, size.as_ptr())?;
    if o.arg(2) != 0 {
        bind_console(stage, slave)?;
    }
    let to = if stage.gate >= 0 { stage.gate } else { stage.channel };
    send_descriptor(to, report::TERMINAL, master)?;
    sys::close(master);
    call!(IOCTL, slave, TIOCSCTTY, 0)?;
    for number in 0..3 {
        call!(DUP3, slave, number, 0)?;
    }
    sys::close(slave);
    Ok(())
}

/// Opens `ptmx` of the container's devpts: of the mount just made, or, when joining a running
/// container, of `/dev/pts` if that really is a devpts (its processes may have replaced it).
fn open_master(stage: &Stage) -> Sys<i32> {
    let flags = sys::O_RDWR | sys::O_NOCTTY | sys::O_CLOEXEC;
    let (directory, path): (i32, &core::ffi::CStr) = match stage.register(DEVPTS) {
        Ok(devpts) => (devpts, c"ptmx"),
        Err(_) => (AT_FDCWD, c"/dev/pts/ptmx"),
    };
    let master = sys::openat2(directory, path.as_ptr().cast(), flags, 0, resolve::NO_SYMLINKS)?;
    if fs::file_system_type(master)? == DEVPTS_SUPER_MAGIC { Ok(master) } else { Err(sys::EXDEV) }
}

/// Shows the terminal at `/dev/console`, which is ours: `/dev` is a file system made just now.
fn bind_console(stage: &Stage, slave: i32) -> Sys<()> {
    let root = stage.register(ROOT)?;
    tree::make_file(root, b"dev/console", Rules::NO_LINKS)?;
    let target = tree::open(root, b"dev/console", sys::O_PATH | sys::O_NOFOLLOW, Rules::NO_LINKS)?;
    let mount = fs::clone_tree(slave, c"".as_ptr().cast(), AT_EMPTY_PATH as u64)?;
    fs::attach_to(mount, target)?;
    sys::close(mount);
    sys::close(target);
    Ok(())
}

/// Sends a descriptor with a report (unix(7), `SCM_RIGHTS`).
pub fn send_descriptor(socket: i32, kind: u32, fd: i32) -> Sys<()> {
    let mut words = [u64::from(kind), 0];
    let vector = [words.as_mut_ptr() as u64, REPORT_BYTES as u64];
    // `struct cmsghdr`: length 20, level SOL_SOCKET (1), type SCM_RIGHTS (1), then the descriptor.
    let control = [20u64, 1 | 1 << 32, u64::from(fd as u32)];
    let header =
        [0u64, 0, vector.as_ptr() as u64, 1, control.as_ptr() as u64, core::mem::size_of_val(&control) as u64, 0];
    call!(SENDMSG, socket, header.as_ptr(), 0).map(drop)
}

/// Receives one packet of a report's size, with a descriptor if one comes along.
pub fn receive(socket: i32, words: &mut [u64; 2]) -> Sys<(usize, i32)> {
    const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
    let vector = [words.as_mut_ptr() as u64, REPORT_BYTES as u64];
    let mut control = [0u64; 3];
    let header = [
        0u64,
        0,
        vector.as_ptr() as u64,
        1,
        control.as_mut_ptr() as u64,
        core::mem::size_of_val(&control) as u64,
        0,
    ];
    let count = call!(RECVMSG, socket, header.as_ptr(), MSG_CMSG_CLOEXEC)?;
    let fd = if control[0] == 20 { control[2] as u32 as i32 } else { -1 };
    Ok((count, fd))
}

/// Sets a terminal's size: `columns` and `rows` in characters.
pub fn resize(master: i32, columns: u16, rows: u16) {
    let size = [rows, columns, 0, 0];
    let _ = call!(IOCTL, master, TIOCSWINSZ, size.as_ptr());
}

