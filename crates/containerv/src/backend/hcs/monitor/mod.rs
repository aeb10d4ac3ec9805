//! The process that supervises a detached command.
//!
//! Whoever starts a monitor tells it what to do over a pipe that is made for that, and hears over it
//! what became of the start. The monitor has a pipe of its own, `\\.\pipe\containerv-ID`, for
//! everybody who attaches to the command or tells it to start.

mod channel;
mod clients;
mod command;
mod input;
mod serve;

use std::io;
use std::os::windows::io::AsHandle;
use std::path::PathBuf;
use std::time::Duration;

use containerv_spec::ContainerId;
use containerv_spec::hcs::command_line;
use containerv_spec::request::{Lifetime, Request};
use containerv_sys::frame;
use containerv_sys::windows::lock::Lock;
use containerv_sys::windows::pipe::PipeListener;
use containerv_sys::windows::process::Process as OwnProcess;
use containerv_sys::windows::security::SecurityDescriptor;
use containerv_sys::windows::{library, random, spawn};
use serde::{Deserialize, Serialize};

use super::store::Directory;
use super::system::System;
use super::told;
use crate::{Error, ErrorKind, Result};
pub(super) use channel::Channel;
pub(crate) use serve::serve;

/// The program that a monitor is, unless the host is told of another one.
const PROGRAM: &str = "cv.exe";

/// When a monitor starts its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Begin {
    /// When it can.
    AtOnce,
    /// When `start` tells it.
    WhenTold,
}

/// What a monitor is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: ContainerId,
    /// Where containers are kept.
    data: PathBuf,
    begin: Begin,
    /// With whom the container ends.
    owner: Option<Owner>,
    /// For tests: the step after which the monitor ends.
    fault: Option<u32>,
}

/// A process, which its number alone does not name: numbers are used again.
#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    process: u32,
    started: u64,
}

/// What became of a request to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Launched {
    /// It is done.
    Done,
    /// Somebody else was faster, or the monitor has ended: look again.
    Otherwise,
}

/// Name of the pipe of a container's monitor.
fn pipe_name(id: &ContainerId) -> String {
    format!("containerv-{id}")
}

fn failed(error: io::Error, what: &str) -> Error {
    Error::io(error, format!("cannot {what}"))
}

/// Starts a monitor, and returns after its command runs, or is prepared. The monitor takes the hold on
/// the container over: it is let go of here when the monitor is about to wait for it, and what has
/// happened in between the monitor looks at itself.
pub(super) fn launch(system: &System, directory: &Directory, begin: Begin, hold: Lock) -> Result<Launched> {
    let program = program(system)?;
    let request = directory.request()?;
    let order = Order {
        id: directory.id.clone(),
        data: system.store().data().to_owned(),
        begin,
        owner: owner(&request)?,
        fault: system.fault(),
    };
    let order = serde_json::to_vec(&order).unwrap_or_default();
    let report = random::hex::<16>().map_err(|error| failed(error, "get random bytes"))?;
    let report = format!("containerv-start-{report}");
    let listening = SecurityDescriptor::private().and_then(|private| PipeListener::bind(&report, private));
    let mut listener = listening.map_err(|error| failed(error, "make a pipe for the monitor"))?;
    let (process, number) = start_program(&program, &directory.id, &report)?;
    let ended = |process: &OwnProcess| {
        let code = process.wait(Some(Duration::from_secs(5))).ok().flatten();
        let how = code.map_or_else(String::new, |code| format!(" with exit code 0x{code:08X}"));
        Error::new(ErrorKind::Other, format!("the monitor `{}` ended{how}", program.display()))
            .with_hint("is it the `cv.exe` of this version?")
    };
    let mut channel = loop {
        let stream = listener.accept(Some(process.as_handle()), None);
        match stream.map_err(|error| failed(error, "hear from the monitor"))? {
            None => return Err(ended(&process)),
            Some(stream) if stream.client_process().is_ok_and(|client| client == number) => {
                break Channel::new(stream);
            }
            // Nobody else has anything to say here.
            Some(_) => {}
        }
    };
    let sent = channel.send(frame::ORDER, &order);
    drop(hold);
    let answer = sent.and_then(|()| channel.receive(None));
    match answer.map_err(|error| failed(error, "hear from the monitor"))? {
        Some(answer) => match answer.kind {
            frame::STARTED | frame::PREPARED => Ok(Launched::Done),
            frame::TAKEN => Ok(Launched::Otherwise),
            _ => Err(told::hear(&answer.payload).0),
        },
        None => Err(ended(&process)),
    }
}

