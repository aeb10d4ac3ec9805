//! The stage: what runs between the library and the container's own program.
//!
//! It executes a program of prepared operations (see `wire.rs`) and decides nothing: paths, ids
//! and flags were computed by the library. It allocates nothing, links nothing and is started
//! from a sealed memory file, so that nothing of the embedding program lives on inside a
//! container and `/proc/self/exe` never leads to a file of the host.
//!
//! Compiled by `build.rs` with `$RUSTC`; no C library.

#![no_std]
#![no_main]
#![allow(dead_code, reason = "tables of system call numbers and constants are complete on purpose")]

mod creds;
mod exec;
mod frame;
mod fs;
mod keeper;
mod load;
mod logline;
mod mem;
mod monitor;
mod namespaces;
mod owners;
mod passwd;
mod program;
mod remove;
mod root;
mod shift;
mod sys;
mod terminal;
mod text;
mod tree;
mod wire;

use core::panic::PanicInfo;

use program::{Operation, Program};
use sys::Sys;
use wire::{op, report};

core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym main
);

/// What operations leave for later ones.
pub struct Stage {
    /// Where reports go, or -1 once nobody listens.
    pub channel: i32,
    /// The monitor's end in the command's process, or -1.
    pub gate: i32,
    /// Where whoever starts the command comes to, or -1.
    pub entrance: i32,
    /// While mounts are made in a namespace apart.
    pub apart: shift::Apart,
    /// Standard descriptors that the monitor made.
    pub stdio: [i32; 3],
    /// Mount descriptors.
    pub registers: [i32; wire::REGISTERS],
    /// The ids of the last `USER`.
    pub user: creds::User,
    /// What a `CLONE` in monitor mode shall do.
    pub monitor: monitor::Settings,
    /// Set in a process that has become the command's: the program goes on there.
    pub in_container: bool,
}

static mut STAGE: Stage = Stage {
    channel: -1,
    gate: -1,
    entrance: -1,
    apart: shift::Apart::NONE,
    stdio: [-1; 3],
    registers: [-1; wire::REGISTERS],
    user: creds::User::ROOT,
    monitor: monitor::Settings::NONE,
    in_container: false,
};

extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: the kernel puts argc, argv and envp here. Nothing else refers to `STAGE`; the
    // process has one thread.
    let (argc, argv, stage) = unsafe { (*stack, stack.add(1), &mut *(&raw mut STAGE)) };
    exec::reset_signals();
    // What a program makes has the mode that it names; the command gets its own mask later.
    let _ = call!(UMASK, 0);
    let Some(program) = load::from_arguments(argc, argv) else { sys::exit(70) };
    stage.channel = program.channel();
    exec::set_cloexec(stage.channel);
    if let Err(error) = own_channel(stage.channel) {
        fail(stage, 0, error);
    }
    run(stage, &program);
    sys::exit(0)
}

/// Puts a new channel in the place of the inherited one, of which processes that the library's
/// program forks may hold copies: its end would not be seen before theirs.
fn own_channel(channel: i32) -> Sys<()> {
    const AF_UNIX: usize = 1;
    const SOCK_SEQPACKET_CLOEXEC: usize = 5 | 0o2_000_000;
    let mut ends = [0i32; 2];
    call!(SOCKETPAIR, AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0, ends.as_mut_ptr())?;
    terminal::send_descriptor(channel, report::CHANNEL, ends[0])?;
    sys::close(ends[0]);
    call!(DUP3, ends[1], channel, sys::O_CLOEXEC)?;
    sys::close(ends[1]);
    Ok(())
}

/// Executes the program from its first operation to its end.
fn run(stage: &mut Stage, program: &Program) {
    let mut position = wire::HEADER_WORDS;
    while let Some(operation) = program.operation(position) {
        if operation.code == op::END {
            return;
        }
        if let Err(error) = execute(stage, program, &operation) {
            fail(stage, operation.step, error);
        }
        position = operation.next;
    }
    send_report(stage.channel, report::BAD_PROGRAM, position as u32, 0);
    sys::exit(70)
}

/// Reports a failed step and ends.
pub fn fail(stage: &Stage, step: u32, error: i32) -> ! {
    send_report(stage.channel, report::FAILED, step, i64::from(error));
    send_report(stage.gate, report::FAILED, step, i64::from(error));
    sys::exit(125)
}

/// Sends one report; nobody may be there to hear it.
pub fn send_report(channel: i32, kind: u32, step: u32, value: i64) {
    const MSG_NOSIGNAL: usize = 0x4000;
    if channel >= 0 {
        let words = [u64::from(kind) | u64::from(step) << 32, value as u64];
        let _ = call!(SENDTO, channel, words.as_ptr(), wire::REPORT_BYTES, MSG_NOSIGNAL, 0);
    }
}

