//! How a registry misbehaves.

use std::io::{self, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::State;
use super::http::{Request, Response};

/// A request that gets a wrong answer.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its method.
    pub method: &'static str,
    /// Its target has this in it.
    pub part: String,
    /// How many such requests get it.
    pub times: u32,
    /// What they get.
    pub fault: Fault,
}

/// A wrong answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status with these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// Nothing more comes after so many bytes of the body, until this time has passed.
    Stall(usize, Duration),
    /// Pieces of this many bytes with this time between them.
    Slow(usize, Duration),
    /// Other bytes than it should be, as many.
    OtherBytes,
    /// It is said to be longer by this many bytes, or shorter.
    OtherLength(i64),
    /// The range that was asked for is passed over.
    WholeContent,
    /// Another range than was asked for.
    OtherRange,
    /// Bytes that are no HTTP.
    Garbage,
    /// A body of so many spaces.
    Huge(usize),
    /// The connection is closed instead of an answer.
    Hangup,
}

impl State {
    /// The fault for a request, which counts as had.
    pub(super) fn fault(&mut self, request: &Request) -> Option<Fault> {
        let fits = |rule: &&mut Rule| {
            rule.times > 0 && rule.method == request.method && request.target.contains(&rule.part)
        };
        let rule = self.rules.iter_mut().find(fits)?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }
}

impl Fault {
    /// Changes an answer before it is written.
    pub(super) fn change(&self, mut response: Response) -> Response {
        match self {
            Self::Status(status, headers) => {
                let mut failure = Response::failure(*status, "MADE_UP");
                failure
                    .headers
                    .extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
                failure
            }
            Self::OtherBytes => {
                response.body.iter_mut().for_each(|byte| *byte ^= 0x20);
                response
            }
            Self::OtherRange => {
                let total = response.body.len();
                response.headers.retain(|(name, _)| name != "Content-Range");
                response.with("Content-Range", format!("bytes 0-{}/{total}", total.saturating_sub(1)))
            }
            Self::Huge(bytes) => response.body(vec![b' '; *bytes]),
            _ => response,
        }
    }

    /// Writes an answer; says how many bytes of the body, and whether the connection goes on.
    pub(super) fn write(&self, mut out: &TcpStream, response: &Response) -> io::Result<(u64, bool)> {
        let body = &response.body;
        let (first, rest) = match self {
            Self::Cut(at) | Self::Stall(at, _) => body.split_at((*at).min(body.len())),
            _ => (&body[..], &body[..0]),
        };
        match self {
            Self::Hangup => return Ok((0, false)),
            Self::Garbage => {
                out.write_all(b"\x00\x01 this is no answer \xff\xfe\r\n\r\n")?;
                return Ok((0, false));
            }
            Self::OtherLength(by) => {
                response.write_head(out, (body.len() as u64).saturating_add_signed(*by))?;
                out.write_all(body)?;
                return Ok((body.len() as u64, false));
            }
            Self::Slow(piece, pause) => {
                response.write_head(out, body.len() as u64)?;
                for part in body.chunks((*piece).max(1)) {
                    out.write_all(part)?;
                    thread::sleep(*pause);
                }
                return Ok((body.len() as u64, true));
            }
            _ => {}
        }
        response.write_head(out, body.len() as u64)?;
        out.write_all(first)?;
        if let Self::Stall(_, time) = self {
            thread::sleep(*time);
        }
        let cut = matches!(self, Self::Cut(_) | Self::Stall(..)) && !rest.is_empty();
        Ok((first.len() as u64, !cut))
    }
}
