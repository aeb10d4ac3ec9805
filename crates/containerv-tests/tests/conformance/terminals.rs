//! Commands at a terminal of their own.

use std::io::{Read, Write};
use std::process::ChildStdin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use containerv::spec::request::TerminalSize;
use containerv::{Child, Container, ErrorKind, StdioSet};
use containerv_tests::Bed;
use containerv_tests::inside::{command, doing};

use crate::PATIENCE;

const SIZE: TerminalSize = TerminalSize { columns: 91, rows: 33 };

/// A terminal as a person uses it: types, and waits for what is shown.
pub(crate) struct Terminal {
    input: ChildStdin,
    pieces: Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    pub(crate) fn of(child: &mut Child) -> Self {
        let streams = child.take_terminal_streams().unwrap().unwrap();
        let (sender, pieces) = channel();
        let mut output = streams.output;
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of a terminal is an error on Linux.
            while let Ok(count) = output.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { input: streams.input, pieces, shown: String::new() }
    }

    /// Types a line, with the key that ends one.
    pub(crate) fn types(&mut self, line: &str) {
        write!(self.input, "{line}\r").unwrap();
        self.input.flush().unwrap();
    }

    /// Waits until `text` is shown, and forgets what came before its end.
    #[track_caller]
    pub(crate) fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return;
            }
            match self.pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.shown.push_str(&String::from_utf8_lossy(&piece)),
                Err(RecvTimeoutError::Timeout) => panic!("no `{text}` in {:?}", self.shown),
                Err(RecvTimeoutError::Disconnected) => panic!("ended without `{text}`: {:?}", self.shown),
            }
        }
    }
}

#[test]
fn a_command_at_a_terminal_is_talked_to() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut child = command(&container, "terminal + answer").terminal(SIZE).spawn().unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    let mut terminal = Terminal::of(&mut child);
    terminal.sees("[true, true]");
    terminal.types("hello");
    terminal.sees("got hello");
    child.resize(TerminalSize { columns: 120, rows: 50 }).unwrap();
    terminal.types("exit 5");
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn the_containers_own_command_has_a_terminal() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    let mut process = doing("terminal + answer");
    process.terminal = Some(SIZE);
    request.process = Some(process);
    let (_container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
    let mut terminal = Terminal::of(&mut child);
    terminal.sees("[true, true]");
    terminal.types("hello");
    terminal.sees("got hello");
    terminal.types("exit 3");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn what_has_no_terminal_cannot_be_resized() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let plain = command(&container, "line + terminal").stdin(containerv::Stdio::Piped);
    let mut plain = plain.stdout(containerv::Stdio::Null).spawn().unwrap();
    assert!(plain.take_terminal_streams().unwrap().is_none());
    assert_eq!(plain.resize(SIZE).unwrap_err().kind(), ErrorKind::InvalidState);
    assert!(plain.wait().unwrap().success());
    let output = command(&container, "terminal").output().unwrap();
    assert_eq!(containerv_tests::inside::text(&output.stdout), "[false, false]");
}

#[test]
fn five_terminals_at_once() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut children: Vec<Child> =
        (0..5).map(|_| command(&container, "answer").terminal(SIZE).spawn().unwrap()).collect();
    let mut terminals: Vec<Terminal> = children.iter_mut().map(Terminal::of).collect();
    for (number, terminal) in terminals.iter_mut().enumerate() {
        terminal.types(&format!("n{number}"));
    }
    for (number, terminal) in terminals.iter_mut().enumerate() {
        terminal.sees(&format!("got n{number}"));
        terminal.types(&format!("exit {number}"));
    }
    for (number, child) in (0..).zip(&mut children) {
        assert_eq!(child.wait().unwrap().code(), Some(number));
    }
}
