//! A command whose terminal this program holds the other end of.

use std::io::Write as _;
use std::process::ChildStdin;
use std::thread;

use containerv::{Child, Error, TerminalStreams};

use super::streams::{Outputs, end};
use super::{Happening, SIZE_INTERVAL, Signals, code_of_signal};
use crate::failure::Failure;
use crate::output::relayed::Relayed;
use crate::terminal::{Keys, RawMode, size};

/// Copies between this program's console and the command's terminal until the command ends.
///
/// # Errors
///
/// The system's.
pub fn terminal(mut child: Child, interactive: bool, signals: &Signals) -> Result<i32, Failure> {
    let Some(TerminalStreams { input, output }) = child.take_terminal_streams()? else {
        return super::wait_for(child, signals, None, true);
    };
    let raw = if interactive { RawMode::enter()? } else { None };
    let mut outputs = Outputs::default();
    outputs.add(output, Relayed::stdout(), &signals.tell);
    // The terminal closes with its input, which is therefore kept where nothing is typed.
    let unused = if raw.is_some() { type_keys(input, signals) } else { Some(input) };
    let ended = until_end(&mut child, &mut outputs, signals);
    drop((raw, unused));
    match ended {
        Ok(None) => Ok(child.wait()?.docker_code()),
        Ok(Some(signal)) => {
            end(&mut child);
            Ok(code_of_signal(signal))
        }
        Err(failure) => {
            end(&mut child);
            Err(failure)
        }
    }
}

/// Returns the signal that ends this program, or none when the command has ended and its output is shown.
fn until_end(child: &mut Child, outputs: &mut Outputs, signals: &Signals) -> Result<Option<i32>, Failure> {
    let mut known = size();
    loop {
        match signals.next(Some(SIZE_INTERVAL)) {
            Some(Happening::Signal(signal)) => return Ok(Some(signal)),
            Some(Happening::Ended) => outputs.open -= 1,
            Some(Happening::Failed(failure)) => return Err(failure),
            Some(Happening::Keys) | None => {}
        }
        if child.try_wait()?.is_some() {
            outputs.drain(signals)?;
            return Ok(None);
        }
        if outputs.open == 0 {
            // Nobody holds the terminal any more.
            child.wait()?;
            return Ok(None);
        }
        let now = size();
        if now != known {
            known = now;
            if let Some(size) = now {
                child.resize(size)?;
            }
        }
    }
}

/// Passes keys on, in a thread that ends with this program.
fn type_keys(mut input: ChildStdin, signals: &Signals) -> Option<ChildStdin> {
    let tell = signals.tell.clone();
    thread::spawn(move || {
        let mut keys = Keys::default();
        loop {
            let typed = match keys.read() {
                Ok(typed) => typed,
                Err(error) => {
                    _ = tell.send(Happening::Failed(Error::io(error, "read keys").into()));
                    return;
                }
            };
            // A terminal that is gone is noticed by its output.
            if input.write_all(&typed).is_err() {
                return;
            }
        }
    });
    None
}
