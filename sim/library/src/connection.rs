//! The connection to the compute service.

use std::collections::HashMap;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::{env, fs, process, thread};

use serde_json::Value;
pub use sim_protocol::Event;
use sim_protocol::{ADDRESS_FILE, Address, Call, Manner, Message, Outcome, Reply, codes, read, write};

/// The event that every callback gets when the service is gone.
pub const SERVICE_DISCONNECT: u32 = 0x0200_0000;

/// What to do with an event; `None` when the service is gone.
pub type OnEvent = fn(Option<Event>);

pub struct Connection {
    address: Address,
    writer: Mutex<TcpStream>,
    pending: Mutex<HashMap<u64, Pending>>,
    next: AtomicU64,
    dead: AtomicBool,
}

struct Pending {
    accepted: Option<mpsc::Sender<Result<Manner, u32>>>,
    done: Box<dyn FnOnce(Outcome) + Send>,
}

/// The connection of one stand-in, which is made when it is first needed.
pub struct Link {
    library: &'static str,
    on_event: OnEvent,
    connection: Mutex<Option<Arc<Connection>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

impl Link {
    pub const fn new(library: &'static str, on_event: OnEvent) -> Link {
        Link { library, on_event, connection: Mutex::new(None) }
    }

    /// The live connection; a new one when the last is broken.
    pub fn get(&'static self) -> Result<Arc<Connection>, u32> {
        crate::ownership::watch(self);
        let mut slot = locked(&self.connection);
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_dead()) {
            return Ok(Arc::clone(connection));
        }
        let connection = self.connect().map_err(|_| codes::SERVICE_NOT_AVAILABLE)?;
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }

    fn connect(&self) -> std::io::Result<Arc<Connection>> {
        let address = Address::read(Path::new(ADDRESS_FILE))?;
        let mut stream = address.connect()?;
        let program = env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
        let hello = Message::Hello {
            token: address.token.clone(),
            library: self.library.to_owned(),
            process: process::id(),
            program,
            faults: faults(),
        };
        write(&mut stream, &hello)?;
        let reader = stream.try_clone()?;
        let connection = Arc::new(Connection {
            address,
            writer: Mutex::new(stream),
            pending: Mutex::default(),
            next: AtomicU64::new(1),
            dead: AtomicBool::new(false),
        });
        let (of_reader, on_event) = (Arc::clone(&connection), self.on_event);
        thread::spawn(move || of_reader.read(reader, on_event));
        Ok(connection)
    }

    /// A call that is done when it returns.
    pub fn call(&'static self, function: &str, arguments: Value) -> Outcome {
        match self.get() {
            Ok(connection) => connection.call(function, arguments),
            Err(hresult) => Outcome { hresult, ..Outcome::default() },
        }
    }

    /// For when the process ends, and nobody gives a lock back any more.
    pub fn tell_at_exit(&self, function: &str, arguments: Value) {
        let Ok(connection) = self.connection.try_lock() else { return };
        let Some(connection) = connection.as_ref().filter(|connection| !connection.is_dead()) else { return };
        if let Ok(mut writer) = connection.writer.try_lock() {
            let call = Call { id: 0, function: function.to_owned(), arguments };
            // Without a service there is nobody to tell.
            let _ = write(&mut *writer, &Message::Call(call));
        }
    }

    /// Reports that a caller did what it must not.
    pub fn misuse(&'static self, function: &str, handle: usize) {
        if let Ok(connection) = self.get() {
            let what = crate::handles::describe(handle);
            connection
                .tell("misuse", serde_json::json!({"function": function, "handle": handle, "is": what}));
        }
    }
}

/// Rules from `SIM_FAULTS`: the JSON itself or the name of a file with it.
fn faults() -> Option<Value> {
    let text = env::var("SIM_FAULTS").ok()?;
    let text = if text.trim_start().starts_with('[') { text } else { fs::read_to_string(text).ok()? };
    serde_json::from_str(&text).ok()
}

impl Connection {
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    fn send(&self, id: u64, function: &str, arguments: Value) -> Result<(), u32> {
        let call = Message::Call(Call { id, function: function.to_owned(), arguments });
        if self.is_dead() {
            return Err(codes::SERVICE_DISCONNECT);
        }
        write(&mut *locked(&self.writer), &call).map_err(|_| codes::SERVICE_DISCONNECT)
    }

    /// A call that nobody waits for.
    pub fn tell(&self, function: &str, arguments: Value) {
        // Without a service there is nobody to tell.
        let _ = self.send(0, function, arguments);
    }

    /// Begins a call: returns what the function is to return. `done` comes later, from another thread.
    pub fn begin(
        &self,
        function: &str,
        arguments: Value,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) -> Result<Manner, u32> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (accepted, answer) = mpsc::channel();
        locked(&self.pending).insert(id, Pending { accepted: Some(accepted), done: Box::new(done) });
        if let Err(code) = self.send(id, function, arguments) {
            locked(&self.pending).remove(&id);
            return Err(code);
        }
        answer.recv().unwrap_or(Err(codes::SERVICE_DISCONNECT))
    }

    /// A call that is done when it returns.
    pub fn call(&self, function: &str, arguments: Value) -> Outcome {
        let (sender, receiver) = mpsc::channel();
        let begun = self.begin(function, arguments, move |outcome| drop(sender.send(outcome)));
        match begun {
            Ok(_) => receiver
                .recv()
                .unwrap_or(Outcome { hresult: codes::SERVICE_DISCONNECT, ..Outcome::default() }),
            Err(hresult) => Outcome { hresult, ..Outcome::default() },
        }
    }

    /// The connection that carries the stream with this ticket.
    pub fn stream(&self, ticket: u64) -> std::io::Result<TcpStream> {
        let mut stream = self.address.connect()?;
        write(&mut stream, &Message::Stream { token: self.address.token.clone(), ticket })?;
        Ok(stream)
    }

    fn read(&self, mut stream: TcpStream, on_event: OnEvent) {
        while let Ok(Some(reply)) = read::<Reply>(&mut stream) {
            match reply {
                Reply::Accepted { id, hresult: 0, manner } => {
                    let accepted =
                        locked(&self.pending).get_mut(&id).and_then(|pending| pending.accepted.take());
                    accepted.map(|accepted| accepted.send(Ok(manner)));
                }
                Reply::Accepted { id, hresult, .. } => {
                    let pending = locked(&self.pending).remove(&id);
                    pending.and_then(|pending| pending.accepted).map(|accepted| accepted.send(Err(hresult)));
                }
                Reply::Done { id, outcome } => {
                    let pending = locked(&self.pending).remove(&id);
                    if let Some(pending) = pending {
                        (pending.done)(outcome);
                    }
                }
                Reply::Event(event) => on_event(Some(event)),
            }
        }
        self.dead.store(true, Ordering::Release);
        let pending: Vec<Pending> = locked(&self.pending).drain().map(|(_, pending)| pending).collect();
        for pending in pending {
            match pending.accepted {
                Some(accepted) => drop(accepted.send(Err(codes::SERVICE_DISCONNECT))),
                None => (pending.done)(Outcome { hresult: codes::SERVICE_DISCONNECT, ..Outcome::default() }),
            }
        }
        on_event(None);
    }
}