/// Finds the program.
pub(super) fn program(system: &System) -> Result<PathBuf> {
    if let Some(program) = system.monitor() {
        return Ok(program.to_owned());
    }
    // A DLL of ours need not lie beside the program that uses it.
    let here = [library::own_file(), std::env::current_exe()];
    let beside = here.into_iter().flatten().filter_map(|file| Some(file.parent()?.join(PROGRAM)));
    beside.into_iter().find(|program| program.is_file()).ok_or_else(|| {
        let message = format!("no `{PROGRAM}` beside this program, which supervises detached commands");
        Error::new(ErrorKind::Unavailable, message).with_hint(format!(
            "put `{PROGRAM}` there, name it with `Host::with_monitor`, or run the command attached"
        ))
    })
}

fn start_program(program: &std::path::Path, id: &ContainerId, report: &str) -> Result<(OwnProcess, u32)> {
    let name = program.to_string_lossy();
    let line = command_line::join(&[&name, "system", "monitor", id.as_str(), report]);
    let line =
        line.map_err(|problem| Error::new(ErrorKind::InvalidArgument, format!("`{name}`: {problem}")))?;
    // Not the caller's directory, which could not be removed then.
    let directory = program.parent().unwrap_or(program);
    spawn::start_detached(program, &line, directory)
        .map_err(|error| failed(error, &format!("start the monitor `{name}`")))
}

/// This process, if the container is bound to it.
fn owner(request: &Request) -> Result<Option<Owner>> {
    if request.lifetime != Lifetime::OwnerBound {
        return Ok(None);
    }
    let process = std::process::id();
    let started = OwnProcess::open(process).and_then(|own| match own {
        Some(own) => own.started(),
        None => Err(io::ErrorKind::NotFound.into()),
    });
    Ok(Some(Owner { process, started: started.map_err(|error| failed(error, "look at this process"))? }))
}

/// Tells the monitor to start its command, and waits until it runs. The monitor takes the hold over.
pub(super) fn start(directory: &Directory, hold: Lock) -> Result<Launched> {
    let mut channel = match Channel::connect(&pipe_name(&directory.id)) {
        // It runs in the foreground, without a monitor, or has just ended.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            drop(hold);
            let runs = directory.is_supervised()?;
            return Ok(if runs { Launched::Done } else { Launched::Otherwise });
        }
        channel => channel.map_err(|error| failed(error, "reach the monitor"))?,
    };
    let sent = channel.send(frame::START, &[]);
    drop(hold);
    if sent.is_err() {
        return Ok(Launched::Otherwise);
    }
    while let Some(answer) = channel.receive(None).map_err(|error| failed(error, "hear from the monitor"))? {
        match answer.kind {
            frame::STARTED | frame::EXITED => return Ok(Launched::Done),
            frame::FAILED => return Err(told::hear(&answer.payload).0),
            _ => {}
        }
    }
    Ok(Launched::Otherwise)
}

/// Ends a monitor whose command was not started. The caller holds the container.
pub(super) fn dismiss(directory: &Directory) {
    // Without a monitor there is nobody to dismiss.
    if let Ok(mut channel) = Channel::connect(&pipe_name(&directory.id))
        && channel.send(frame::DISMISS, &[]).is_ok()
    {
        while let Ok(Some(_)) = channel.receive(None) {}
    }
}

/// Connects to the monitor of a container.
pub(super) fn connect(directory: &Directory) -> Result<Channel> {
    Channel::connect(&pipe_name(&directory.id)).map_err(|error| {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let error = failed(error, "reach the monitor");
        if !missing {
            return error;
        }
        error
            .with_kind(ErrorKind::InvalidState)
            .with_hint("the container has no monitor: it was started in the foreground, or has ended")
    })
}

#[cfg(test)]
mod tests;
