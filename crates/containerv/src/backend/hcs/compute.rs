//! Compute systems and their processes, of both generations of the service.

use std::time::Duration;

use containerv_spec::ContainerId;
use containerv_spec::hcs::process::{
    CloseHandle, ConsoleSize, ModifyProcess, ProcessParameters, ProcessStatus, SignalProcess, StandardHandle,
};
use containerv_spec::hcs::properties::{Properties, PropertyQuery};
use containerv_spec::hcs::result::CrashReport;
use containerv_spec::hcs::signal::WindowsSignal;
use containerv_spec::plan::hcs::HcsIsolation;
use containerv_spec::request::TerminalSize;
use containerv_sys::windows::error::Hresult;
use containerv_sys::windows::hcs::{self, Hcs, ProcessInfo, Waited};
use containerv_sys::windows::notices::{Notice, Notices};
use containerv_sys::windows::vmcompute;
use containerv_sys::windows::wait::Deadline;

use super::explain::Failure;
use super::perform::{ENDING, PATIENCE, Windows, json};

type Result<T, E = Failure> = std::result::Result<T, E>;

/// `HCS_E_OPERATION_TIMEOUT`.
const TIMEOUT: u32 = 0x8037_0118;
/// `HCS_E_SYSTEM_NOT_FOUND`.
const NO_SYSTEM: u32 = 0x8037_010E;
/// `HCS_E_SYSTEM_ALREADY_STOPPED`.
const SYSTEM_STOPPED: u32 = 0x8037_0110;
/// `HCS_E_PROCESS_ALREADY_STOPPED`.
const PROCESS_STOPPED: u32 = 0x8037_011F;
/// `ERROR_DIRECTORY`.
const NO_DIRECTORY: u32 = 0x8007_010B;
/// `ERROR_NOT_FOUND`.
const NOT_FOUND: u32 = 0x8007_0490;
/// `HCS_E_SERVICE_DISCONNECT`.
const DISCONNECTED: u32 = 0x8037_011E;

/// A system. Closing the handle leaves it as it is, unless it is bound to its owner.
#[derive(Debug)]
pub(crate) enum System {
    /// Of computecore.dll.
    Current {
        /// The DLL, for operations.
        hcs: Hcs,
        /// The system.
        system: hcs::System,
    },
    /// Of vmcompute.dll.
    First(vmcompute::System),
}

/// How long to believe that nothing has happened because nothing is told: what the service tells may be
/// lost.
const LOOK: Duration = Duration::from_secs(10);

/// How long the end of a system may take that is known to crash: a dump of its memory may be written before. The
/// report comes before the end.
const REPORT: Duration = Duration::from_secs(10);
/// How long the end of a system may take to be told that has stopped. It may have been told before anybody listened.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Until the next look.
fn round(deadline: Deadline) -> Duration {
    deadline.left().map_or(LOOK, |left| left.min(LOOK))
}

impl Failure {
    /// Says whether a system that does not exist or has stopped was the cause.
    pub(crate) fn is_no_system(&self) -> bool {
        [NO_SYSTEM, SYSTEM_STOPPED].iter().any(|code| self.is(*code))
    }

    /// Says whether a process that has ended was the cause.
    pub(crate) fn is_no_process(&self) -> bool {
        self.is_no_system() || [PROCESS_STOPPED, NOT_FOUND].iter().any(|code| self.is(*code))
    }
}

impl Windows {
    /// Opens a system that exists.
    pub(crate) fn open_system(&self, isolation: HcsIsolation, id: &ContainerId) -> Result<System> {
        Ok(match isolation {
            HcsIsolation::Process => System::current(self, self.hcs.open_system(id.as_str())?),
            HcsIsolation::Hyperv => System::First(self.vmcompute.open_system(id.as_str())?),
        })
    }

    /// Opens a system, or finds that there is none.
    pub(crate) fn find_system(&self, isolation: HcsIsolation, id: &ContainerId) -> Result<Option<System>> {
        match self.open_system(isolation, id) {
            Err(failure) if failure.is_no_system() => Ok(None),
            opened => opened.map(Some),
        }
    }
}

