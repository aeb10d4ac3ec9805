//! Logs of supervised commands.

use containerv::spec::request::{Log, LogDriver};
use containerv::{Container, ErrorKind, LogEntry, LogOptions, LogStream};
use containerv_tests::Bed;
use containerv_tests::inside::{self, doing};

use crate::{assert_error, prepared};

/// Runs a command to its end and returns the container.
fn finished(bed: &Bed, words: &str, log: Log) -> Container {
    let mut request = bed.request();
    request.process = Some(doing(words));
    request.log = log;
    let container = Container::run_detached(bed.host(), request).unwrap();
    container.wait().unwrap();
    container
}

fn entries(container: &Container, options: LogOptions) -> Vec<LogEntry> {
    container.logs(options).unwrap().map(Result::unwrap).collect()
}

fn words(entries: &[LogEntry]) -> String {
    inside::text(&entries.iter().flat_map(|entry| entry.data.clone()).collect::<Vec<u8>>())
}

#[test]
fn each_line_is_an_entry_with_its_stream_and_time() {
    let bed = Bed::with_program();
    let container = finished(&bed, "echo one + sleep 60 + error two + sleep 60 + echo three", Log::default());
    let all = entries(&container, LogOptions::default());
    let seen: Vec<_> = all.iter().map(|entry| (entry.stream, inside::text(&entry.data))).collect();
    let expected = [(LogStream::Stdout, "one"), (LogStream::Stderr, "two"), (LogStream::Stdout, "three")];
    assert_eq!(seen, expected.map(|(stream, text)| (stream, text.to_owned())));
    assert!(all.is_sorted_by_key(|entry| entry.time_unix_ns));
    let only =
        |stdout, stderr| words(&entries(&container, LogOptions { stdout, stderr, ..LogOptions::default() }));
    assert_eq!((only(true, false), only(false, true)), ("one\nthree".into(), "two".into()));
    let tail = entries(&container, LogOptions { tail: Some(1), ..LogOptions::default() });
    assert_eq!(words(&tail), "three");
    let since = LogOptions { since_unix_ns: Some(all[1].time_unix_ns), ..LogOptions::default() };
    assert_eq!(words(&entries(&container, since)), "two\nthree");
    let until = LogOptions { until_unix_ns: Some(all[1].time_unix_ns), ..LogOptions::default() };
    assert_eq!(words(&entries(&container, until)), "one\ntwo");
}

#[test]
fn a_follower_hears_everything_until_the_end() {
    let bed = Bed::with_program();
    let container = prepared(&bed, doing("numbers 50 + sleep 100 + numbers 20"));
    let options = LogOptions { follow: true, ..LogOptions::default() };
    container.start().unwrap();
    let following = container.clone();
    let heard = std::thread::spawn(move || words(&entries(&following, options))).join().unwrap();
    assert_eq!(heard.lines().count(), 70, "{heard}");
    assert!(heard.ends_with("\n20"), "{heard}");
}

#[test]
fn long_lines_are_parted_and_complete() {
    let bed = Bed::with_program();
    let long = "x".repeat(20_000);
    let container = finished(&bed, &format!("echo {long}"), Log::default());
    let all = entries(&container, LogOptions::default());
    assert!(all.len() > 1);
    assert_eq!(words(&all), long);
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_go() {
    let bed = Bed::with_program();
    let log = Log { driver: LogDriver::JsonFile, max_bytes: 4096, max_files: 3 };
    let container = finished(&bed, "numbers 1000", log);
    let directory = container.directory().unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("container.log") {
            assert!(entry.metadata().unwrap().len() < 4096 + 256, "{name}");
            names.push(name);
        }
    }
    names.sort();
    assert_eq!(names, ["container.log", "container.log.1", "container.log.2"]);
    let lines = words(&entries(&container, LogOptions::default()));
    let numbers: Vec<u32> = lines.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(numbers.last(), Some(&1000));
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn a_second_run_goes_on_in_the_same_log() {
    let bed = Bed::with_program();
    let container = finished(&bed, "echo run", Log::default());
    container.start().unwrap();
    container.wait().unwrap();
    assert_eq!(words(&entries(&container, LogOptions::default())), "run\nrun");
}

#[test]
fn what_has_no_log_says_so() {
    let bed = Bed::with_program();
    let none = finished(&bed, "echo x", Log { driver: LogDriver::None, ..Log::default() });
    assert!(!none.directory().unwrap().join("container.log").exists());
    let keeper = bed.keeper(|_| {});
    for container in [none, keeper] {
        assert_error(&container.logs(LogOptions::default()).unwrap_err(), ErrorKind::InvalidState, "");
    }
}
