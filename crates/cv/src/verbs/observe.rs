//! `top`, `diff` and `events`.

use std::time::{Duration, SystemTime};

use containerv::{ChangeKind, Event, ProcessInfo};
use containerv_spec::ByteSize;
use serde_json::{Value, json};

use super::Session;
use super::system::{DocumentFormat, document_format};
use crate::failure::Failure;
use crate::output;
use crate::output::filter::Filters;
use crate::output::list::{Column, Format, render};
use crate::syntax::Parsed;
use crate::value::{time, wrong};

/// Lists the processes of a container.
pub fn top(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    const COLUMNS: &[Column] = &[
        Column { heading: "UID", field: "UID", most: usize::MAX },
        Column { heading: "PID", field: "PID", most: usize::MAX },
        Column { heading: "INSIDE", field: "PidInside", most: usize::MAX },
        Column { heading: "PPID", field: "PPID", most: usize::MAX },
        Column { heading: "S", field: "State", most: usize::MAX },
        Column { heading: "STARTED", field: "Started", most: usize::MAX },
        Column { heading: "TTY", field: "TTY", most: usize::MAX },
        Column { heading: "TIME", field: "Time", most: usize::MAX },
        Column { heading: "MEMORY", field: "Memory", most: usize::MAX },
        Column { heading: "COMMAND", field: "Command", most: 80 },
    ];
    let format = parsed.read("format", Format::parse)?.unwrap_or(Format::Table);
    let processes = session.container(parsed.operand(0)?)?.processes()?;
    let now = time::now_unix_ns();
    let objects: Vec<Value> = processes.iter().map(|process| process_document(process, now)).collect();
    output::print(render(&format, COLUMNS, &objects, !parsed.switch("no-trunc"))?)?;
    Ok(0)
}

fn process_document(process: &ProcessInfo, now: u64) -> Value {
    let command = process.command.to_string();
    let seconds = process.cpu_ns / 1_000_000_000;
    json!({
        "UID": process.uid,
        "PID": process.pid,
        "PidInside": process.pid_inside,
        "PPID": process.ppid,
        "State": process.state.to_string(),
        "Started": time::ago(process.started_unix_ns, now),
        "TTY": process.terminal.as_deref().unwrap_or("?"),
        "Time": format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        "Memory": ByteSize::bytes(process.memory_bytes).to_string(),
        // A process without arguments is a thread of the kernel or has wiped them; ps(1) brackets its name.
        "Command": if command.is_empty() { format!("[{}]", process.name) } else { command },
        "Name": process.name,
        "CPUNanoseconds": process.cpu_ns,
        "MemoryBytes": process.memory_bytes,
    })
}

/// Lists the files that a container has changed.
pub fn diff(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let json = parsed.read("format", |text| match text {
        "json" => Ok(()),
        _ => Err(wrong("expected `json`")),
    })?;
    let mut changes = session.container(parsed.operand(0)?)?.changes()?;
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    let mut text = String::new();
    for change in &changes {
        let letter = match change.kind {
            ChangeKind::Added => "A",
            ChangeKind::Modified => "C",
            ChangeKind::Deleted => "D",
        };
        match json {
            Some(()) => {
                text.push_str(&format!("{}\n", json!({ "Kind": letter, "Path": change.path.to_string() })))
            }
            None => text.push_str(&format!("{letter} {}\n", change.path)),
        }
    }
    output::print(text)?;
    Ok(0)
}

/// Prints what happens to containers.
pub fn events(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let now = time::now_unix_ns();
    let format = document_format(parsed)?;
    let filters = Filters::parse(parsed.texts("filter")?.into_iter(), &["container", "event", "label"])
        .map_err(Failure::usage)?;
    let since = parsed.read("since", |text| time::parse(text, now))?;
    let until = parsed.read("until", |text| time::parse(text, now))?;
    let since = since.map(|moment| SystemTime::UNIX_EPOCH + Duration::from_nanos(moment));
    let follow = until.is_none_or(|until| until > now);
    let mut events = session.host()?.events(since, follow)?;
    if let Some(until) = until {
        events = events.until(SystemTime::UNIX_EPOCH + Duration::from_nanos(until));
    }
    for event in events {
        let event = event?;
        if event_matches(&event, &filters) {
            output::print(event_line(&event, format.as_ref())?)?;
        }
    }
    Ok(0)
}

fn event_matches(event: &Event, filters: &Filters) -> bool {
    filters.any("container", |text| event.name == *text || event.id.as_str().starts_with(text.as_str()))
        && filters.any("event", |text| event.action == *text)
        && filters.labels(&event.attributes)
}

fn event_line(event: &Event, format: Option<&DocumentFormat>) -> Result<String, Failure> {
    let document = json!({
        "Type": "container",
        "Action": event.action,
        "Actor": { "ID": event.id.as_str(), "Attributes": event.attributes },
        "Name": event.name,
        "time": event.time_unix_ns / 1_000_000_000,
        "timeNano": event.time_unix_ns,
    });
    match format {
        Some(DocumentFormat::Json) => Ok(format!("{document}\n")),
        Some(format) => Ok(format.render(&document)?),
        None => {
            let mut attributes: Vec<String> =
                event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
            attributes.insert(0, format!("name={}", event.name));
            let moment = time::rfc3339(event.time_unix_ns);
            Ok(format!("{moment} container {} {} ({})\n", event.action, event.id, attributes.join(", ")))
        }
    }
}
