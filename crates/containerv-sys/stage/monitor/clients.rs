//! Those who are connected to the control socket.

use crate::call;
use crate::sys::{self, Sys};
use crate::frame;

/// How many can be connected at a time; the next one waits in the socket's queue.
pub const MAX_CLIENTS: usize = 16;

const POLLIN: u64 = 1;
const POLLOUT: u64 = 4;
const MSG_DONTWAIT: usize = 0x40;
const MSG_NOSIGNAL: usize = 0x4000;
const MAX_FRAME: usize = frame::HEAD + frame::MAX_PAYLOAD;

#[derive(Clone, Copy)]
struct Client {
    fd: i32,
    /// What `frame::ATTACH` asked for.
    attached: u8,
    /// The last piece of output is still to be sent.
    behind: bool,
}

impl Client {
    const GONE: Self = Self { fd: -1, attached: 0, behind: false };
}

/// The clients, the piece of output that is on its way to them, and the input on its way from them.
pub struct Clients {
    clients: [Client; MAX_CLIENTS],
    /// A frame: head and payload.
    output: [u8; MAX_FRAME],
    output_length: usize,
    /// A frame as received; input stays here until it is written.
    received: [u8; MAX_FRAME],
    input_start: usize,
    input_end: usize,
    close_input: bool,
    input_closed: bool,
}

