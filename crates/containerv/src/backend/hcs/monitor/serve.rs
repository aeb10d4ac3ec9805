//! What a monitor does: one thread that waits for everything at once.

use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use containerv_spec::request::{Request, TerminalSize};
use containerv_spec::state::Exit;
use containerv_sys::frame;
use containerv_sys::windows::lock::Lock;
use containerv_sys::windows::pipe::PipeListener;
use containerv_sys::windows::process::Process as OwnProcess;
use containerv_sys::windows::retry::Backoff;
use containerv_sys::windows::security::SecurityDescriptor;
use containerv_sys::windows::wait;

use super::clients::Clients;
use super::command::{Command, Ending};
use super::{Begin, Channel, Order, Owner, failed, pipe_name};
use crate::backend::events::{Announce, action};
use crate::backend::frames::Frame;
use crate::backend::hcs::perform::Hold;
use crate::backend::hcs::store::{Alive, Directory};
use crate::backend::hcs::supervise::exit_now;
use crate::backend::hcs::system::System;
use crate::backend::hcs::told;
use crate::{Error, ErrorKind, Result};

/// How long a prepared command waits for a client. Whoever comes later has another one prepared.
const LONELY: Duration = Duration::from_secs(60);
/// Between two looks whether the hold on the container is free.
const ROUND: Duration = Duration::from_millis(5);
/// How long all clients together get to hear of the end.
const FAREWELL: Duration = Duration::from_secs(10);
/// For the pipe of the monitor before, which is about to end.
const NAME_TAKEN: Backoff =
    Backoff { attempts: 60, first: Duration::from_millis(5), longest: Duration::from_millis(250) };

/// Supervises a container: what to do is told over the pipe of this name.
pub(crate) fn serve(report: &str) -> Result<()> {
    let cannot = |error| failed(error, "hear from whoever starts this monitor");
    let mut channel = Channel::connect(report).map_err(cannot)?;
    let order = channel.receive(None).map_err(cannot)?.filter(|frame| frame.kind == frame::ORDER);
    let order: Order = order
        .and_then(|frame| serde_json::from_slice(&frame.payload).ok())
        .ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "a monitor is not started by hand"))?;
    let system = Arc::new(System::new(PathBuf::new(), order.data.clone(), order.fault));
    let monitor = match Monitor::begin(&system, &order) {
        Ok(monitor) => monitor,
        Err(error) => {
            // Nobody may be left to hear it.
            let _ = channel.send(frame::FAILED, &told::tell(&error));
            return Err(error);
        }
    };
    let answer = match (&monitor, order.begin) {
        (None, _) => frame::TAKEN,
        (Some(_), Begin::AtOnce) => frame::STARTED,
        (Some(_), Begin::WhenTold) => frame::PREPARED,
    };
    let _ = channel.send(answer, &[]);
    drop(channel);
    monitor.map_or(Ok(()), Monitor::run)
}

struct Monitor {
    system: Arc<System>,
    directory: Directory,
    request: Request,
    /// The command has a terminal.
    terminal: bool,
    listener: PipeListener,
    clients: Clients,
    owner: Option<OwnProcess>,
    phase: Phase,
}

enum Phase {
    /// The command waits for its start.
    Waiting(Waiting),
    Running(Box<Command>),
    /// Between the two, and after the end.
    Over,
}

struct Waiting {
    alive: Alive,
    /// How the run before ended.
    previous: Option<Exit>,
    /// It is to be started as soon as nobody else holds the container.
    told: bool,
    /// Since when nobody is connected.
    lonely: Instant,
}

/// What has happened.
#[derive(Clone, Copy, Debug)]
enum Happened {
    Ended,
    OwnerEnded,
    NewClient,
    ClientSent(usize),
    ClientTook(usize),
    InputTaken,
    Output(usize),
}

