//! The memory that an idle detached container keeps, apart from the container's own process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cases::{Values, value};
use super::contender::{Action, Contender};
use super::place::Place;
use crate::failure::{Failure, Result};
use crate::workspace;

const PSS: &str = "left per idle container, PSS, KiB";
const PRIVATE: &str = "left per idle container, private, KiB";
pub(super) const METRICS: &[&str] = &[PSS, PRIVATE];

/// A runtime may still be busy with the start when its command has come back.
const SETTLING: Duration = Duration::from_millis(300);

pub(super) fn idle(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    if !contender.has_state() {
        return Ok(Vec::new());
    }
    let id = format!("idle{round}");
    let mut keeper = start(place, contender, &id)?;
    let measured = left(&mut keeper).map(|processes| sum(&processes));
    let deleted = contender.act(place, Action::DeleteForce, &id);
    // Its input ends, and so it does.
    drop(keeper.stdin.take());
    keeper.wait().map_err(|error| Failure::io("waiting for `measure`", &error))?;
    deleted?;
    let (pss, private) = measured?;
    Ok(vec![value(PSS, pss), value(PRIVATE, private)])
}

/// Starts a detached container; what it leaves behind becomes a child of the started program.
fn start(place: &Place, contender: &Contender, id: &str) -> Result<Child> {
    let mut measure = Command::new(place.program("measure"));
    measure.arg("-k").arg("-o").arg(place.output()).args(contender.words(place, Action::RunDetached, id));
    let child = measure.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    child.map_err(|error| Failure::io("starting `measure`", &error))
}

/// The processes left, when the command has ended well.
fn left(keeper: &mut Child) -> Result<Vec<u32>> {
    let mut line = String::new();
    if let Some(stdout) = &mut keeper.stdout {
        let read = BufReader::new(stdout.by_ref()).read_line(&mut line);
        read.map_err(|error| Failure::io("reading from `measure`", &error))?;
    }
    if line.trim() != "left 0" {
        return Err(Failure::new(format!("starting a detached container: `{}`", line.trim())));
    }
    std::thread::sleep(SETTLING);
    Ok(descendants(keeper.id()))
}

/// The kernel lists children by the thread that has them.
fn descendants(pid: u32) -> Vec<u32> {
    let threads = workspace::entries(Path::new(&format!("/proc/{pid}/task")));
    let lists = threads.iter().filter_map(|thread| fs::read_to_string(thread.join("children")).ok());
    let children: Vec<u32> = lists.flat_map(|text| numbers(&text)).collect();
    children.iter().copied().chain(children.iter().flat_map(|child| descendants(*child))).collect()
}

fn numbers(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// PSS and private memory of all processes that are not the container's own, in KiB.
fn sum(processes: &[u32]) -> (f64, f64) {
    let mut total = (0.0, 0.0);
    for pid in processes {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() == "pause" {
            continue;
        }
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        total.0 += field(&text, "Pss:");
        total.1 += field(&text, "Private_Clean:") + field(&text, "Private_Dirty:");
    }
    total
}

fn field(text: &str, name: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "Pss:                  12 kB\nPss_Dirty:             7 kB\nPrivate_Clean:         3 kB\n";
        assert_eq!(
            (field(text, "Pss:"), field(text, "Private_Clean:"), field(text, "None:")),
            (12.0, 3.0, 0.0)
        );
    }

    #[test]
    fn this_process_has_memory_and_its_child_is_found() {
        let mut child = Command::new("sleep").arg("10").spawn().unwrap();
        assert!(descendants(std::process::id()).contains(&child.id()));
        assert!(sum(&[std::process::id()]).1 > 100.0);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
