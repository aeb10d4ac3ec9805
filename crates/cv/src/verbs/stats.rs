//! `stats`.

use std::thread::sleep;
use std::time::Duration;

use containerv::{Container, ErrorKind, Stats};
use containerv_spec::ByteSize;
use containerv_spec::state::Status;
use serde_json::{Value, json};

use super::Session;
use crate::failure::Failure;
use crate::output;
use crate::output::list::{Column, Format, render};
use crate::syntax::Parsed;
use crate::terminal;

/// Time between two snapshots; CPU use is what was used in between.
const INTERVAL: Duration = Duration::from_secs(1);

const COLUMNS: &[Column] = &[
    Column { heading: "CONTAINER ID", field: "ID", most: usize::MAX },
    Column { heading: "NAME", field: "Name", most: 40 },
    Column { heading: "CPU %", field: "CPUPerc", most: usize::MAX },
    Column { heading: "MEM USAGE / LIMIT", field: "MemUsage", most: usize::MAX },
    Column { heading: "MEM %", field: "MemPerc", most: usize::MAX },
    Column { heading: "NET I/O", field: "NetIO", most: usize::MAX },
    Column { heading: "BLOCK I/O", field: "BlockIO", most: usize::MAX },
    Column { heading: "PIDS", field: "PIDs", most: usize::MAX },
];

/// A container with its last snapshot.
struct Watched {
    container: Container,
    before: Option<Stats>,
}

/// Shows what containers use.
pub fn stats(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let format = parsed.read("format", Format::parse)?.unwrap_or(Format::Table);
    let truncate = !parsed.switch("no-trunc");
    let live = !parsed.switch("no-stream");
    // Escape sequences clear the screen only where there is one.
    let redraw = live && matches!(format, Format::Table) && terminal::takes_escapes(&std::io::stdout());
    let mut watched: Vec<Watched> = Vec::new();
    loop {
        refresh(session, parsed, &mut watched)?;
        if watched.iter().any(|one| one.before.is_none() && runs(&one.container)) {
            measure(&mut watched, truncate)?;
            sleep(INTERVAL);
        }
        let objects = measure(&mut watched, truncate)?;
        let text = render(&format, COLUMNS, &objects, truncate)?;
        output::print(if redraw { format!("\x1b[H\x1b[2J{text}") } else { text })?;
        let named = !parsed.operands.is_empty();
        if !live || (named && watched.iter().all(|one| !runs(&one.container))) {
            return Ok(0);
        }
        sleep(INTERVAL);
    }
}

/// Takes up containers that were started meanwhile and lets go of those that are gone.
fn refresh(session: &Session, parsed: &Parsed, watched: &mut Vec<Watched>) -> Result<(), Failure> {
    if !parsed.operands.is_empty() {
        if watched.is_empty() {
            for reference in parsed.operand_texts()? {
                watched.push(Watched { container: session.container(reference)?, before: None });
            }
        }
        return Ok(());
    }
    let all = parsed.switch("all");
    let current: Vec<Container> =
        session.host()?.containers()?.into_iter().filter(|container| all || runs(container)).collect();
    watched.retain(|one| current.iter().any(|container| container.id() == one.container.id()));
    for container in current {
        if !watched.iter().any(|one| one.container.id() == container.id()) {
            watched.push(Watched { container, before: None });
        }
    }
    Ok(())
}

fn runs(container: &Container) -> bool {
    container.state().is_ok_and(|state| matches!(state.status, Status::Running | Status::Paused))
}

fn measure(watched: &mut [Watched], truncate: bool) -> Result<Vec<Value>, Failure> {
    let mut objects = Vec::new();
    for one in watched {
        if !runs(&one.container) {
            objects.push(absent(&one.container, truncate));
            continue;
        }
        match one.container.stats() {
            Ok(stats) => {
                objects.push(describe(&one.container, one.before.as_ref(), &stats, truncate));
                one.before = Some(stats);
            }
            // It ended between two snapshots, or does not run.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidState | ErrorKind::NotFound) => {
                objects.push(absent(&one.container, truncate));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(objects)
}

fn id(container: &Container, truncate: bool) -> &str {
    if truncate { container.id().short() } else { container.id().as_str() }
}

fn absent(container: &Container, truncate: bool) -> Value {
    json!({
        "ID": id(container, truncate), "Name": container.name(), "CPUPerc": "--", "MemUsage": "-- / --",
        "MemPerc": "--", "NetIO": "--", "BlockIO": "--", "PIDs": "--",
    })
}

fn describe(container: &Container, before: Option<&Stats>, stats: &Stats, truncate: bool) -> Value {
    let size = |bytes: u64| ByteSize::bytes(bytes).to_string();
    let (received, sent) = stats
        .network
        .iter()
        .filter(|interface| interface.name != "lo")
        .fold((0, 0), |(received, sent), interface| {
            (received + interface.rx_bytes, sent + interface.tx_bytes)
        });
    // What is taken back first when memory is needed is not counted, as Docker does.
    let used = stats.memory_usage.saturating_sub(stats.memory_inactive_file);
    let counted = |field: &str, text: String| match stats.not_counted.contains(&field) {
        true => "--".to_owned(),
        false => text,
    };
    let limit = stats.memory_limit.map_or("--".to_owned(), size);
    let memory = stats.memory_limit.map_or("--".to_owned(), |limit| percent(used, limit));
    let cpu =
        before.filter(|_| !stats.not_counted.contains(&"cpu_total_ns")).map_or("--".to_owned(), |before| {
            let used = stats.cpu_total_ns.saturating_sub(before.cpu_total_ns);
            percent(used, stats.timestamp_unix_ns.saturating_sub(before.timestamp_unix_ns))
        });
    json!({
        "ID": id(container, truncate),
        "Name": container.name(),
        "Container": container.name(),
        "CPUPerc": cpu,
        "MemUsage": format!("{} / {limit}", counted("memory_usage", size(used))),
        "MemPerc": memory,
        "NetIO": format!("{} / {}", size(received), size(sent)),
        "BlockIO": format!(
            "{} / {}",
            counted("io_read_bytes", size(stats.io_read_bytes)),
            counted("io_write_bytes", size(stats.io_write_bytes))
        ),
        "PIDs": counted("pids_current", stats.pids_current.to_string()),
    })
}

/// Returns a share with two decimal places, without floating point.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = if whole == 0 { 0 } else { u128::from(part) * 10_000 / u128::from(whole) };
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_decimal_places() {
        assert_eq!(percent(1, 3), "33.33%");
        assert_eq!(percent(3, 2), "150.00%");
        assert_eq!(percent(1, 0), "0.00%");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.00%");
    }
}