impl Monitor {
    /// Takes the container, and starts its command if that is wanted. `None` if somebody else has it.
    fn begin(system: &Arc<System>, order: &Order) -> Result<Option<Self>> {
        let directory = system.directory(&order.id)?;
        let hold = directory.lock()?;
        let journal = directory.journal()?;
        if journal.removing {
            return Err(Error::new(ErrorKind::InvalidState, "it is being removed"));
        }
        if directory.is_supervised()? || system.running(&directory, &journal)?.is_some() {
            return Ok(None);
        }
        // Whoever supervised the run before may be about to do this.
        system.end_run(&directory, &journal, None)?;
        let request = directory.request()?;
        let previous = directory.exit()?;
        // Before the record: who sees that the container is supervised can connect.
        let listener = listen(&directory)?;
        let alive = directory.supervise()?;
        let waiting = Waiting { alive, previous, told: false, lonely: Instant::now() };
        let mut monitor = Self {
            system: Arc::clone(system),
            terminal: request.process.as_ref().is_some_and(|process| process.terminal.is_some()),
            directory,
            request,
            listener,
            clients: Clients::default(),
            owner: order.owner.as_ref().map(owner).transpose()?,
            phase: Phase::Waiting(waiting),
        };
        if order.begin == Begin::AtOnce {
            monitor.start(hold)?;
        }
        Ok(Some(monitor))
    }

    /// Starts the command. If that fails, nothing of this run is left.
    fn start(&mut self, hold: Lock) -> Result<()> {
        let Phase::Waiting(Waiting { alive, previous, .. }) = std::mem::replace(&mut self.phase, Phase::Over)
        else {
            return Ok(());
        };
        // Its name and its limits may have changed while it waited.
        if let Ok(request) = self.directory.request() {
            self.request = request;
        }
        match Command::start(&self.system, &self.directory, &self.request, alive) {
            Ok(command) => {
                self.phase = Phase::Running(Box::new(command));
                self.system.announce(&self.request, action::START, &[]);
                Ok(())
            }
            Err((error, alive)) => {
                let failed = self.give_up(alive, previous, &error, hold);
                match failed {
                    Ok(()) => Err(error),
                    Err(left) => Err(left.context(error.to_string()).with_kind(error.kind())),
                }
            }
        }
    }

    /// Records a start that has failed: as Docker does if it was the program's fault.
    fn give_up(&self, alive: Alive, previous: Option<Exit>, error: &Error, hold: Lock) -> Result<()> {
        let exit = match error.kind() {
            ErrorKind::CommandNotFound => Some(exit_now(127)),
            ErrorKind::CommandNotExecutable => Some(exit_now(126)),
            _ => previous,
        };
        if let Some(exit) = exit {
            self.directory.record_exit(&alive, &exit)?;
        }
        drop(alive);
        let (journal, hold) = (self.directory.journal()?, Hold::new(hold));
        if self.request.auto_remove {
            return self.system.dismantle(&self.directory, &journal, &hold);
        }
        self.system.end_run(&self.directory, &journal, Some(&hold))
    }

    /// Serves until the command has ended, or is not to be started any more.
    fn run(mut self) -> Result<()> {
        loop {
            let all = self.wait()?;
            for happened in &all {
                self.act(*happened)?;
            }
            self.clients.sweep();
            match &mut self.phase {
                Phase::Waiting(_) => self.look_after_start()?,
                Phase::Running(command) => {
                    command.look_if_due();
                    match command.ending(self.clients.are_behind()) {
                        Ending::Runs | Ending::Readers | Ending::Output => {}
                        Ending::Late => self.clients.drop_behind(),
                        Ending::Over => return self.end(),
                    }
                }
                Phase::Over => return Ok(()),
            }
        }
    }

