//! Where a prepared command waits for its start: a socket of its own, so that whoever starts it speaks with it and not
//! through the monitor.

use crate::call;
use crate::logline::{self, Sink};
use crate::namespaces::await_go;
use crate::sys::{self, Sys};
use crate::text::{PathText, ROOM};
use crate::wire::{GATE_NAME, report};
use crate::{Stage, send_report};

use super::POLLIN;

const AF_UNIX: u16 = 1;
const SOCK_SEQPACKET_CLOEXEC: i32 = 5 | sys::O_CLOEXEC;

/// `struct sockaddr_un`: family, then a path as long as ours get.
#[repr(C)]
struct Address {
    family: u16,
    path: [u8; ROOM],
}

/// Listens at a gate in a container's directory. The directory's descriptor stands for its path, which may be longer than
/// a socket's name.
///
/// Made here and not by the library: a process that the embedding program forks at the wrong moment would keep a copy of
/// it, and who comes when the command is gone would wait forever instead of being refused.
pub fn listen(directory: i32) -> Sys<i32> {
    let mut path = PathText::new();
    path.put(b"/proc/self/fd/");
    logline::number(&mut path, directory as u64, 1);
    path.put(b"/");
    path.put(GATE_NAME.to_bytes());
    let address = Address { family: AF_UNIX, path: path.into_bytes() };
    // One of an earlier start.
    let _ = call!(UNLINKAT, directory, GATE_NAME.as_ptr(), 0);
    let socket = call!(SOCKET, AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0)? as i32;
    // The name gets the mode that the socket has before.
    call!(FCHMOD, socket, 0o600)?;
    call!(BIND, socket, &raw const address, size_of::<Address>())?;
    call!(LISTEN, socket, 1)?;
    Ok(socket)
}

/// `GATE`, in the command's process. From here on failures go to whoever has come to the gate, and to the monitor.
///
/// The monitor lets it go too: for those who could not come, where a filter of calls refuses to let them in.
pub fn wait(stage: &mut Stage, step: u32) -> Sys<()> {
    send_report(stage.channel, report::READY, step, 0);
    sys::close(stage.channel);
    stage.channel = -1;
    let mut polled = [stage.entrance, stage.gate].map(|fd| u64::from(fd as u32) | POLLIN << 32);
    if call!(POLL, polled.as_mut_ptr(), polled.len(), -1i32).is_ok() && polled[0] >> 48 != 0 {
        if let Ok(visitor) = call!(ACCEPT4, stage.entrance, 0, 0, sys::O_CLOEXEC) {
            stage.channel = visitor as i32;
            return Ok(());
        }
    }
    // Nobody shall come to where nobody is let in.
    sys::close(stage.entrance);
    await_go(stage.gate)
}
