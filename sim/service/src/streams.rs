//! The standard streams of processes: between a client's connection and a pipe of the process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::server::{Service, locked};

/// How long a client may take to connect a stream that it asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Our end of a process's standard input.
pub struct Input {
    pipe: Mutex<Option<File>>,
}

impl Input {
    /// The process reads the end of the file.
    pub fn close(&self) {
        locked(&self.pipe).take();
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // Not under the lock: a process that reads nothing would make closing wait.
        let pipe = locked(&self.pipe).as_ref().map(File::try_clone).transpose()?;
        pipe.ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes)
    }
}

/// Our end of a process's standard output or errors.
#[derive(Default)]
pub struct Output {
    connection: Mutex<Option<TcpStream>>,
    closed: AtomicBool,
}

impl Output {
    /// The client reads the end; the process may go on writing.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(connection) = &*locked(&self.connection) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn connected(&self, connection: &TcpStream) {
        *locked(&self.connection) = connection.try_clone().ok();
        if self.closed.load(Ordering::SeqCst) {
            self.close();
        }
    }
}

/// What closes the streams of a process.
#[derive(Default)]
pub struct Ends {
    input: Option<Arc<Input>>,
    outputs: [Option<Arc<Output>>; 2],
}

impl Ends {
    /// Closes what `StdIn`, `StdOut`, `StdErr` or `All` names; standard input only if that is said.
    pub fn close(&self, name: &str, input_too: bool) {
        let named = |one: &str| name == one || name == "All";
        if let Some(input) = self.input.as_ref().filter(|_| input_too && named("StdIn")) {
            input.close();
        }
        for (output, one) in self.outputs.iter().zip(["StdOut", "StdErr"]) {
            if let Some(output) = output.as_ref().filter(|_| named(one)) {
                output.close();
            }
        }
    }
}

/// What a process is started with, and the tickets for the client.
pub struct Streams {
    pub stdio: [Stdio; 3],
    pub tickets: [u64; 3],
    pub ends: Ends,
}

/// Makes the streams that are wanted: standard input, output, errors.
pub fn make(service: &Service, wanted: [bool; 3]) -> io::Result<Streams> {
    let mut streams = Streams {
        stdio: [Stdio::null(), Stdio::null(), Stdio::null()],
        tickets: [0; 3],
        ends: Ends::default(),
    };
    if wanted[0] {
        let (reader, writer) = pipe()?;
        let input = Arc::new(Input { pipe: Mutex::new(Some(writer)) });
        let (ticket, arrival) = service.ticket();
        streams.stdio[0] = reader.into();
        streams.tickets[0] = ticket;
        streams.ends.input = Some(Arc::clone(&input));
        thread::spawn(move || feed(&arrival, &input));
    }
    for (at, wanted) in wanted.into_iter().enumerate().skip(1) {
        if wanted {
            let (reader, writer) = pipe()?;
            let (ticket, arrival) = service.ticket();
            streams.stdio[at] = writer.into();
            streams.tickets[at] = ticket;
            let output = Arc::new(Output::default());
            streams.ends.outputs[at - 1] = Some(Arc::clone(&output));
            thread::spawn(move || drain(&arrival, reader, &output));
        }
    }
    Ok(streams)
}

fn pipe() -> io::Result<(File, File)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((File::from(reader), File::from(writer)))
}

/// From the client to the process, until the client says that it was all.
fn feed(arrival: &mpsc::Receiver<TcpStream>, input: &Input) {
    if let Ok(mut connection) = arrival.recv_timeout(PATIENCE) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count) = connection.read(&mut buffer) {
            if count == 0 || input.write(&buffer[..count]).is_err() {
                break;
            }
        }
        // The client learns by it that nobody reads.
        let _ = connection.shutdown(Shutdown::Both);
    }
    input.close();
}

/// From the process to the client. A client that is gone does not stop the process.
fn drain(arrival: &mpsc::Receiver<TcpStream>, mut from: File, output: &Output) {
    let mut connection = arrival.recv_timeout(PATIENCE).ok();
    if let Some(connection) = &connection {
        output.connected(connection);
    }
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            break;
        }
        if connection.as_mut().is_some_and(|stream| stream.write_all(&buffer[..count]).is_err()) {
            connection = None;
        }
    }
    if let Some(connection) = connection {
        let _ = connection.shutdown(Shutdown::Write);
    }
    locked(&output.connection).take();
}