impl System {
    pub(crate) fn current(windows: &Windows, system: hcs::System) -> Self {
        Self::Current { hcs: windows.hcs.clone(), system }
    }

    /// Where its end is told. The queue is the same at each call.
    pub(crate) fn events(&self) -> Result<Notices> {
        Ok(match self {
            Self::Current { system, .. } => system.events()?,
            Self::First(system) => system.notices(),
        })
    }

    pub(crate) fn start(&self) -> Result<()> {
        match self {
            Self::Current { hcs, system } => {
                system.start(hcs.operation()?, None)?.finish(PATIENCE).map(drop)?
            }
            Self::First(system) => system.start("")?.finish(PATIENCE)?,
        }
        Ok(())
    }

    pub(crate) fn pause(&self) -> Result<()> {
        match self {
            Self::Current { hcs, system } => {
                system.pause(hcs.operation()?, None)?.finish(PATIENCE).map(drop)?
            }
            Self::First(system) => system.pause("")?.finish(PATIENCE)?,
        }
        Ok(())
    }

    pub(crate) fn resume(&self) -> Result<()> {
        match self {
            Self::Current { hcs, system } => {
                system.resume(hcs.operation()?, None)?.finish(PATIENCE).map(drop)?
            }
            Self::First(system) => system.resume("")?.finish(PATIENCE)?,
        }
        Ok(())
    }

    /// Asks it to end. Its end is told by [`System::wait`].
    pub(crate) fn shut_down(&self) -> Result<()> {
        match self {
            Self::Current { hcs, system } => drop(system.shut_down(hcs.operation()?, "")?),
            Self::First(system) => drop(system.shut_down("")?),
        }
        Ok(())
    }

    /// Ends it by force, and waits for its end.
    pub(crate) fn terminate(&self) -> Result<()> {
        match self {
            Self::Current { hcs, system } => {
                let events = system.events()?;
                // Its result says less than the event, and may never come.
                drop(system.terminate(hcs.operation()?, None)?);
                if self.await_end(&events, ENDING)? {
                    return Ok(());
                }
                Err(Failure::code("HcsTerminateComputeSystem", TIMEOUT, None))
            }
            Self::First(system) => match system.terminate("")?.finish(ENDING).map_err(Failure::from) {
                // Its end may not be told.
                Err(failure) if failure.is(TIMEOUT) && self.has_stopped()? => Ok(()),
                ended => ended,
            },
        }
    }

