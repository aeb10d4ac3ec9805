//! The protocol between the stand-ins and the compute service: framed JSON on loopback.
//!
//! A frame is its length as four bytes, least significant first, and that many bytes of JSON, at most
//! [`MAX_FRAME`]. A connection begins with [`Message::Hello`], or with [`Message::Stream`], after which
//! it carries raw bytes of a process's stream in one direction.

pub mod codes;
pub mod observer;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest frame, in bytes.
pub const MAX_FRAME: usize = 16 << 20;

/// Where a stand-in finds the service: in its Windows installation.
pub const ADDRESS_FILE: &str = r"C:\windows\system32\compute-service.json";

/// Where the service listens, and the word that shows who may talk to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Address {
    pub port: u16,
    pub token: String,
}

impl Address {
    pub fn read(file: &Path) -> io::Result<Address> {
        serde_json::from_slice(&fs::read(file)?).map_err(io::Error::other)
    }

    pub fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// What clients send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Message {
    Hello {
        token: String,
        /// The DLL, without `.dll`.
        library: String,
        process: u32,
        program: String,
        /// Rules of faults from the client's environment.
        faults: Option<Value>,
    },
    /// This connection is a stream of the process that the service gave this ticket for.
    Stream {
        token: String,
        ticket: u64,
    },
    Call(Call),
}

/// A call of an exported function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Of the client's choice, for the replies; 0 when none is wanted.
    pub id: u64,
    pub function: String,
    pub arguments: Value,
}

/// What the service sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// What the function returns, before its work is done.
    Accepted {
        id: u64,
        hresult: u32,
        manner: Manner,
    },
    /// The result of the work. Never follows a refusal.
    Done {
        id: u64,
        outcome: Outcome,
    },
    Event(Event),
}

/// Peculiar ways to complete, which the tests ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// The work is done when the function returns.
    pub synchronous: bool,
    /// Nobody is told of the completion.
    pub lost: bool,
}

/// How work ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub hresult: u32,
    /// The result document.
    pub document: Option<String>,
    /// What else the stand-in needs, by names of its own.
    #[serde(default)]
    pub values: Value,
}

impl Outcome {
    pub fn success(&self) -> bool {
        self.hresult & 0x8000_0000 == 0
    }
}

/// Something happened to the object behind a handle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub handle: u64,
    pub kind: u32,
    pub data: Option<String>,
}

pub fn write(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(message).map_err(io::Error::other)?;
    if body.len() > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the frame is too long"));
    }
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&body);
    stream.write_all(&frame)
}

/// The next message, `None` at the end of the connection.
pub fn read<T: for<'a> Deserialize<'a>>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read(&mut length[..1])? {
        0 => return Ok(None),
        _ => stream.read_exact(&mut length[1..])?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    // Grows with what arrives, not with what is announced.
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&body).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back() {
        let mut bytes = Vec::new();
        let call = Call { id: 7, function: "HcsX".into(), arguments: serde_json::json!({"a": [1, "b"]}) };
        write(&mut bytes, &Message::Call(call)).unwrap();
        let mut rest = &bytes[..];
        let read: Option<Message> = read(&mut rest).unwrap();
        assert!(matches!(read, Some(Message::Call(Call { id: 7, .. }))));
        assert!(rest.is_empty() && super::read::<Message>(&mut rest).unwrap().is_none());
    }

    #[test]
    fn what_is_too_long_or_too_short_is_refused() {
        let mut long = &(MAX_FRAME as u32 + 1).to_le_bytes()[..];
        assert_eq!(read::<Message>(&mut long).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut short = &[9, 0, 0, 0, b'{'][..];
        assert_eq!(read::<Message>(&mut short).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(write(&mut Vec::new(), &"x".repeat(MAX_FRAME)).is_err());
    }
}