fn execute(stage: &mut Stage, program: &Program, operation: &Operation) -> Sys<()> {
    let o = operation;
    match o.code {
        op::SETNS => call!(SETNS, o.int(0), o.int(1)).map(drop),
        op::UNSHARE => call!(UNSHARE, o.int(0)).map(drop),
        op::WRITE => exec::write_file(program.text(o.arg(0)), program.blob(o.arg(1), o.arg(2))),
        op::JOIN => sys::write_all(o.int(0), b"0"),
        op::CLONE => namespaces::clone(stage, program, o),
        op::AWAIT => namespaces::await_go(stage.channel),
        op::REPORT_PID => {
            send_report(stage.channel, report::INSIDE, o.step, call!(GETPID)? as i64);
            Ok(())
        }
        op::PROPAGATION => fs::propagation(o.arg(0)),
        op::TREE => fs::tree(stage, program, o),
        op::FILESYSTEM => fs::filesystem(stage, program, o),
        op::OVERLAY => root::overlay(stage, program, o),
        op::OPEN_ROOT => root::open(stage, program, o),
        op::ATTACH_HOST => root::attach_host(stage, program, o),
        op::ATTACH => fs::attach_op(stage, program, o),
        op::OPEN_HOST => fs::open_host(stage, program, o),
        op::DETACH => fs::detach(stage, program, o),
        op::MKDIR | op::MKNOD | op::SYMLINK => fs::make(stage, program, o),
        op::HOST_MKDIR => fs::host_mkdir(program, o),
        op::MASK => fs::mask(stage, program, o),
        op::READONLY => fs::read_only(stage, program, o),
        op::FILE => fs::small_file(stage, program, o),
        op::MOUNT_READONLY => root::read_only(stage.register(o.arg(0))?),
        op::PIVOT => root::pivot(stage),
        op::CHROOT => root::chroot(stage.register(wire::ROOT)?),
        op::ENTER => root::chroot(o.int(0)),
        op::HOSTNAME | op::DOMAINNAME => namespaces::set_name(program, o),
        op::SYSCTL => fs::sysctl(stage, program, o),
        op::LOOPBACK => namespaces::loopback_up(),
        op::TERMINAL => terminal::make(stage, o),
        op::STDIO => exec::stdio(stage, o),
        op::RLIMIT => exec::rlimit(o),
        op::OOM_SCORE => exec::oom_score(o),
        op::UMASK => call!(UMASK, o.int(0)).map(drop),
        op::USER => creds::resolve(stage, program, o),
        op::CREDENTIALS => creds::become_user(&stage.user, o.arg(0), o.arg(1), o.arg(2)),
        op::BECOME_ROOT => creds::become_root(),
        op::NO_NEW_PRIVILEGES => exec::prctl(exec::PR_SET_NO_NEW_PRIVS, 1, 0),
        op::SECCOMP => exec::seccomp(program.blob(o.arg(0), o.arg(1)), o.arg(2)),
        op::CWD => exec::enter_directory(program.text(o.arg(0)), o.arg(1) != 0),
        op::SESSION => exec::session(),
        op::EXEC => exec::execute(stage, program, o),
        op::KEEP => keeper::keep(stage, o),
        op::INIT => keeper::init(stage, o),
        op::DEATH_SIGNAL => exec::prctl(exec::PR_SET_PDEATHSIG, o.int(0) as usize, 0),
        op::HIDE => exec::prctl(exec::PR_SET_DUMPABLE, 0, 0),
        op::GATE => monitor::gate::wait(stage, o.step),
        op::DAEMONIZE => monitor::daemonize(stage, o.step),
        op::MONITOR => {
            stage.monitor = monitor::Settings::read(o);
            Ok(())
        }
        op::REMOVE => remove::tree(program.text(o.arg(0))),
        op::SHIFT_BEGIN => shift::begin(stage, program, o),
        op::SHIFT_LAYER => shift::layer(stage, program, o),
        op::SHIFT_GIVE => shift::give(program, o),
        op::SHIFT_END => shift::end(stage),
        op::OWNERS => owners::give(o.int(0), o.int(1)),
        op::CLOSE_OTHERS => {
            exec::close_others(&mut [stage.channel, stage.gate, stage.entrance, o.int(0)]);
            stage.registers = [-1; wire::REGISTERS];
            Ok(())
        }
        op::TRAP => {
            send_report(stage.channel, report::TRAPPED, o.step, o.arg(0) as i64);
            namespaces::await_go(stage.channel)
        }
        _ => Err(sys::ENOSYS),
    }
}

impl Stage {
    /// Returns the descriptor in a register.
    pub fn register(&self, index: u64) -> Sys<i32> {
        match self.registers.get(index as usize) {
            Some(&fd) if fd >= 0 => Ok(fd),
            _ => Err(sys::EINVAL),
        }
    }

    /// Puts a descriptor into a register; what was there is closed.
    pub fn set_register(&mut self, index: u64, fd: i32) -> Sys<()> {
        match self.registers.get_mut(index as usize) {
            Some(place) => {
                sys::close(*place);
                *place = fd;
                Ok(())
            }
            None => Err(sys::EINVAL),
        }
    }

    /// Takes a descriptor out of a register.
    pub fn take_register(&mut self, index: u64) -> Sys<i32> {
        let fd = self.register(index)?;
        if let Some(place) = self.registers.get_mut(index as usize) {
            *place = -1;
        }
        Ok(fd)
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    sys::exit(70)
}
