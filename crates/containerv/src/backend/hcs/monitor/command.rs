//! The command that a monitor supervises, once it runs.

use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::sync::Arc;
use std::time::{Duration, Instant};

use containerv_spec::request::{LogDriver, Request, TerminalSize};
use containerv_sys::frame::MAX_PAYLOAD;
use containerv_sys::windows::hcs::ProcessInfo;
use containerv_sys::windows::notices::Notices;
use containerv_sys::windows::pipe::{ReadAhead, Stream};

use super::input::Input;
use crate::backend::hcs::compute;
use crate::backend::hcs::explain::Failure;
use crate::backend::hcs::log::Log;
use crate::backend::hcs::store::{Alive, Directory};
use crate::backend::hcs::supervise::{Supervised, UNKNOWN};
use crate::backend::hcs::system::System;
use crate::logs::LogStream;
use crate::{Error, Result};

/// How long a client that does not read may hold up the end of a container.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How long an output that others still hold may be silent after the command's end.
const SILENCE: Duration = Duration::from_secs(1);
/// Between two looks whether the command has ended, should its end not be told: usually, and once it
/// has closed its outputs.
const LOOK: Duration = Duration::from_secs(30);
const CLOSED_LOOK: Duration = Duration::from_millis(250);

/// A running command, and its streams.
#[derive(Debug)]
pub(super) struct Command {
    supervised: Supervised,
    process: compute::Process,
    system: compute::System,
    events: Notices,
    outputs: [Option<ReadAhead>; 2],
    pub(super) input: Input,
    log: Option<Log>,
    ended: Option<Ended>,
    /// When somebody has looked whether it has ended.
    looked: Option<Instant>,
}

/// Streams of outputs, by their place.
const STREAMS: [LogStream; 2] = [LogStream::Stdout, LogStream::Stderr];

/// What comes after the end of the command.
#[derive(Clone, Copy, Debug)]
struct Ended {
    code: u32,
    /// Until when clients may take what they are behind with.
    patience: Instant,
    /// When no output has come for long enough.
    silent: Instant,
    /// When it is enough: somebody may go on writing for ever.
    over: Instant,
}

impl Command {
    /// Runs the steps of a start. The caller holds the container.
    pub(super) fn start(
        system: &Arc<System>,
        directory: &Directory,
        request: &Request,
        alive: Alive,
    ) -> Result<Self, (Error, Alive)> {
        // Opened first: without it nothing is to run.
        let log = match request.log.driver {
            LogDriver::None => Ok(None),
            LogDriver::JsonFile => Log::open(&directory.path, &request.log).map(Some),
        };
        let log = match log {
            Ok(log) => log,
            Err(error) => return Err((Error::io(error, "cannot open the log"), alive)),
        };
        let mut live = match system.begin(directory, request) {
            Ok(live) => live,
            Err(error) => return Err((error, alive)),
        };
        let (Some(process), Some(info), Some(compute)) =
            (live.process.take(), live.info.take(), live.system.take())
        else {
            let error = Error::new(crate::ErrorKind::InvalidState, "the container has no command");
            return Err((error, alive));
        };
        let supervised = Supervised::new(system, directory.clone(), request.clone(), alive);
        Self::follow(supervised, process, info, compute, log)
    }

    fn follow(
        supervised: Supervised,
        process: compute::Process,
        info: ProcessInfo,
        system: compute::System,
        log: Option<Log>,
    ) -> Result<Self, (Error, Alive)> {
        let stream = |handle: Option<OwnedHandle>| handle.map(Stream::new).transpose();
        let streams = || -> io::Result<_> {
            let ahead = |handle| -> io::Result<_> {
                Ok(stream(handle)?.map(|stream| ReadAhead::new(stream, MAX_PAYLOAD)))
            };
            Ok((Input::new(stream(info.stdin)?), [ahead(info.stdout)?, ahead(info.stderr)?]))
        };
        let streams = streams().map_err(|error| Error::io(error, "cannot use the command's streams"));
        let events =
            process.events().map_err(|failure: Failure| failure.explain("cannot follow the command"));
        match streams.and_then(|streams| Ok((streams, events?))) {
            Ok(((input, outputs), events)) => Ok(Self {
                supervised,
                process,
                system,
                events,
                outputs,
                input,
                log,
                ended: None,
                looked: None,
            }),
            Err(error) => Err((error, supervised.give_up())),
        }
    }

