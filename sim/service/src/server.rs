//! Connections: who may talk, in which order calls are done, and what goes back.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sim_protocol::{Address, Call, Event, Message, Reply};

use crate::answer::{Answer, Refusal, outcome};
use crate::calls;
use crate::faults::{self, Effect, Rule};
use crate::log::Log;
use crate::machine::Machine;
use crate::network;
use crate::world::World;

/// What a process that ends has said may still be on its way.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The service.
pub struct Service {
    pub machine: Machine,
    pub log: Log,
    world: Mutex<World>,
    /// Told of each change of the world's that somebody may wait for.
    pub changed: Condvar,
    token: String,
    clients: AtomicU64,
    connected: Mutex<Vec<Arc<Client>>>,
    tickets: Mutex<HashMap<u64, mpsc::Sender<TcpStream>>>,
    next_ticket: AtomicU64,
    /// Rules for all connections of a process, by the name that whoever set them gave.
    rules: Mutex<HashMap<(u32, String), Vec<Rule>>>,
}

/// A connection of a stand-in.
pub struct Client {
    pub number: u64,
    pub library: String,
    pub process: u32,
    writer: Mutex<TcpStream>,
    rules: Mutex<Vec<Rule>>,
    /// It was this service that ended the connection.
    hung_up: AtomicBool,
}

/// Work that a call begins.
pub enum Work {
    Done(Answer),
    /// Goes on while the connection takes further calls.
    Later(Box<dyn FnOnce() -> Answer + Send>),
}

impl From<Answer> for Work {
    fn from(answer: Answer) -> Work {
        Work::Done(answer)
    }
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

impl Client {
    fn send(&self, reply: &Reply) {
        // A client that is gone needs no reply; its reader notices.
        let _ = sim_protocol::write(&mut *locked(&self.writer), reply);
    }