impl Clients {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.clients = [Client::GONE; MAX_CLIENTS];
        (self.output_length, self.input_start, self.input_end) = (0, 0, 0);
        (self.close_input, self.input_closed) = (false, false);
    }

    /// Takes a new client; false if there is none, or no room.
    pub fn accept(&mut self, listen: i32) -> bool {
        const NONBLOCK_CLOEXEC: i32 = sys::O_NONBLOCK | sys::O_CLOEXEC;
        let Some(free) = self.clients.iter_mut().find(|client| client.fd < 0) else { return false };
        let accepted = call!(ACCEPT4, listen, 0, 0, NONBLOCK_CLOEXEC);
        if let Ok(fd) = accepted {
            *free = Client { fd: fd as i32, attached: 0, behind: false };
        }
        accepted.is_ok()
    }

    /// Says whether one more can be taken.
    pub fn has_room(&self) -> bool {
        self.clients.iter().any(|client| client.fd < 0)
    }

    /// Returns a client's descriptor and the events that matter for it now.
    pub fn wanted(&self, index: usize) -> (i32, u64) {
        let Some(client) = self.clients.get(index) else { return (-1, 0) };
        // Input is not received while earlier input is still to be written: the client waits. A
        // descriptor without wanted events is left out, because its hang-up is reported always.
        let receive = if self.has_input() { 0 } else { POLLIN };
        let events = receive | if client.behind { POLLOUT } else { 0 };
        (if events == 0 { -1 } else { client.fd }, events)
    }

    /// Says whether input waits for the command to read it.
    pub fn has_input(&self) -> bool {
        self.input_start < self.input_end || self.close_input
    }

    /// Says whether a client has yet to take the last piece of output.
    pub fn has_output(&self) -> bool {
        self.clients.iter().any(|client| client.behind)
    }

    /// Receives one frame and returns its kind; `None` when there is nothing to do.
    pub fn receive(&mut self, index: usize) -> Option<u8> {
        if self.clients.get(index)?.behind {
            self.send_to(index);
        }
        if self.has_input() {
            return None;
        }
        let client = self.clients.get_mut(index).filter(|client| client.fd >= 0)?;
        let received = &mut self.received;
        match call!(RECVFROM, client.fd, received.as_mut_ptr(), received.len(), MSG_DONTWAIT, 0) {
            Err(sys::EAGAIN | sys::EINTR) => return None,
            Ok(count) if count >= frame::HEAD => {
                let kind = received[0];
                let payload = received.get(frame::HEAD..count).unwrap_or(&[]);
                match (kind, payload.first()) {
                    (frame::ATTACH, Some(&wanted)) => client.attached = wanted,
                    (frame::INPUT, Some(_)) => (self.input_start, self.input_end) = (frame::HEAD, count),
                    _ => {}
                }
                return Some(kind);
            }
            // End of file, a short frame or an error: this client is gone or talks nonsense.
            _ => {
                sys::close(client.fd);
                *client = Client::GONE;
            }
        }
        None
    }

    /// Returns columns and rows of the `RESIZE` just received.
    pub fn received_size(&self) -> (u16, u16) {
        let r = &self.received;
        let word = |at: usize| u16::from_ne_bytes([r[frame::HEAD + at], r[frame::HEAD + at + 1]]);
        (word(0), word(2))
    }

    /// Writes waiting input; it is dropped when the command has closed its end.
    pub fn flush_input(&mut self, to: i32) {
        while self.input_start < self.input_end {
            let bytes = self.received.get(self.input_start..self.input_end).unwrap_or(&[]);
            match call!(WRITE, to, bytes.as_ptr(), bytes.len()) {
                Ok(count) => self.input_start += count,
                Err(sys::EAGAIN) => return,
                Err(sys::EINTR) => {}
                Err(_) => self.input_start = self.input_end,
            }
        }
        if self.close_input {
            self.close_input = false;
            self.input_closed = true;
        }
    }

    /// Notes that input ends once what waits is written.
    pub fn close_input_when_written(&mut self) {
        self.close_input = true;
    }

    /// Says, once, that input has ended.
    pub fn take_input_closed(&mut self) -> bool {
        core::mem::take(&mut self.input_closed)
    }

    /// Reads a piece of output.
    pub fn read_output(&mut self, source: i32, stream: usize) -> Sys<usize> {
        let count = sys::read(source, &mut self.output[frame::HEAD..])?;
        let kind = if stream == 0 { frame::STDOUT } else { frame::STDERR };
        write_head(&mut self.output, kind, count);
        self.output_length = frame::HEAD + count;
        Ok(count)
    }

    /// Returns the last piece of output.
    pub fn output(&self) -> &[u8] {
        self.output.get(frame::HEAD..self.output_length).unwrap_or(&[])
    }

    /// Sends the last piece of output to those who want it.
    pub fn send_output(&mut self) {
        let wanted = if self.output[0] == frame::STDOUT { frame::ATTACH_STDOUT } else { frame::ATTACH_STDERR };
        for index in 0..MAX_CLIENTS {
            if self.clients[index].attached & wanted != 0 {
                self.clients[index].behind = true;
                self.send_to(index);
            }
        }
    }

    /// Sends a last frame to every client; one that cannot take it now is behind. It takes the place of output.
    pub fn send_last(&mut self, kind: u8, payload: &[u8; 8]) {
        write_head(&mut self.output, kind, payload.len());
        self.output_length = frame::HEAD + payload.len();
        self.output[frame::HEAD..self.output_length].copy_from_slice(payload);
        for index in 0..MAX_CLIENTS {
            self.clients[index].behind = self.clients[index].fd >= 0;
        }
        self.catch_up();
    }

    fn send_to(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let flags = MSG_DONTWAIT | MSG_NOSIGNAL;
        match call!(SENDTO, client.fd, self.output.as_ptr(), self.output_length, flags, 0) {
            Err(sys::EAGAIN | sys::EINTR) => {}
            Ok(_) => client.behind = false,
            Err(_) => {
                sys::close(client.fd);
                *client = Client::GONE;
            }
        }
    }

    /// Tries again to send to those who are behind.
    pub fn catch_up(&mut self) {
        for index in 0..MAX_CLIENTS {
            if self.clients[index].behind {
                self.send_to(index);
            }
        }
    }

    /// Sends a frame to every client; one that cannot take it now does not get it.
    pub fn broadcast_event(&mut self, kind: u8, payload: &[u8]) {
        let mut event = [0u8; frame::HEAD + 8];
        let end = frame::HEAD + payload.len().min(8);
        write_head(&mut event, kind, end - frame::HEAD);
        event[frame::HEAD..end].copy_from_slice(&payload[..end - frame::HEAD]);
        for client in self.clients.iter().filter(|client| client.fd >= 0) {
            let _ = call!(SENDTO, client.fd, event.as_ptr(), end, MSG_DONTWAIT | MSG_NOSIGNAL, 0);
        }
    }
}

fn write_head(frame: &mut [u8], kind: u8, payload: usize) {
    frame[..4].copy_from_slice(&[kind, 0, 0, 0]);
    frame[4..8].copy_from_slice(&(payload as u32).to_ne_bytes());
}
