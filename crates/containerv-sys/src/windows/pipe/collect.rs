//! Feeding a process and reading all that it says, without a deadlock and without threads.

use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::time::Duration;

use super::{ReadAhead, Stream, WriteBehind};
use crate::windows::wait::{self, Deadline};

const BLOCK: usize = 64 * 1024;

/// Writes `input` and reads the outputs to their ends, all at the same time.
///
/// Outputs can stay open after their process has ended, for its own children have them too. So
/// when `ended` is signaled, what comes within `grace` is still taken, and then it is enough.
///
/// `input_done` is called once after the last of the input was written and our end closed; closing
/// it is not always enough for the process to see the end.
///
/// # Errors
///
/// The system's. That nobody reads the input to its end is none.
pub fn collect(
    input: Option<(Stream, &[u8])>,
    outputs: Vec<Stream>,
    ended: Option<BorrowedHandle<'_>>,
    grace: Duration,
    input_done: impl FnOnce(),
) -> io::Result<Vec<Vec<u8>>> {
    let mut outputs: Vec<Output> = outputs.into_iter().map(Output::new).collect();
    let mut input = input.map(|(stream, bytes)| Input { writer: WriteBehind::new(stream, BLOCK), bytes });
    let mut input_done = input.is_some().then_some(input_done);
    let mut enough: Option<Deadline> = None;
    loop {
        if enough.is_some_and(Deadline::is_over) {
            // What is there is taken once: somebody may go on writing for ever.
            outputs.iter_mut().try_for_each(Output::receive_what_is_there)?;
            return Ok(outputs.into_iter().map(|output| output.bytes).collect());
        }
        let ended = ended.filter(|_| enough.is_none());
        match next(&outputs, input.as_ref(), ended, enough)? {
            Some(Ready::Output(place)) => outputs[place].receive()?,
            Some(Ready::Input) => {
                if input.as_mut().is_some_and(|input| !input.go_on()) {
                    input = None;
                    input_done.take().into_iter().for_each(|done| done());
                }
            }
            Some(Ready::Ended) => {
                // Nobody is left to read it.
                input = None;
                enough = Some(Deadline::after(Some(grace)));
            }
            None if enough.is_some() && outputs.iter().any(|output| output.reader.is_some()) => {}
            None => return Ok(outputs.into_iter().map(|output| output.bytes).collect()),
        }
    }
}

struct Output {
    reader: Option<ReadAhead>,
    bytes: Vec<u8>,
}

impl Output {
    fn new(stream: Stream) -> Self {
        Self { reader: Some(ReadAhead::new(stream, BLOCK)), bytes: Vec::new() }
    }

    fn receive(&mut self) -> io::Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        match reader.receive()? {
            Some(bytes) => self.bytes.extend_from_slice(&bytes),
            None => self.reader = None,
        }
        Ok(())
    }

    fn receive_what_is_there(&mut self) -> io::Result<()> {
        match &self.reader {
            Some(reader) if wait::wait(reader, Some(Duration::ZERO))? => self.receive(),
            _ => Ok(()),
        }
    }
}

struct Input<'a> {
    writer: WriteBehind,
    bytes: &'a [u8],
}

impl Input<'_> {
    /// Begins with the next part; `false` when all is written, or nobody reads it.
    fn go_on(&mut self) -> bool {
        if self.bytes.is_empty() {
            return false;
        }
        let Ok(count) = self.writer.send(self.bytes) else { return false };
        self.bytes = &self.bytes[count..];
        true
    }
}

enum Ready {
    Output(usize),
    Input,
    Ended,
}

/// Waits for the next thing to do; none when all streams are at their end, or it is enough.
fn next(
    outputs: &[Output],
    input: Option<&Input<'_>>,
    ended: Option<BorrowedHandle<'_>>,
    enough: Option<Deadline>,
) -> io::Result<Option<Ready>> {
    let mut handles = Vec::new();
    let mut meanings = Vec::new();
    // The first: a stream that always has something must not hide the end.
    if let Some(ended) = ended {
        handles.push(ended);
        meanings.push(Ready::Ended);
    }
    let streams = handles.len();
    for (place, output) in outputs.iter().enumerate() {
        if let Some(reader) = &output.reader {
            handles.push(reader.as_handle());
            meanings.push(Ready::Output(place));
        }
    }
    if let Some(input) = input {
        handles.push(input.writer.as_handle());
        meanings.push(Ready::Input);
    }
    if handles.len() == streams {
        return Ok(None);
    }
    let limit = enough.and_then(Deadline::left);
    Ok(wait::wait_any(&handles, limit)?.map(|place| meanings.swap_remove(place)))
}
