//! Logs of supervised containers, in Docker's `json-file` form.

use std::fs;

use containerv::Container;
use containerv::spec::request::{Log, LogDriver};
use containerv_tests::{Bed, shell};
use serde_json::Value;

/// Runs a script to its end and returns the container.
fn finished(bed: &Bed, script: &str, log: Log) -> Container {
    let mut request = bed.request();
    request.process = Some(shell(script));
    request.log = log;
    let container = Container::run_detached(bed.host(), request).unwrap();
    container.wait().unwrap();
    container
}

fn entries(container: &Container, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(container.directory().unwrap().join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_line_is_an_entry_with_its_stream_and_time() {
    let bed = Bed::new();
    let container =
        finished(&bed, "echo one; sleep 0.05; echo two >&2; sleep 0.05; printf three", Log::default());
    let entries = entries(&container, "container.log");
    let seen: Vec<_> = entries.iter().map(|entry| (&entry["stream"], &entry["log"])).collect();
    let expected = [("stdout", "one\n"), ("stderr", "two\n"), ("stdout", "three")];
    assert_eq!(seen.len(), 3, "{entries:?}");
    for ((stream, log), (wanted_stream, wanted)) in seen.iter().zip(expected) {
        assert_eq!((stream.as_str(), log.as_str()), (Some(wanted_stream), Some(wanted)));
    }
    let times: Vec<&str> = entries.iter().map(|entry| entry["time"].as_str().unwrap()).collect();
    assert!(
        times.is_sorted() && times.iter().all(|time| time.len() == 30 && time.ends_with('Z')),
        "{times:?}"
    );
}

#[test]
fn bytes_that_are_no_text_do_not_break_the_form() {
    let bed = Bed::new();
    let script = r#"printf '\377\000\001"\\\t\033[0m \303\251 \355\240\200\n'"#;
    let entries = entries(&finished(&bed, script, Log::default()), "container.log");
    assert_eq!(entries.len(), 1);
    let text = entries[0]["log"].as_str().unwrap();
    assert!(text.contains('é') && text.contains("\"\\\t\u{1b}[0m"), "{text:?}");
    assert!(text.ends_with('\n'));
}

#[test]
fn long_lines_are_parted_and_complete() {
    let bed = Bed::new();
    let script = "head -c 100000 /dev/zero | tr '\\0' x; echo";
    let entries = entries(&finished(&bed, script, Log::default()), "container.log");
    let text: String = entries.iter().map(|entry| entry["log"].as_str().unwrap()).collect();
    assert_eq!(text, "x".repeat(100_000) + "\n");
    assert!(entries.len() > 1);
}

#[test]
fn one_file_never_grows_beyond_its_size() {
    let bed = Bed::new();
    let log = Log { driver: LogDriver::JsonFile, max_bytes: 4096, max_files: 1 };
    let container = finished(&bed, "seq 1 5000", log);
    let size = fs::metadata(container.directory().unwrap().join("container.log")).unwrap().len();
    assert!(size < 4096 + 256, "{size}");
    assert_eq!(entries(&container, "container.log").last().unwrap()["log"], "5000\n");
}
