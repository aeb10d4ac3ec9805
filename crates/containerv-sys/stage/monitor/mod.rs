//! The monitor of a detached container: owns its standard streams, writes its log, serves those
//! who attach, and records how it ended.
//!
//! One process without an allocator; its memory is what is declared here.

mod clients;
mod ending;
pub mod gate;
mod log;

use core::mem::MaybeUninit;

use crate::call;
use crate::exec;
use crate::frame;
use crate::namespaces::{clone_process, open_of};
use crate::program::{Operation, Program};
use crate::sys::{self, Sys};
use crate::terminal;
use crate::wire::{NO_FD, monitor_flag, report};
use crate::{Stage, send_report};

use clients::Clients;
use log::Log;

const POLLIN: u64 = 1;
const POLLOUT: u64 = 4;
/// How long a client that does not read may hold up the end of a container.
const LAST_WORDS_MS: usize = 10_000;

/// What a monitor shall do; see `op::MONITOR`.
pub struct Settings {
    listen: i32,
    directory: i32,
    null: i32,
    oom: i32,
    owner: i32,
    flags: u64,
    log_bytes: u64,
    log_files: u64,
    keep: i32,
    /// List of control groups, of the directory, and of the name to remove.
    removals: u64,
}

impl Settings {
    /// Before the operation.
    pub const NONE: Self = Self {
        listen: -1,
        directory: -1,
        null: -1,
        oom: -1,
        owner: -1,
        flags: 0,
        log_bytes: 0,
        log_files: 1,
        keep: -1,
        removals: 0,
    };

    /// Reads the operation's arguments.
    pub fn read(o: &Operation) -> Self {
        let fd = |index| if o.arg(index) == NO_FD { -1 } else { o.int(index) };
        Self {
            listen: fd(0),
            directory: fd(1),
            null: fd(2),
            oom: fd(3),
            owner: fd(4),
            flags: o.arg(5),
            log_bytes: o.arg(6),
            log_files: o.arg(7),
            keep: fd(8),
            removals: o.arg(9),
        }
    }

    fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }
}

/// `DAEMONIZE`.
pub fn daemonize(stage: &mut Stage, step: u32) -> Sys<()> {
    if clone_process(0, NO_FD, None)? != 0 {
        sys::exit(0);
    }
    call!(SETSID)?;
    call!(CHDIR, c"/".as_ptr())?;
    send_report(stage.channel, report::MONITOR, step, call!(GETPID)? as i64);
    Ok(())
}

/// `CLONE` in monitor mode: returns in the command's process and never in the monitor.
pub fn clone(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let gate = socket_pair()?;
    if stage.monitor.has(monitor_flag::GATE) {
        stage.entrance = gate::listen(stage.monitor.directory)?;
    }
    let streams = Streams::make(&stage.monitor, &mut stage.stdio)?;
    let mut pidfd = -1;
    let pid = clone_process(o.arg(0), o.arg(1), Some(&mut pidfd))?;
    if pid == 0 {
        sys::close(gate[0]);
        stage.gate = gate[1];
        stage.in_container = true;
        return Ok(());
    }
    send_report(stage.channel, report::CHILD, o.step, i64::from(pid));
    sys::close(gate[1]);
    sys::close(stage.channel);
    // SAFETY: nothing else refers to `MONITOR`; the process has one thread. It holds numbers,
    // flags and an `Option` of numbers: all bits zero is a value of each.
    let monitor = unsafe { (*(&raw mut MONITOR)).assume_init_mut() };
    monitor.settings = core::mem::replace(&mut stage.monitor, Settings::NONE);
    monitor.streams = streams;
    monitor.failure = None;
    monitor.clients.clear();
    monitor.log.clear();
    (monitor.gate, monitor.pidfd, monitor.pid) = (gate[0], pidfd, pid);
    monitor.user_namespace = user_namespace_of(pid, o.arg(0));
    monitor.become_quiet();
    monitor.run(program)
}

/// Opens the user namespace of a process that was cloned with these flags, to remove its files
/// when it is gone.
fn user_namespace_of(pid: i32, flags: u64) -> i32 {
    const CLONE_NEWUSER: u64 = 0x1000_0000;
    if flags & CLONE_NEWUSER == 0 {
        return -1;
    }
    open_of(pid, b"/ns/user", sys::O_RDONLY).unwrap_or(-1)
}

/// Two ends of a connection.
pub fn socket_pair() -> Sys<[i32; 2]> {
    const AF_UNIX: usize = 1;
    const SOCK_SEQPACKET_CLOEXEC: i32 = 5 | sys::O_CLOEXEC;
    let mut pair = [-1i32; 2];
    call!(SOCKETPAIR, AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0, pair.as_mut_ptr())?;
    Ok(pair)
}

