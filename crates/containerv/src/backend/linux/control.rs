//! Talks to a monitor, and to a command that waits for its start.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use containerv_spec::request::{Request, TerminalSize};
use containerv_sys::frame;
use containerv_sys::linux::stage::Channel;
use containerv_sys::linux::stage::wire::GATE_NAME;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::store::{Directory, Witness};
use super::{System, explain, probe};
use crate::attach::{AttachFrame, AttachOptions};
use crate::backend::events::{Announce, End, Subject};
use crate::lower::linux::{Launch, lower};
use crate::process::ExitStatus;
use crate::{Error, ErrorKind, Result};

/// Name of the monitor's socket.
const CONTROL: &str = "control";

/// Returns the address of the monitor's socket.
pub(super) fn address(directory: &Directory) -> Result<SocketAddrUnix, Errno> {
    address_of(directory, CONTROL)
}

/// Returns the address of a socket in the directory, through the directory's descriptor.
fn address_of(directory: &Directory, name: &str) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", directory.fd().as_raw_fd()))
}

fn dial(address: &SocketAddrUnix) -> Result<OwnedFd, Errno> {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::net::connect(&socket, address)?;
    Ok(socket)
}

fn connect(directory: &Directory) -> Result<OwnedFd> {
    address(directory).and_then(|address| dial(&address)).map_err(|errno| {
        let path = directory.path.join(CONTROL);
        Error::os(errno.raw_os_error(), format!("cannot reach the monitor at `{}`", path.display()))
            .with_kind(ErrorKind::InvalidState)
            .with_hint("the container has no monitor: it was started in the foreground, or has ended")
    })
}

fn send(socket: &OwnedFd, kind: u8, payload: &[u8]) -> Result<()> {
    let mut bytes = vec![kind, 0, 0, 0];
    bytes.extend_from_slice(&(payload.len() as u32).to_ne_bytes());
    bytes.extend_from_slice(payload);
    loop {
        match rustix::net::send(socket, &bytes, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::os(errno.raw_os_error(), "cannot send to the monitor")),
        }
    }
}

/// Receives one frame: its kind, and its payload in `buffer`. `None` at the end.
fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> Result<Option<(u8, &'a [u8])>> {
    let count = loop {
        match rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, count)) => break count,
            // The monitor ended without having read everything: said once, before its last frames.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(errno) => return Err(Error::os(errno.raw_os_error(), "cannot hear from the monitor")),
        }
    };
    match buffer.get(frame::HEAD..count) {
        Some(payload) => Ok(Some((buffer[0], payload))),
        None => Ok(None),
    }
}

fn word(payload: &[u8], at: usize) -> u32 {
    let bytes = payload.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_ne_bytes)
}

/// Lets a prepared command go, and waits until it was executed.
pub(super) fn start(directory: &Directory, request: &Request) -> Result<()> {
    let outcome = match through_gate(directory) {
        Some(outcome) => outcome,
        None => through_monitor(directory)?,
    };
    outcome.map_err(|Failure { step, errno }| start_failed(directory, request, step, errno))
}

/// The step of a start that failed.
struct Failure {
    step: u32,
    errno: i32,
}

/// Goes to the gate where the command waits: it answers itself. `None` if it does not: it was let go before, it is no
/// more, or a filter of calls keeps it from it.
fn through_gate(directory: &Directory) -> Option<Result<(), Failure>> {
    let address = address_of(directory, GATE_NAME.to_str().ok()?).ok()?;
    match Channel::from(dial(&address).ok()?).receive_unless_reset() {
        Ok(None) => Some(Ok(())),
        Ok(Some(report)) => report.failure().map(|errno| Err(Failure { step: report.step, errno })),
        Err(_) => None,
    }
}

/// Asks the monitor to let the command go, and what became of it.
fn through_monitor(directory: &Directory) -> Result<Result<(), Failure>> {
    let socket = connect(directory)?;
    send(&socket, frame::START, &[])?;
    // Only those who attach are sent more than two words.
    let mut buffer = [0u8; frame::HEAD + 8];
    while let Some((kind, payload)) = receive(&socket, &mut buffer)? {
        match kind {
            frame::STARTED | frame::EXITED => return Ok(Ok(())),
            frame::FAILED => {
                return Ok(Err(Failure { step: word(payload, 0), errno: word(payload, 4) as i32 }));
            }
            _ => {}
        }
    }
    Err(Error::new(ErrorKind::InvalidState, "the monitor ended before the command was executed"))
}

/// Names the step that failed behind the gate: the plan is made once more to look it up.
fn start_failed(directory: &Directory, request: &Request, step: u32, errno: i32) -> Error {
    let parent = |path: &std::path::Path| path.parent().map(super::store::text).unwrap_or_default();
    let places = crate::lower::linux::Places {
        directory: super::store::text(&directory.path),
        names: parent(&directory.path),
    };
    let machine = directory.journal().and_then(|journal| probe::for_existing(request, &journal));
    let plan = machine.and_then(|machine| lower(request, &machine, &places, Launch::Prepared));
    match plan {
        Ok(plan) => explain::step_failed(&plan, step, errno),
        Err(_) => Error::os(errno, format!("step {step} failed")),
    }
}

