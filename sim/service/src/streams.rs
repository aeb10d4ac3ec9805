//! The standard streams of processes: between a client's connection and a pipe of the process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
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

/// What a process is started with, and the tickets for the client.
pub struct Streams {
    pub stdio: [Stdio; 3],
    pub tickets: [u64; 3],
    pub input: Option<Arc<Input>>,
}

/// Makes the streams that are wanted: standard input, output, errors.
pub fn make(service: &Service, wanted: [bool; 3]) -> io::Result<Streams> {
    let mut streams =
        Streams { stdio: [Stdio::null(), Stdio::null(), Stdio::null()], tickets: [0; 3], input: None };
    if wanted[0] {
        let (reader, writer) = pipe()?;
        let input = Arc::new(Input { pipe: Mutex::new(Some(writer)) });
        let (ticket, arrival) = service.ticket();
        streams.stdio[0] = reader.into();
        streams.tickets[0] = ticket;
        streams.input = Some(Arc::clone(&input));
        thread::spawn(move || feed(&arrival, &input));
    }
    for (at, wanted) in wanted.into_iter().enumerate().skip(1) {
        if wanted {
            let (reader, writer) = pipe()?;
            let (ticket, arrival) = service.ticket();
            streams.stdio[at] = writer.into();
            streams.tickets[at] = ticket;
            thread::spawn(move || drain(&arrival, reader));
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
fn drain(arrival: &mpsc::Receiver<TcpStream>, mut output: File) {
    let mut connection = arrival.recv_timeout(PATIENCE).ok();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = output.read(&mut buffer) {
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
}
