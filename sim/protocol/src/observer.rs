//! The compute service, asked directly by tests: its state, its record, faults.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;
use std::{io, process};

use serde_json::{Value, json};

use crate::{ADDRESS_FILE, Address, Call, Message, Reply, read, write};

/// A connection of the tests' own.
#[derive(Debug)]
pub struct Observer(Mutex<TcpStream>);

impl Observer {
    pub fn connect() -> io::Result<Observer> {
        let address = Address::read(Path::new(ADDRESS_FILE))?;
        let mut stream = address.connect()?;
        let hello = Message::Hello {
            token: address.token,
            library: "tests".into(),
            process: 0,
            program: String::new(),
            faults: None,
        };
        write(&mut stream, &hello)?;
        Ok(Observer(Mutex::new(stream)))
    }

    fn call(&self, function: &str, arguments: Value) -> io::Result<Value> {
        let mut stream = self.0.lock().unwrap_or_else(|poison| poison.into_inner());
        let call = Call { id: 1, function: function.into(), arguments };
        write(&mut *stream, &Message::Call(call))?;
        loop {
            match read::<Reply>(&mut *stream)? {
                Some(Reply::Done { outcome, .. }) if outcome.hresult == 0 => return Ok(outcome.values),
                Some(Reply::Done { outcome, .. }) => return Err(io::Error::other(format!("{outcome:?}"))),
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// What exists.
    pub fn state(&self) -> io::Result<Value> {
        self.call("sim.state", json!({}))
    }

    /// What a process has called, and what was noted of it.
    pub fn log(&self, process: u32) -> io::Result<Vec<Value>> {
        Ok(self.call("sim.log", json!({"process": process}))?.as_array().cloned().unwrap_or_default())
    }

    /// Sets the rules of faults for this process, in the place of those of the same name.
    pub fn faults(&self, name: &str, rules: Value) -> io::Result<()> {
        self.call("sim.faults", json!({"process": process::id(), "name": name, "rules": rules})).map(drop)
    }
}