    fn hang_up(&self) {
        self.hung_up.store(true, Ordering::Relaxed);
        let _ = locked(&self.writer).shutdown(Shutdown::Both);
    }
}

impl Service {
    pub fn new(machine: Machine, log: Log, token: String) -> Service {
        Service {
            machine,
            log,
            world: Mutex::default(),
            changed: Condvar::new(),
            token,
            clients: AtomicU64::new(1),
            connected: Mutex::default(),
            tickets: Mutex::default(),
            next_ticket: AtomicU64::new(1),
            rules: Mutex::default(),
        }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    /// Waits until `ready` finds something.
    pub fn wait<T>(&self, mut ready: impl FnMut(&mut World) -> Option<T>) -> T {
        let mut world = self.world();
        loop {
            if let Some(found) = ready(&mut world) {
                return found;
            }
            world = self.changed.wait(world).unwrap_or_else(|poison| poison.into_inner());
        }
    }

    /// Serves for ever.
    pub fn serve(self: &Arc<Self>, listener: &TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept()?;
            let service = Arc::clone(self);
            thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                if let Err(error) = service.connection(stream) {
                    service.log.note(0, "connection", json!(error.to_string()));
                }
            });
        }
    }

    fn connection(self: &Arc<Self>, mut stream: TcpStream) -> io::Result<()> {
        match sim_protocol::read(&mut stream)? {
            Some(Message::Stream { token, ticket }) if token == self.token => {
                if let Some(taker) = locked(&self.tickets).remove(&ticket) {
                    let _ = taker.send(stream);
                }
                Ok(())
            }
            Some(Message::Hello { token, library, process, program, faults }) if token == self.token => {
                let number = self.clients.fetch_add(1, Ordering::Relaxed);
                let rules =
                    faults.as_ref().map_or(Ok(Vec::new()), faults::rules).map_err(io::Error::other)?;
                let writer = Mutex::new(stream.try_clone()?);
                let rules = Mutex::new(rules);
                let hung_up = AtomicBool::new(false);
                let client = Arc::new(Client { number, library, process, writer, rules, hung_up });
                locked(&self.connected).push(Arc::clone(&client));
                self.log.note(process, "attach", json!({"library": client.library, "program": program}));
                let ended = self.calls(&client, &mut stream);
                self.disconnected(&client);
                calls::forget(self, &client);
                ended
            }
            _ => Err(io::Error::new(io::ErrorKind::PermissionDenied, "not one of the tests")),
        }
    }

    /// A process keeps its connections until it ends, and Wine has been seen to keep one of them open for
    /// a process that was killed in the middle of a call. So where one has ended, the others do.
    fn disconnected(&self, client: &Client) {
        let others: Vec<Arc<Client>> = {
            let mut connected = locked(&self.connected);
            connected.retain(|other| other.number != client.number);
            connected.iter().filter(|other| other.process == client.process).cloned().collect()
        };
        if client.hung_up.load(Ordering::Relaxed) || others.is_empty() {
            return;
        }
        thread::spawn(move || {
            thread::sleep(LAST_WORDS);
            others.iter().for_each(|other| other.hang_up());
        });
    }

    fn calls(self: &Arc<Self>, client: &Arc<Client>, stream: &mut TcpStream) -> io::Result<()> {
        while let Some(message) = sim_protocol::read(stream)? {
            match message {
                Message::Call(call) => self.call(client, call),
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a second greeting")),
            }
        }
        Ok(())
    }

    fn call(self: &Arc<Self>, client: &Arc<Client>, call: Call) {
        let turn = self.log.turn();
        let effect = self.effect(client, &call).unwrap_or_default();
        if effect.disconnect {
            client.hang_up();
            return;
        }
        if let Some(code) = effect.refuse {
            let refused = outcome(Err(Refusal::new(code, "refused on demand")));
            self.log.call(turn, &client.library, client.process, &call, Some(&refused));
            client.send(&Reply::Accepted { id: call.id, hresult: code, manner: effect.manner });
            return;
        }
        if call.id != 0 {
            client.send(&Reply::Accepted { id: call.id, hresult: 0, manner: effect.manner });
        }
        if effect.crash {
            calls::crash(self, client, &call);
        }
        if let Some(code) = effect.fail {
            self.finish(client, &call, turn, &effect, Err(Refusal::new(code, "failed on demand")));
            return;
        }
        let work = if effect.delay.is_zero() {
            calls::perform(self, client, &call)
        } else {
            Work::Later(self.delayed(client, &call, &effect))
        };
        match work {
            Work::Done(answer) => self.finish(client, &call, turn, &effect, answer),
            Work::Later(work) => {
                let (service, client) = (Arc::clone(self), Arc::clone(client));
                thread::spawn(move || {
                    let answer = work();
                    service.finish(&client, &call, turn, &effect, answer);
                });
            }
        }
    }

    fn delayed(
        self: &Arc<Self>,
        client: &Arc<Client>,
        call: &Call,
        effect: &Effect,
    ) -> Box<dyn FnOnce() -> Answer + Send> {
        let (service, client, call, delay) =
            (Arc::clone(self), Arc::clone(client), call.clone(), effect.delay);
        Box::new(move || {
            thread::sleep(delay);
            match calls::perform(&service, &client, &call) {
                Work::Done(answer) => answer,
                Work::Later(work) => work(),
            }
        })
    }

    fn finish(&self, client: &Client, call: &Call, turn: u64, effect: &Effect, answer: Answer) {
        let answer = match effect.report {
            Some(code) => Err(Refusal::new(code, "reported on demand")),
            None => answer,
        };
        let mut outcome = outcome(answer);
        if effect.bare {
            outcome.document = None;
        }
        self.log.call(turn, &client.library, client.process, call, Some(&outcome));
        network::settle(self);
        if call.id != 0 && !effect.manner.lost {
            client.send(&Reply::Done { id: call.id, outcome });
        }
    }

    /// What the rules say about the call.
    fn effect(&self, client: &Client, call: &Call) -> Option<Effect> {
        let system = calls::system_id(&self.world(), client, call);
        self.effect_on(client, call, system.as_deref())
    }

    fn effect_on(&self, client: &Client, call: &Call, system: Option<&str>) -> Option<Effect> {
        let own = faults::apply(&mut locked(&client.rules), &client.library, call, system);
        let mut rules = locked(&self.rules);
        let of_process = rules.iter_mut().filter(|((process, _), _)| *process == client.process);
        let given: Vec<Effect> =
            of_process.filter_map(|(_, rules)| faults::apply(rules, &client.library, call, system)).collect();
        own.or_else(|| given.into_iter().next())
    }

    pub fn set_rules(&self, process: u32, name: &str, rules: Vec<Rule>) {
        locked(&self.rules).insert((process, name.to_owned()), rules);
    }

    /// Sends an event, unless a rule loses it.
    pub fn event(&self, client: &Client, handle: u64, system: &str, name: &str, kind: u32, data: &Value) {
        let call = Call { id: 0, function: format!("event.{name}"), arguments: data.clone() };
        let lost = self.effect_on(client, &call, Some(system)).is_some_and(|effect| effect.manner.lost);
        self.log.note(client.process, name, json!({"handle": handle, "data": data, "lost": lost}));
        if !lost {
            let data = (!data.is_null()).then(|| data.to_string());
            client.send(&Reply::Event(Event { handle, kind, data }));
        }
    }

    /// A ticket for a stream, and where its connection arrives.
    pub fn ticket(&self) -> (u64, mpsc::Receiver<TcpStream>) {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel();
        locked(&self.tickets).insert(ticket, sender);
        (ticket, receiver)
    }
}

/// Listens on a port of the system's choice.
pub fn listen(token: &str) -> io::Result<(TcpListener, Address)> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    Ok((listener, Address { port, token: token.to_owned() }))
}

/// A call that the service does not know.
pub fn unknown(call: &Call) -> Answer {
    Err(Refusal::new(sim_protocol::codes::E_NOTIMPL, format!("no function {}", call.function)))
}