    /// Waits for something to happen, and returns everything that has.
    fn wait(&self) -> Result<Vec<Happened>> {
        let (happenings, handles): (Vec<Happened>, Vec<BorrowedHandle<'_>>) =
            self.waited_for().into_iter().unzip();
        let limit = match &self.phase {
            Phase::Waiting(waiting) if waiting.told => Some(ROUND),
            Phase::Waiting(_) if self.clients.len() > 0 => None,
            Phase::Waiting(waiting) => Some(LONELY.saturating_sub(waiting.lonely.elapsed())),
            Phase::Running(command) => Some(command.limit()),
            Phase::Over => Some(Duration::ZERO),
        };
        let cannot = |error| failed(error, "wait for the command");
        let Some(first) = wait::wait_any(&handles, limit).map_err(cannot)? else { return Ok(Vec::new()) };
        let mut happened = vec![happenings[first]];
        for (happening, handle) in happenings.into_iter().zip(handles).skip(first + 1) {
            if wait::wait(&handle, Some(Duration::ZERO)).map_err(cannot)? {
                happened.push(happening);
            }
        }
        Ok(happened)
    }

    fn waited_for(&self) -> Vec<(Happened, BorrowedHandle<'_>)> {
        let mut all = Vec::new();
        let mut add = |happened, handle: Option<_>| all.extend(handle.map(|handle| (happened, handle)));
        let command = match &self.phase {
            Phase::Running(command) => Some(command),
            _ => None,
        };
        add(Happened::Ended, command.and_then(|command| command.ends()));
        add(Happened::OwnerEnded, self.owner.as_ref().map(AsHandle::as_handle));
        add(Happened::NewClient, self.clients.has_room().then(|| self.listener.as_handle()));
        for client in 0..self.clients.len() {
            add(Happened::ClientSent(client), self.clients.sends(client));
            add(Happened::ClientTook(client), self.clients.takes(client));
        }
        add(Happened::InputTaken, command.and_then(|command| command.input.takes()));
        // While a client has not taken the last piece of output, no more is read: the command waits, as it
        // would for a slow terminal.
        if !self.clients.are_behind() {
            for place in 0..2 {
                add(Happened::Output(place), command.and_then(|command| command.speaks(place)));
            }
        }
        all
    }

    fn act(&mut self, happened: Happened) -> Result<()> {
        match (happened, &mut self.phase) {
            (Happened::NewClient, _) => {
                match self.listener.accept(None, Some(Duration::ZERO)) {
                    Ok(client) => client.into_iter().for_each(|client| self.clients.add(client)),
                    // For want of memory: the command is served all the same.
                    Err(_) => std::thread::sleep(ROUND),
                }
            }
            (Happened::ClientSent(client), _) => {
                self.clients.receive(client);
                self.hear(client);
            }
            (Happened::ClientTook(client), _) => self.clients.caught_up(client),
            (Happened::OwnerEnded, Phase::Running(command)) => {
                command.terminate();
                self.owner = None;
            }
            (Happened::OwnerEnded, _) => self.dismissed()?,
            (Happened::Ended, Phase::Running(command)) => command.look(),
            (Happened::InputTaken, Phase::Running(command)) => {
                command.input.caught_up();
                (0..self.clients.len()).for_each(|client| self.hear(client));
            }
            // The other output may have been sent meanwhile, and not everybody has taken it.
            (Happened::Output(place), Phase::Running(command)) if !self.clients.are_behind() => {
                if let Some((stream, bytes)) = command.take_output(place) {
                    self.clients.send_output(stream, &bytes);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Acts upon what a client has sent, as far as that is possible now.
    fn hear(&mut self, client: usize) {
        while let Some(frame) = self.clients.next_frame(client) {
            if let Some(frame) = self.act_on_frame(client, frame) {
                return self.clients.hold(client, frame);
            }
        }
    }

    /// Acts upon a frame, or returns it if it has to wait.
    fn act_on_frame(&mut self, client: usize, frame: Frame) -> Option<Frame> {
        match (frame.kind, &mut self.phase) {
            (frame::ATTACH, _) => self.clients.attach(client, frame.payload.first().copied().unwrap_or(0)),
            (frame::START, Phase::Waiting(waiting)) => waiting.told = true,
            (frame::START, _) => self.clients.tell(client, frame::STARTED, &[]),
            (frame::DISMISS, Phase::Waiting(_)) => {
                // Its record is to be free when the client hears of the end of this process.
                let _ = self.dismissed();
            }
            (frame::INPUT | frame::CLOSE_INPUT, Phase::Waiting(_)) => return Some(frame),
            (frame::INPUT | frame::CLOSE_INPUT, Phase::Running(command)) if command.input.is_busy() => {
                return Some(frame);
            }
            (frame::INPUT, Phase::Running(command)) => command.input.write(&frame.payload),
            // A terminal's input does not end.
            (frame::CLOSE_INPUT, Phase::Running(command)) if !self.terminal => command.close_input(),
            (frame::RESIZE, Phase::Running(command)) => {
                if let [a, b, c, d] = frame.payload[..] {
                    let (columns, rows) = (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]));
                    command.resize(TerminalSize { columns, rows });
                }
            }
            _ => {}
        }
        None
    }

    /// Starts the command if that was told and nobody else holds the container; gives up if nobody comes.
    fn look_after_start(&mut self) -> Result<()> {
        let Phase::Waiting(waiting) = &mut self.phase else { return Ok(()) };
        if self.clients.len() > 0 {
            waiting.lonely = Instant::now();
        }
        if !waiting.told {
            return if waiting.lonely.elapsed() >= LONELY { self.dismissed() } else { Ok(()) };
        }
        let Some(hold) = self.directory.try_lock()? else { return Ok(()) };
        if self.directory.journal()?.removing {
            return self.dismissed();
        }
        match self.start(hold) {
            Ok(()) => {
                self.clients.tell_all(frame::STARTED, &[]);
                // Input that was sent before can be written now.
                (0..self.clients.len()).for_each(|client| self.hear(client));
                Ok(())
            }
            Err(error) => {
                self.clients.tell_all(frame::FAILED, &told::tell(&error));
                self.clients.wait(FAREWELL);
                Err(error)
            }
        }
    }

    /// The command is not to be started: the container is as it was before it was prepared.
    fn dismissed(&mut self) -> Result<()> {
        if let Phase::Waiting(Waiting { alive, previous: Some(exit), .. }) =
            std::mem::replace(&mut self.phase, Phase::Over)
        {
            self.directory.record_exit(&alive, &exit)?;
        }
        Ok(())
    }

    /// The command has ended, and all is said.
    fn end(self) -> Result<()> {
        let Phase::Running(command) = self.phase else { return Ok(()) };
        let (supervised, code) = command.into_record();
        let stays = !self.request.auto_remove;
        let mut payload = code.to_ne_bytes().to_vec();
        payload.extend(0_u32.to_ne_bytes());
        let mut pipe = Some((self.clients, self.listener));
        supervised.finish_after(&exit_now(code), || {
            if let Some((clients, _)) = &mut pipe {
                clients.tell_all(frame::EXITED, &payload);
                clients.wait(FAREWELL);
            }
            // The next monitor needs the name. Who waits for the container to remove itself hears of that
            // by the end of the connection.
            if stays {
                pipe = None;
            }
        })
    }
}

/// Makes the monitor's pipe.
fn listen(directory: &Directory) -> Result<PipeListener> {
    let name = pipe_name(&directory.id);
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let bind = |_| PipeListener::bind(&name, SecurityDescriptor::private()?);
    NAME_TAKEN
        .retry_if(taken, bind)
        .map_err(|error| failed(error, &format!(r"make the pipe `\\.\pipe\{name}`")))
}

/// Opens the owner's process.
fn owner(owner: &Owner) -> Result<OwnProcess> {
    let cannot = |error| failed(error, "look at the process that the container is bound to");
    let process = OwnProcess::open(owner.process).map_err(cannot)?;
    let is_owner = |process: &OwnProcess| process.started().is_ok_and(|started| started == owner.started);
    process.filter(is_owner).ok_or_else(|| {
        Error::new(ErrorKind::InvalidState, "the process that the container is bound to has ended")
    })
}