/// The monitor's ends of the command's standard streams.
struct Streams {
    input: i32,
    /// Output and error output; a terminal has only the first.
    output: [i32; 2],
}

impl Streams {
    const NONE: Self = Self { input: -1, output: [-1; 2] };

    /// Makes the pipes; puts the command's ends into `theirs`.
    fn make(settings: &Settings, theirs: &mut [i32; 3]) -> Sys<Self> {
        let mut ours = Self::NONE;
        *theirs = [settings.null; 3];
        if settings.has(monitor_flag::TERMINAL) {
            return Ok(ours);
        }
        if settings.has(monitor_flag::STDIN) {
            let pipe = pipe()?;
            (theirs[0], ours.input) = (pipe[0], pipe[1]);
            set_nonblocking(ours.input)?;
        }
        for stream in 0..2 {
            let pipe = pipe()?;
            (ours.output[stream], theirs[stream + 1]) = (pipe[0], pipe[1]);
            set_nonblocking(ours.output[stream])?;
        }
        Ok(ours)
    }
}

fn pipe() -> Sys<[i32; 2]> {
    let mut ends = [-1i32; 2];
    call!(PIPE2, ends.as_mut_ptr(), sys::O_CLOEXEC)?;
    Ok(ends)
}

fn set_nonblocking(fd: i32) -> Sys<()> {
    const F_SETFL: usize = 4;
    call!(FCNTL, fd, F_SETFL, sys::O_NONBLOCK).map(drop)
}

/// Everything that a monitor knows.
pub struct Monitor {
    settings: Settings,
    streams: Streams,
    gate: i32,
    pidfd: i32,
    pid: i32,
    /// The command's user namespace, or -1 if that is the monitor's too.
    user_namespace: i32,
    /// Step and error number of a start that failed.
    failure: Option<(u32, i32)>,
    clients: Clients,
    log: Log,
}

/// Zero until [`clone`] fills it in, so that it takes no room in the file.
static mut MONITOR: MaybeUninit<Monitor> = MaybeUninit::zeroed();

/// Places in the poll set.
mod place {
    pub const LISTEN: usize = 0;
    pub const GATE: usize = 1;
    pub const ENDED: usize = 2;
    pub const OWNER: usize = 3;
    pub const INPUT: usize = 4;
    pub const OUTPUT: usize = 5;
    pub const CLIENTS: usize = 7;
    pub const COUNT: usize = CLIENTS + super::clients::MAX_CLIENTS;
}

impl Monitor {
    /// Leaves the caller's streams and everything else that it does not need.
    fn become_quiet(&mut self) {
        const PR_SET_NAME: usize = 15;
        let _ = exec::prctl(PR_SET_NAME, c"cv-monitor".as_ptr() as usize, 0);
        ignore_broken_pipes();
        for standard in 0..3 {
            let _ = call!(DUP3, self.settings.null, standard, 0);
        }
        let s = &self.settings;
        let mut kept = [
            s.listen,
            s.directory,
            s.oom,
            s.owner,
            s.keep,
            self.gate,
            self.pidfd,
            self.user_namespace,
            self.streams.input,
            self.streams.output[0],
            self.streams.output[1],
        ];
        exec::close_others(&mut kept);
        if s.has(monitor_flag::LOG) {
            self.log.open(s.directory, s.log_bytes, s.log_files);
        }
    }

    /// Serves until the command has ended.
    fn run(&mut self, program: &Program) -> ! {
        loop {
            let mut polled = [u64::from(u32::MAX); place::COUNT];
            self.fill(&mut polled);
            let _ = call!(POLL, polled.as_mut_ptr(), place::COUNT, -1i32);
            let happened = |index: usize| polled.get(index).is_some_and(|entry| entry >> 48 != 0);
            // First, as the command's terminal comes this way, which clients may write to.
            let known = happened(place::GATE) && self.hear_gate();
            // Others than the monitor let the command go. Who has come before that shall miss nothing of it.
            self.hear_clients();
            if known {
                self.tell_start();
            }
            if happened(place::INPUT) {
                self.clients.flush_input(self.streams.input);
            }
            for stream in 0..2 {
                // The first one may have left a client behind, and reading puts away what that has yet to take.
                if happened(place::OUTPUT + stream) && !self.clients.has_output() {
                    self.pass_output(stream);
                }
            }
            if happened(place::OWNER) {
                const SIGKILL: usize = 9;
                let _ = call!(PIDFD_SEND_SIGNAL, self.pidfd, SIGKILL, 0, 0);
                sys::close(self.settings.owner);
                self.settings.owner = -1;
            }
            if happened(place::ENDED) {
                self.end(program);
            }
        }
    }