    /// The handle that says that the command has ended, until that is known.
    pub(super) fn ends(&self) -> Option<BorrowedHandle<'_>> {
        self.ended.is_none().then(|| self.events.as_handle())
    }

    /// The handle that says that there is output.
    pub(super) fn speaks(&self, place: usize) -> Option<BorrowedHandle<'_>> {
        self.outputs.get(place)?.as_ref().map(AsHandle::as_handle)
    }

    /// Looks whether the command has ended, if nobody has for some time: its end may have come before
    /// anybody listened, or not be told at all. However much happens meanwhile.
    pub(super) fn look_if_due(&mut self) {
        if self.looked.is_none_or(|looked| looked.elapsed() >= self.between_looks()) {
            self.look();
        }
    }

    fn between_looks(&self) -> Duration {
        if self.outputs.iter().any(Option::is_some) { LOOK } else { CLOSED_LOOK }
    }

    /// Looks whether the command has ended.
    pub(super) fn look(&mut self) {
        if self.ended.is_some() {
            return;
        }
        self.looked = Some(Instant::now());
        let code = match self.process.wait(Some(Duration::ZERO)) {
            Ok(None) => return,
            Ok(Some(ended)) => ended.0.unwrap_or(UNKNOWN),
            // The service is gone, and with it what it knows.
            Err(_) => UNKNOWN,
        };
        let now = Instant::now();
        let (patience, silent, over) = (now + LAST_WORDS, now + SILENCE, now + 2 * LAST_WORDS);
        self.ended = Some(Ended { code, patience, silent, over });
    }

    /// Takes a piece of output, which is there, and logs it. Returns it for those who are attached.
    pub(super) fn take_output(&mut self, place: usize) -> Option<(LogStream, Vec<u8>)> {
        let bytes = match self.outputs.get_mut(place)?.as_mut()?.receive() {
            Ok(Some(bytes)) => bytes,
            // A pipe that cannot be read is at its end.
            Ok(None) | Err(_) => {
                self.outputs[place] = None;
                return None;
            }
        };
        if let Some(ended) = &mut self.ended {
            ended.silent = Instant::now() + SILENCE;
        }
        let stream = STREAMS[place];
        if let Some(log) = &mut self.log {
            log.append(stream, &bytes);
        }
        Some((stream, bytes))
    }

    /// When there is something to do without anything having happened.
    pub(super) fn limit(&self) -> Duration {
        match &self.ended {
            None if self.looked.is_none() => Duration::ZERO,
            None => self.between_looks(),
            Some(ended) => {
                let next = ended.silent.min(ended.patience).min(ended.over);
                next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
            }
        }
    }

    /// Says what is still waited for after the end.
    pub(super) fn ending(&mut self, behind: bool) -> Ending {
        let open = self.outputs.iter().any(Option::is_some);
        let Some(ended) = &mut self.ended else { return Ending::Runs };
        let now = Instant::now();
        if behind && now < ended.patience && now < ended.over {
            // Nothing is read meanwhile.
            ended.silent = now + SILENCE;
            return Ending::Readers;
        }
        if open && now < ended.silent && now < ended.over {
            return if behind { Ending::Late } else { Ending::Output };
        }
        Ending::Over
    }

    /// Ends it by force.
    pub(super) fn terminate(&self) {
        // One that has ended meanwhile is what is wanted.
        let _ = self.system.terminate();
    }

    pub(super) fn resize(&self, size: TerminalSize) {
        // A command that has ended has no terminal.
        let _ = self.process.resize(size);
    }

    /// Ends its standard input. The last piece was read.
    pub(super) fn close_input(&mut self) {
        self.input.close(&self.process);
    }

    /// Lets go of everything but the record, and returns that with the exit code.
    pub(super) fn into_record(self) -> (Supervised, u32) {
        self.log.into_iter().for_each(Log::finish);
        let code = self.ended.map_or(UNKNOWN, |ended| ended.code);
        (self.supervised.with_crash_of(&self.system, code), code)
    }
}

/// How far the end of a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It runs.
    Runs,
    /// Clients have yet to take what they were sent.
    Readers,
    /// Some of them do not: they are waited for no more.
    Late,
    /// There may be more output.
    Output,
    /// All is done.
    Over,
}
