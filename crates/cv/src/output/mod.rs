//! What verbs print: tables, JSON, templates, and errors.

use std::io::{self, Write as _};

use containerv::{Error, Skipped};

use crate::failure::Failure;

pub mod filter;
pub mod list;
pub mod relayed;
pub mod report;
pub mod style;
pub mod table;
pub mod template;

/// Writes data to standard output at once.
///
/// # Errors
///
/// It cannot be written.
pub fn print(data: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(data.as_ref()).and_then(|()| output.flush()).map_err(write_failure)
}

/// Turns a failure of writing to standard output into a verb's failure.
pub fn write_failure(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Error::io(error, "write to standard output").into(),
    }
}

/// Warns of what a copy or an unpacking has left out: of the entries that are named, and how many there are.
pub fn warn_left_out(named: &[Skipped], count: u64) {
    let warning = style::Style::for_stderr().warn("warning:");
    for skipped in named {
        message(&format!("{warning} {skipped}\n"));
    }
    let more = count.saturating_sub(named.len() as u64);
    if more > 0 {
        message(&format!("{warning} and {more} more\n"));
    }
}

/// Writes a message to standard error. There is nobody to tell if that fails.
pub fn message(text: &str) {
    _ = io::stderr().lock().write_all(text.as_bytes());
}
