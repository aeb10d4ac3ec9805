//! `logs`.

use containerv::{ErrorKind, LogEntry, LogOptions, LogStream};

use super::Session;
use crate::failure::Failure;
use crate::output::{self, relayed::Relayed, report, style::Style};
use crate::syntax::Parsed;
use crate::value::{self, time};

/// Prints what a container has written, to standard output and standard error as it was.
pub fn logs(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let now = time::now_unix_ns();
    let tail = parsed.read("tail", |text| match text {
        "all" | "-1" => Ok(None),
        _ => value::number(text, 0u64, u64::from(u32::MAX)).map(Some),
    })?;
    let options = LogOptions {
        follow: parsed.switch("follow"),
        since_unix_ns: parsed.read("since", |text| time::parse(text, now))?,
        until_unix_ns: parsed.read("until", |text| time::parse(text, now))?,
        tail: tail.flatten(),
        ..LogOptions::default()
    };
    let container = session.container(parsed.operand(0)?)?;
    let labels: Vec<String> = match parsed.switch("details") {
        true => container.request().labels.iter().map(|(name, label)| format!("{name}={label}")).collect(),
        false => Vec::new(),
    };
    let details = if parsed.switch("details") { format!("{} ", labels.join(",")) } else { String::new() };
    let stamps = parsed.switch("timestamps");
    // A line longer than the log's lines comes in several entries, of which only the first gets a lead.
    let mut streams = [(Relayed::stdout(), true), (Relayed::stderr(), true)];
    let mut code = 0;
    for entry in container.logs(options)? {
        match entry {
            Ok(entry) => write(&entry, stamps, &details, &mut streams)?,
            // What follows a damaged line can still be read.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                output::message(&report::render(&error, Style::for_stderr()));
                code = 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(code)
}

/// Writes an entry to its stream, of which is known whether a line begins there.
fn write(
    entry: &LogEntry,
    stamps: bool,
    details: &str,
    streams: &mut [(Relayed, bool); 2],
) -> Result<(), Failure> {
    let (stream, begin) = &mut streams[usize::from(entry.stream == LogStream::Stderr)];
    let mut line = Vec::with_capacity(entry.data.len() + 40);
    if *begin {
        if stamps {
            line.extend_from_slice(format!("{} ", time::rfc3339(entry.time_unix_ns)).as_bytes());
        }
        line.extend_from_slice(details.as_bytes());
    }
    line.extend_from_slice(&entry.data);
    *begin = entry.data.ends_with(b"\n");
    stream.write(&line)
}