    /// Fills a poll set: `struct pollfd` as descriptor, wanted events, what happened.
    fn fill(&self, polled: &mut [u64; place::COUNT]) {
        let mut want = |index: usize, fd: i32, events: u64| polled[index] = u64::from(fd as u32) | events << 32;
        if self.clients.has_room() {
            want(place::LISTEN, self.settings.listen, POLLIN);
        }
        want(place::GATE, self.gate, POLLIN);
        want(place::ENDED, self.pidfd, POLLIN);
        want(place::OWNER, self.settings.owner, POLLIN);
        if self.clients.has_input() {
            want(place::INPUT, self.streams.input, POLLOUT);
        }
        // While a client has not taken the last piece of output, no more is read: the command
        // waits, as it would for a slow terminal.
        if !self.clients.has_output() {
            for stream in 0..2 {
                want(place::OUTPUT + stream, self.streams.output[stream], POLLIN);
            }
        }
        for client in 0..clients::MAX_CLIENTS {
            let (fd, events) = self.clients.wanted(client);
            want(place::CLIENTS + client, fd, events);
        }
    }

    /// The command's process says that it failed, sends its terminal, or has executed. Returns whether it is known now
    /// what became of the start.
    fn hear_gate(&mut self) -> bool {
        let mut words = [0u64; 2];
        let Ok((count, fd)) = terminal::receive(self.gate, &mut words) else { return false };
        let (kind, step) = (words[0] as u32, (words[0] >> 32) as u32);
        match (count, kind) {
            (0, _) => {
                sys::close(self.gate);
                self.gate = -1;
                return self.failure.is_none();
            }
            (_, report::TERMINAL) => {
                let _ = set_nonblocking(fd);
                (self.streams.input, self.streams.output[0]) = (fd, fd);
            }
            (_, report::FAILED) => {
                self.failure = Some((step, words[1] as i32));
                return true;
            }
            _ => {}
        }
        false
    }

    /// Tells clients what became of the start.
    fn tell_start(&mut self) {
        match self.failure {
            None => self.clients.broadcast_event(frame::STARTED, &[]),
            Some((step, error)) => {
                let payload = u64::from(step) | u64::from(error as u32) << 32;
                self.clients.broadcast_event(frame::FAILED, &payload.to_ne_bytes());
            }
        }
    }

    /// Copies one piece of output to the log and to those attached. Returns whether there was one.
    fn pass_output(&mut self, stream: usize) -> bool {
        let source = self.streams.output[stream];
        match self.clients.read_output(source, stream) {
            Ok(0) => {}
            Ok(_) => {
                self.log.append(stream, self.clients.output());
                self.clients.send_output();
                return true;
            }
            Err(sys::EAGAIN) => return false,
            Err(_) => {}
        }
        // End of file, or EIO of a terminal whose last slave was closed.
        sys::close(source);
        if self.streams.input == source {
            self.streams.input = -1;
            self.clients.flush_input(-1);
        }
        self.streams.output[stream] = -1;
        false
    }

    /// Takes all who have come, and hears each once.
    fn hear_clients(&mut self) {
        while self.clients.accept(self.settings.listen) {}
        for client in 0..clients::MAX_CLIENTS {
            self.hear_client(client);
        }
    }

    fn hear_client(&mut self, client: usize) {
        let Some(kind) = self.clients.receive(client) else { return };
        match kind {
            frame::START if self.gate >= 0 => {
                let _ = call!(SENDTO, self.gate, [1u8].as_ptr(), 1, 0x4000, 0);
            }
            // Somebody has started it before, and may have ended before telling.
            frame::START => self.tell_start(),
            frame::CLOSE_INPUT if !self.settings.has(monitor_flag::TERMINAL) => {
                self.clients.close_input_when_written();
                self.clients.flush_input(self.streams.input);
            }
            frame::INPUT => self.clients.flush_input(self.streams.input),
            frame::RESIZE if self.settings.has(monitor_flag::TERMINAL) => {
                let (columns, rows) = self.clients.received_size();
                terminal::resize(self.streams.input, columns, rows);
            }
            _ => {}
        }
        if self.clients.take_input_closed() {
            sys::close(self.streams.input);
            self.streams.input = -1;
        }
    }
}

/// Writing to a pipe that nobody reads shall be an error, not the monitor's end.
fn ignore_broken_pipes() {
    const SIGPIPE: usize = 13;
    const SIG_IGN: u64 = 1;
    let ignore = [SIG_IGN, 0, 0, 0];
    let _ = call!(RT_SIGACTION, SIGPIPE, ignore.as_ptr(), 0, 8);
}
