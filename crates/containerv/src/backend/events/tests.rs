use std::path::PathBuf;

use containerv_spec::state::Exit;

use super::file::{FILES, MAX_BYTES, append};
use super::system::Appended;
use super::*;
use crate::backend::system::{Events, System};
use crate::{Error, Result};

/// A host of a test's own, without containers.
struct Scratch {
    path: PathBuf,
    system: std::sync::Arc<System>,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("containerv-events-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let system = std::sync::Arc::new(System::new(path.join("run"), path.join("data"), None));
        Self { path, system }
    }

    fn log(&self) -> &System {
        &self.system
    }

    fn path(&self, name: &str) -> PathBuf {
        self.log().log_directory().join(name)
    }

    fn add(&self, subject: &Subject, action: &str, time: u64) {
        append(self.log(), |_| vec![subject.event(action, time, &[])]).unwrap();
    }

    fn last(&self, subject: &Subject) -> Option<Last> {
        let mut last = None;
        append(self.log(), |held| {
            last = held.last(&subject.id);
            Vec::new()
        })
        .unwrap();
        last
    }

    fn read(&self) -> Vec<Result<Event, Error>> {
        self.system.events(0, false).unwrap().collect_all()
    }

    fn actions(&self) -> Vec<String> {
        self.read().into_iter().map(|event| event.unwrap().action).collect()
    }
}

impl Events {
    fn collect_all(mut self) -> Vec<Result<Event, Error>> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn subject(number: u8) -> Subject {
    let id = ContainerId::from_random([number; 32]);
    Subject { name: format!("c{number}"), id, attributes: BTreeMap::new() }
}

fn exit(finished_unix_ns: u64, out_of_memory: bool) -> Option<Exit> {
    Some(Exit { code: 3, signal: None, out_of_memory, finished_unix_ns })
}

#[test]
fn an_end_is_told_once_whoever_sees_it() {
    let scratch = Scratch::new("once");
    let one = subject(1);
    scratch.add(&one, action::CREATE, 1);
    scratch.add(&one, action::START, 2);
    let end = End { started: true, exit: exit(3, true), ..End::default() };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| scratch.system.announce_end_of(&one, end));
        }
    });
    assert_eq!(scratch.last(&one), Some(Last::Died));
    for _ in 0..3 {
        scratch.system.announce_end_of(&one, End { destroyed: true, ..end });
    }
    let events: Vec<Event> = scratch.read().into_iter().map(Result::unwrap).collect();
    let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["create", "start", "oom", "die", "destroy"]);
    assert_eq!((events[3].time_unix_ns, events[3].attributes["exitCode"].as_str()), (3, "3"));
    assert!(events[4].attributes.is_empty());
}

#[test]
fn a_crash_is_told_once_in_each_run() {
    let scratch = Scratch::new("crash");
    let one = subject(1);
    let request = serde_json::json!({"id": one.id, "name": "c1", "root": "host"});
    let request: Request = serde_json::from_value(request).unwrap();
    for time in [10, 20] {
        scratch.add(&one, action::START, time);
        for _ in 0..2 {
            scratch.log().announce_crash(&request, &[("crashStatus", "0x8037011C".to_owned())]);
        }
        scratch.add(&one, action::DIE, time + 1);
    }
    assert_eq!(scratch.actions(), ["start", "crash", "die", "start", "crash", "die", "destroy"]);
    let events: Vec<Event> = scratch.read().into_iter().map(Result::unwrap).collect();
    assert_eq!(events[1].attributes["crashStatus"], "0x8037011C");
    assert!(Subject::of_event(&events[1]).attributes.is_empty());
}

#[test]
fn every_run_has_an_end_of_its_own() {
    let scratch = Scratch::new("runs");
    let one = subject(1);
    let end = |time| End { started: true, exit: exit(time, false), ..End::default() };
    for time in [10, 20] {
        scratch.add(&one, action::START, time);
        scratch.system.announce_end_of(&one, end(time + 1));
    }
    // Its directory does not exist: that it is gone is noticed when the events are read.
    assert_eq!(scratch.actions(), ["start", "die", "start", "die", "destroy"]);
}

#[test]
fn what_was_dropped_from_the_log_is_not_told_again() {
    let scratch = Scratch::new("dropped");
    let (one, two) = (subject(1), subject(2));
    scratch.add(&two, action::KILL, 1000);
    let end = |time| End { started: true, exit: exit(time, false), ..End::default() };
    scratch.system.announce_end_of(&one, end(999));
    assert_eq!(scratch.last(&one), None);
    scratch.system.announce_end_of(&one, end(1001));
    assert_eq!(scratch.last(&one), Some(Last::Died));
}

#[test]
fn the_log_is_bounded_and_searched_over_both_files() {
    let scratch = Scratch::new("bounded");
    let (old, noise) = (subject(1), subject(2));
    scratch.add(&old, action::START, 1);
    let newest = scratch.path("events");
    while !scratch.path("events.1").exists() {
        let many = (0..500).map(|time| noise.event(action::KILL, time, &[])).collect();
        append(scratch.log(), |_| many).unwrap();
    }
    assert_eq!(scratch.last(&old), Some(Last::Started));
    assert_eq!(scratch.last(&noise), None);
    let sizes = |name: &str| std::fs::metadata(scratch.path(name)).map_or(0, |it| it.len());
    for _ in 0..3 {
        std::fs::write(&newest, vec![b'\n'; MAX_BYTES as usize]).unwrap();
        scratch.add(&noise, action::START, 1);
        assert!(sizes("events") < 1000 && sizes("events.1") <= MAX_BYTES + (200 << 10));
    }
    assert!(!scratch.path(&format!("events.{FILES}")).exists());
    assert_eq!(scratch.last(&old), None);
}