    /// Waits for its end; says whether it came in time.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Result<bool> {
        let events = self.events()?;
        // It may have stopped before anybody listened.
        Ok(self.has_stopped()? || self.await_end(&events, limit)?)
    }

    /// Waits until its end is told, and looks from time to time, should it not be.
    fn await_end(&self, events: &Notices, limit: Option<Duration>) -> Result<bool> {
        let (ended, deadline) = (self.kind_of_end(), Deadline::after(limit));
        loop {
            // All stay: an end is one for whoever asks later, and reports of crashes are asked for then.
            let wanted = |notice: &Notice| notice.kind == ended || is_disconnection(notice);
            match events.see(Some(round(deadline)), wanted) {
                Some(notice) if notice.kind == ended => return Ok(true),
                Some(notice) => {
                    return Err(Failure::code("HcsWaitForComputeSystemExit", DISCONNECTED, notice.data));
                }
                None if deadline.is_over() => return Ok(false),
                None if self.has_stopped()? => return Ok(true),
                None => {}
            }
        }
    }

    fn has_stopped(&self) -> Result<bool> {
        match self.properties(&PropertyQuery::default()) {
            Err(failure) if failure.is_no_system() => Ok(true),
            properties => Ok(properties?.stopped == Some(true)),
        }
    }

    /// What was told of a crash of the system since this handle listens. Asked after the end of a process, or
    /// the system's own: the report comes after the first and before the second.
    pub(crate) fn crash(&self) -> Result<Option<CrashReport>> {
        let events = self.events()?;
        let (initiated, report) = match self {
            Self::Current { .. } => (hcs::SYSTEM_CRASH_INITIATED, hcs::SYSTEM_CRASH_REPORT),
            Self::First(_) => (vmcompute::CRASH_INITIATED, vmcompute::CRASH_REPORT),
        };
        let told = |kind| events.next_of(kind, Some(Duration::ZERO));
        let begun = told(initiated);
        if begun.is_some() {
            self.await_end(&events, Some(REPORT))?;
        } else if self.has_stopped()? {
            self.await_end(&events, Some(LAST_WORDS))?;
        }
        Ok(told(report).or(begun).map(|notice| {
            // That it crashed is known whatever the report looks like.
            serde_json::from_str(&notice.data.unwrap_or_default()).unwrap_or_default()
        }))
    }

    fn kind_of_end(&self) -> u32 {
        match self {
            Self::Current { .. } => hcs::SYSTEM_EXITED,
            Self::First(_) => vmcompute::SYSTEM_EXITED,
        }
    }

    pub(crate) fn properties(&self, query: &PropertyQuery) -> Result<Properties> {
        const FUNCTION: &str = "HcsGetComputeSystemProperties";
        let query = json(FUNCTION, query)?;
        let answer = match self {
            Self::Current { hcs, system } => {
                system.properties(hcs.operation()?, Some(&query))?.finish(PATIENCE)?
            }
            Self::First(system) => system.properties(&query)?,
        };
        parse(FUNCTION, &answer.unwrap_or_default())
    }

    /// Changes it, by a document of its generation.
    pub(crate) fn modify(&self, document: &impl serde::Serialize) -> Result<()> {
        let document = json("HcsModifyComputeSystem", document)?;
        match self {
            Self::Current { hcs, system } => {
                system.modify(hcs.operation()?, &document)?.finish(PATIENCE).map(drop)?;
            }
            Self::First(system) => system.modify(&document)?,
        }
        Ok(())
    }

    /// Starts a process in it.
    pub(crate) fn create_process(&self, parameters: &ProcessParameters) -> Result<(Process, ProcessInfo)> {
        let created = self.create_process_of(&json("HcsCreateProcess", parameters)?);
        created.map_err(|failure| match &parameters.working_directory {
            Some(directory) if failure.is(NO_DIRECTORY) => {
                Failure { remark: Some(format!("the working directory `{directory}`")), ..failure }
            }
            _ => failure,
        })
    }

    fn create_process_of(&self, parameters: &str) -> Result<(Process, ProcessInfo)> {
        match self {
            Self::Current { hcs, system } => {
                let mut spawn = system.create_process(hcs.operation()?, parameters)?;
                match spawn.wait(PATIENCE)? {
                    Waited::Done(info) => {
                        Ok((Process::Current { hcs: hcs.clone(), process: spawn.into_process() }, info))
                    }
                    Waited::Running => Err(Failure::code("HcsCreateProcess", TIMEOUT, None)),
                }
            }
            Self::First(system) => {
                let (process, info) = system.create_process(parameters)?;
                Ok((Process::First(process), info))
            }
        }
    }

    /// Opens a process by its number in the system.
    pub(crate) fn open_process(&self, id: u32) -> Result<Process> {
        Ok(match self {
            Self::Current { hcs, system } => {
                Process::Current { hcs: hcs.clone(), process: system.open_process(id)? }
            }
            Self::First(system) => Process::First(system.open_process(id)?),
        })
    }
}

/// A process. Closing the handle does not end it.
#[derive(Debug)]
pub(crate) enum Process {
    /// Of computecore.dll.
    Current {
        /// The DLL, for operations.
        hcs: Hcs,
        /// The process.
        process: hcs::Process,
    },
    /// Of vmcompute.dll.
    First(vmcompute::Process),
}

impl Process {
    /// Where its end is told. The queue is the same at each call.
    pub(crate) fn events(&self) -> Result<Notices> {
        Ok(match self {
            Self::Current { process, .. } => process.events()?,
            Self::First(process) => process.notices().clone(),
        })
    }

    /// Says how it is.
    pub(crate) fn status(&self) -> Result<ProcessStatus> {
        const FUNCTION: &str = "HcsGetProcessProperties";
        let answer = match self {
            Self::Current { hcs, process } => {
                process.properties(hcs.operation()?, None)?.finish(PATIENCE)?.unwrap_or_default()
            }
            Self::First(process) => process.properties()?,
        };
        parse(FUNCTION, &answer)
    }