/// A connection to a container's command.
#[derive(Debug)]
pub(crate) struct Attached {
    socket: Arc<OwnedFd>,
    self_removing: Option<SelfRemoving>,
}

/// Receives output.
#[derive(Debug)]
pub(crate) struct AttachedReader {
    socket: Arc<OwnedFd>,
    buffer: Vec<u8>,
    self_removing: Option<SelfRemoving>,
}

/// A container that removes itself when it ends: then only those who were attached know how it did.
#[derive(Debug)]
struct SelfRemoving {
    system: Arc<System>,
    subject: Subject,
    witness: Witness,
}

/// Sends input.
#[derive(Clone, Debug)]
pub(crate) struct AttachedWriter(Arc<OwnedFd>);

impl System {
    /// Connects to the command of a container.
    pub(crate) fn attach(
        self: &Arc<Self>,
        id: &containerv_spec::ContainerId,
        options: AttachOptions,
    ) -> Result<Attached> {
        let directory = self.directory(id)?;
        let failed =
            |error: Error| error.context(format!("cannot attach to container `{}`", directory.called()));
        // The monitor records the end before it closes its socket.
        if directory.exit().map_err(failed)?.is_some() {
            let error = Error::new(ErrorKind::InvalidState, "it has ended");
            return Err(failed(
                error.with_hint("`cv logs` shows what it wrote, `cv start -a` runs it again"),
            ));
        }
        let socket = connect(&directory).map_err(failed)?;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let wanted = flag(options.stdin, frame::ATTACH_STDIN)
            | flag(options.stdout, frame::ATTACH_STDOUT)
            | flag(options.stderr, frame::ATTACH_STDERR);
        send(&socket, frame::ATTACH, &[wanted])?;
        let request = directory.request().ok().filter(|request| request.auto_remove);
        let self_removing = request.and_then(|request| {
            let (system, subject) = (Arc::clone(self), Subject::of(&request));
            Some(SelfRemoving { system, subject, witness: directory.witness().ok()? })
        });
        Ok(Attached { socket: Arc::new(socket), self_removing })
    }
}

impl Attached {
    pub(crate) fn split(self) -> (AttachedReader, AttachedWriter) {
        let buffer = vec![0u8; frame::HEAD + frame::MAX_PAYLOAD];
        let writer = AttachedWriter(Arc::clone(&self.socket));
        (AttachedReader { socket: self.socket, buffer, self_removing: self.self_removing }, writer)
    }
}

impl AttachedReader {
    pub(crate) fn next_frame(&mut self) -> Result<Option<AttachFrame>> {
        loop {
            let Some((kind, payload)) = receive(&self.socket, &mut self.buffer)? else { return Ok(None) };
            return Ok(Some(match kind {
                frame::STDOUT => AttachFrame::Stdout(payload.to_vec()),
                frame::STDERR => AttachFrame::Stderr(payload.to_vec()),
                frame::STARTED => AttachFrame::Started,
                frame::FAILED => AttachFrame::StartFailed { errno: word(payload, 4) as i32 },
                frame::EXITED => {
                    if let Some(self_removing) = self.self_removing.take() {
                        self_removing.announce();
                    }
                    AttachFrame::Exited(exit_status(word(payload, 0), word(payload, 4) != 0))
                }
                _ => continue,
            }));
        }
    }
}

impl SelfRemoving {
    /// The monitor has recorded the end. Nobody can have started the container again.
    fn announce(&self) {
        let end = End { started: true, exit: self.witness.exit(), ..End::default() };
        self.system.announce_end_of(&self.subject, end);
    }
}

/// Reads a wait status; wait(2).
fn exit_status(status: u32, out_of_memory: bool) -> ExitStatus {
    match status & 0x7f {
        0 => ExitStatus { code: (status >> 8 & 0xff) as i32, signal: None, out_of_memory },
        signal => ExitStatus { code: 128 + signal as i32, signal: Some(signal as i32), out_of_memory },
    }
}

impl AttachedWriter {
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<()> {
        bytes.chunks(frame::MAX_PAYLOAD).try_for_each(|piece| send(&self.0, frame::INPUT, piece))
    }

    pub(crate) fn close_stdin(&self) -> Result<()> {
        send(&self.0, frame::CLOSE_INPUT, &[])
    }

    pub(crate) fn resize(&self, size: TerminalSize) -> Result<()> {
        let [a, b] = size.columns.to_ne_bytes();
        let [c, d] = size.rows.to_ne_bytes();
        send(&self.0, frame::RESIZE, &[a, b, c, d])
    }

    pub(crate) fn detach(&self) {
        // A connection that is gone already is detached as well.
        let _ = rustix::net::shutdown(&*self.0, rustix::net::Shutdown::Both);
    }
}