#[test]
fn damaged_lines_are_told_and_passed_over() {
    let scratch = Scratch::new("damaged");
    let one = subject(1);
    scratch.add(&one, action::CREATE, 1);
    let path = scratch.path("events");
    let mut text = std::fs::read(&path).unwrap();
    let mut hostile = text.clone();
    hostile.truncate(hostile.len() - 5);
    hostile.extend_from_slice(b"\n\xff\xfe\n{}\n");
    hostile.extend(vec![b'x'; MAX_LINE + 100_000]);
    hostile.push(b'\n');
    hostile.append(&mut text);
    std::fs::write(&path, &hostile).unwrap();
    assert_eq!(scratch.last(&one), Some(Last::Created));
    let found = scratch.read();
    let errors: Vec<String> =
        found.iter().filter_map(|it| it.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[1].contains(&format!("`{}` is damaged in line 2: ", path.display())), "{errors:?}");
    assert!(found[4].is_ok());
}

#[test]
fn a_lock_that_is_never_let_go_does_not_stop_anybody() {
    let scratch = Scratch::new("stuck");
    let one = subject(1);
    scratch.add(&one, action::CREATE, 1);
    let path = scratch.path("events");
    let mut held = Appended::open(&path).unwrap();
    assert!(held.try_lock().unwrap());
    let begin = std::time::Instant::now();
    scratch.add(&one, action::START, 2);
    assert!(begin.elapsed() < std::time::Duration::from_secs(2));
    assert_eq!(std::fs::read(&path).unwrap().iter().filter(|byte| **byte == b'\n').count(), 2);
}

#[test]
fn concurrent_appends_lose_nothing_over_rotations() {
    let scratch = Scratch::new("storm");
    let write = |thread: u8| {
        for number in 0..400 {
            append(scratch.log(), |_| vec![padded(thread, number)]).unwrap();
        }
    };
    let end = subject(9);
    let mut events = scratch.system.events(0, true).unwrap();
    std::thread::scope(|scope| {
        let writers = [0, 1, 2, 3].map(|thread| scope.spawn(move || write(thread)));
        let scratch = &scratch;
        let last = end.clone();
        scope.spawn(move || {
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            scratch.add(&last, action::KILL, 0);
        });
        let mut next: BTreeMap<ContainerId, u64> = BTreeMap::new();
        let mut told_of_loss = false;
        loop {
            match events.next().unwrap() {
                Ok(event) if event.id == end.id => break,
                Ok(event) => {
                    let expected = next.entry(event.id).or_insert(0);
                    assert!(event.time_unix_ns >= *expected);
                    // A reader that gets no processor time while two files are filled has lost one.
                    assert!(told_of_loss || event.time_unix_ns == *expected);
                    *expected = event.time_unix_ns + 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), crate::ErrorKind::ResourceExhausted, "{error:?}");
                    told_of_loss = true;
                }
            }
        }
        assert!(told_of_loss || next.values().eq(&[400; 4]));
    });
    assert!(scratch.path("events.1").exists());
}

fn padded(thread: u8, number: u64) -> Event {
    let mut subject = subject(thread);
    subject.attributes.insert("pad".to_owned(), "x".repeat(1500));
    subject.event(action::KILL, number, &[])
}

#[test]
fn a_reader_that_was_too_slow_is_told_so_and_no_other() {
    let scratch = Scratch::new("slow");
    let fill = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            append(scratch.log(), |_| vec![padded(1, number)]).unwrap();
        }
    };
    // About 600 of these make a file.
    let mut from_nothing = scratch.system.events(0, true).unwrap();
    fill(0..100);
    let mut from_some = scratch.system.events(0, true).unwrap();
    let mut drained = scratch.system.events(0, true).unwrap();
    for number in 0..100 {
        assert_eq!(drained.next().unwrap().unwrap().time_unix_ns, number);
    }
    fill(100..1000);
    for number in 100..1000 {
        assert_eq!(drained.next().unwrap().unwrap().time_unix_ns, number);
    }
    fill(1000..3000);
    for slow in [&mut from_nothing, &mut from_some, &mut drained] {
        let seen: Vec<_> = std::iter::from_fn(|| slow.next()).take_while(|it| !ends_at(it, 2999)).collect();
        // Where a file that a reader has open cannot be replaced, it waits for the reader.
        let lost = seen.iter().filter(|it| it.is_err()).count();
        assert!(lost == 1 || (cfg!(windows) && lost == 0), "{lost}");
    }
    let late = scratch.read();
    assert!(late.iter().all(Result::is_ok) && ends_at(late.last().unwrap(), 2999));
}

fn ends_at(item: &Result<Event, Error>, number: u64) -> bool {
    item.as_ref().is_ok_and(|event| event.time_unix_ns == number)
}

#[test]
fn huge_labels_are_counted_instead() {
    let id = ContainerId::from_random([1; 32]);
    let json = serde_json::json!({ "id": id, "root": "host", "labels": { "a": "x".repeat(40_000) } });
    let subject = Subject::of(&serde_json::from_value(json).unwrap());
    assert_eq!(subject.attributes["labelsLeftOut"], "1");
}

#[test]
#[cfg(unix)]
fn an_append_costs_little() {
    let scratch = Scratch::new("cost");
    let one = subject(1);
    scratch.add(&one, action::CREATE, 1);
    let mut times: Vec<_> = (0..400)
        .map(|time| {
            let begin = std::time::Instant::now();
            scratch.add(&one, action::START, time);
            scratch
                .system
                .announce_end_of(&one, End { started: true, exit: exit(time, false), ..End::default() });
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("two appends and a search: {:?} in the middle", times[200]);
    assert!(times[200] < std::time::Duration::from_millis(2));
}