    /// Waits for its end; `None` when the time is over. Nothing may be known of how it ended if the
    /// system ended with it.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Result<Option<Ended>> {
        let events = self.events()?;
        let deadline = Deadline::after(limit);
        loop {
            // It may have ended before anybody listened, and its end may not be told.
            match self.status() {
                Ok(status) if !status.exited => {}
                Ok(status) => return Ok(Some(Ended(status.code()))),
                Err(failure) if failure.is_no_process() => return Ok(Some(last_words(&events))),
                Err(failure) => return Err(failure),
            }
            let end = |notice: &Notice| notice.kind == hcs::PROCESS_EXITED || is_disconnection(notice);
            let mut heard = events.next(Some(round(deadline)));
            while heard.as_ref().is_some_and(|notice| !end(notice)) {
                heard = events.next(Some(round(deadline)));
            }
            match heard {
                Some(notice) if is_disconnection(&notice) => {
                    return Err(Failure::code("HcsWaitForProcessExit", DISCONNECTED, notice.data));
                }
                Some(notice) => return Ok(Some(told(&notice))),
                None if deadline.is_over() => return Ok(None),
                None => {}
            }
        }
    }

    /// Sends a signal. One that has ended is a failure.
    pub(crate) fn signal(&self, signal: WindowsSignal) -> Result<()> {
        match (self, signal) {
            (Self::Current { hcs, process }, WindowsSignal::Terminate) => {
                process.terminate(hcs.operation()?, None)?.finish(PATIENCE)?;
            }
            (Self::Current { hcs, process }, WindowsSignal::Event(signal)) => {
                let document = json("HcsSignalProcess", &SignalProcess { signal })?;
                process.signal(hcs.operation()?, Some(&document))?.finish(PATIENCE)?;
            }
            (Self::First(process), WindowsSignal::Terminate) => process.terminate()?,
            (Self::First(process), WindowsSignal::Event(signal)) => {
                process.signal(&json("HcsSignalProcess", &SignalProcess { signal })?)?;
            }
        }
        Ok(())
    }

    /// Changes the size of its console.
    pub(crate) fn resize(&self, size: TerminalSize) -> Result<()> {
        let size = ConsoleSize { height: size.rows, width: size.columns };
        self.modify(&ModifyProcess::ConsoleSize { size })
    }

    /// Ends its standard input. To close the pipe is not always enough for it to see that.
    pub(crate) fn close_stdin(&self) -> Result<()> {
        self.modify(&ModifyProcess::CloseHandle { stream: CloseHandle { handle: StandardHandle::StdIn } })
    }

    fn modify(&self, document: &ModifyProcess) -> Result<()> {
        let document = json("HcsModifyProcess", document)?;
        match self {
            Self::Current { hcs, process } => {
                process.modify(hcs.operation()?, &document)?.finish(PATIENCE).map(drop)?;
            }
            Self::First(process) => process.modify(&document)?,
        }
        Ok(())
    }
}

/// How a process ended: its exit code, if somebody knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended(pub(crate) Option<u32>);

/// The notice of the end, if it has come; the system may be gone already.
fn last_words(events: &Notices) -> Ended {
    events.next_of(hcs::PROCESS_EXITED, Some(Duration::ZERO)).map_or(Ended(None), |notice| told(&notice))
}

fn told(notice: &Notice) -> Ended {
    let status = notice.data.as_deref().and_then(|data| serde_json::from_str::<ProcessStatus>(data).ok());
    Ended(status.and_then(|status| ProcessStatus { exited: true, ..status }.code()))
}

fn is_disconnection(notice: &Notice) -> bool {
    notice.kind == hcs::SERVICE_DISCONNECTED
        || notice.kind == vmcompute::SERVICE_DISCONNECTED
        || notice.status == Hresult::SERVICE_DISCONNECT
}

fn parse<T: for<'de> serde::Deserialize<'de>>(function: &'static str, answer: &str) -> Result<T> {
    serde_json::from_str(answer).map_err(|error| {
        let mut failure = Failure::words(function, format!("not an answer: {error}"));
        failure.document = Some(answer.to_owned());
        failure
    })
}
