//! Logs.

use std::time::Duration;

use containerv::{Container, ErrorKind, LogEntry, LogOptions, LogStream, StdioSet};

use crate::place::{Place, can_run, now_unix_ns, wait_until};

fn texts(container: &Container, options: LogOptions) -> Vec<String> {
    let entries = container.logs(options).unwrap().map(Result::unwrap);
    entries.map(|entry| String::from_utf8(entry.data).unwrap()).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("{number}\n")).collect()
}

#[test]
fn entries_have_stream_time_and_every_byte() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let begin = now_unix_ns();
    let container = place.detached("echo out; echo err >&2; echo -n 'tab\t\"quoted\\ \u{e4}'");
    container.wait().unwrap();
    let entries: Vec<LogEntry> = container.logs(LogOptions::default()).unwrap().map(Result::unwrap).collect();
    let of = |stream| entries.iter().filter(move |it| it.stream == stream).map(|it| it.data.as_slice());
    let out: Vec<&[u8]> = of(LogStream::Stdout).collect();
    assert_eq!(out, [&b"out\n"[..], "tab\t\"quoted\\ \u{e4}".as_bytes()]);
    assert_eq!(of(LogStream::Stderr).collect::<Vec<_>>(), [&b"err\n"[..]]);
    assert!(entries.iter().all(|it| it.time_unix_ns >= begin && it.time_unix_ns <= now_unix_ns()));
    let only_errors = LogOptions { stdout: false, ..LogOptions::default() };
    assert_eq!(texts(&container, only_errors), ["err\n"]);
}

#[test]
fn tail_since_and_until_choose_entries() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.detached("seq 0 999; sleep 0.2; echo late; echo later >&2");
    container.wait().unwrap();
    let all: Vec<LogEntry> = container.logs(LogOptions::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(all.len(), 1002);
    let tail = |tail, stderr| LogOptions { tail: Some(tail), stderr, ..LogOptions::default() };
    assert_eq!(texts(&container, tail(3, false)), ["998\n", "999\n", "late\n"]);
    assert!(texts(&container, tail(0, true)).is_empty());
    assert_eq!(texts(&container, tail(5000, true)).len(), 1002);
    let late = all.iter().find(|it| it.data == b"late\n").unwrap().time_unix_ns;
    let since = LogOptions { since_unix_ns: Some(late), ..LogOptions::default() };
    assert_eq!(texts(&container, since.clone()).len(), 2);
    assert_eq!(texts(&container, LogOptions { tail: Some(100), ..since }).len(), 2);
    let until = LogOptions { until_unix_ns: Some(late - 1), tail: Some(1), ..LogOptions::default() };
    assert_eq!(texts(&container, until), ["999\n"]);
}

#[test]
fn a_follower_reads_to_the_end_over_rotations() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    for files in [1, 3] {
        let script = "i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); usleep 500; done";
        let request = place.request(Some(script), |value| {
            value["log"] =
                serde_json::json!({ "driver": "json-file", "max_bytes": 4000, "max_files": files });
        });
        let container = Container::create(&place.host, request).unwrap();
        let follower = container.clone();
        let follow = LogOptions { follow: true, ..LogOptions::default() };
        let reader = std::thread::spawn(move || texts(&follower, follow));
        std::thread::sleep(Duration::from_millis(50));
        container.start().unwrap();
        assert_eq!(reader.join().unwrap(), numbers(0..400), "{files} files");
        let left = texts(&container, LogOptions::default());
        assert!(left.len() < 200 && left.last().unwrap() == "399\n", "{} entries", left.len());
    }
}

#[test]
fn a_follower_sees_output_at_once_and_ends_with_an_auto_removed_container() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let request =
        place.request(Some("echo ready; sleep 1; echo last"), |value| value["auto_remove"] = true.into());
    let container = Container::run_detached(&place.host, request).unwrap();
    let mut logs = container.logs(LogOptions { follow: true, ..LogOptions::default() }).unwrap();
    assert_eq!(logs.next().unwrap().unwrap().data, b"ready\n");
    assert!(container.state().is_ok(), "the first line came while the container ran");
    assert_eq!(logs.next().unwrap().unwrap().data, b"last\n");
    assert!(logs.next().is_none() && logs.next().is_none());
    wait_until("removal", || container.state().is_err().then_some(()));
}

#[test]
fn following_stops_at_its_time() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.detached("echo x; sleep 1000");
    let until = now_unix_ns() + 300_000_000;
    let options = LogOptions { follow: true, until_unix_ns: Some(until), ..LogOptions::default() };
    assert_eq!(texts(&container, options), ["x\n"]);
    let late = now_unix_ns() - until;
    assert!(late < 5_000_000_000, "{late} ns late");
}

#[test]
fn damaged_lines_are_told_with_their_place_and_do_not_end_it() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.detached("echo one; echo two");
    container.wait().unwrap();
    let path = place.host.roots().1.join("containers").join(container.id().as_str()).join("container.log");
    let text = std::fs::read_to_string(&path).unwrap();
    let (one, two) = text.split_once('\n').unwrap();
    std::fs::write(&path, format!("{one}\n\x00garbage\n{two}{}", &one[..10])).unwrap();
    let found: Vec<_> = container.logs(LogOptions::default()).unwrap().collect();
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[0].as_ref().unwrap().data, b"one\n");
    assert_eq!(found[2].as_ref().unwrap().data, b"two\n");
    for (index, line) in [(1, 2), (3, 4)] {
        let error = found[index].as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let named = format!("`{}` is damaged in line {line}: ", path.display());
        assert!(error.to_string().starts_with(&named), "{error}");
    }
    let last: Vec<_> =
        container.logs(LogOptions { tail: Some(2), ..LogOptions::default() }).unwrap().collect();
    assert_eq!(last.iter().filter(|it| it.is_ok()).count(), 1, "{last:?}");
}

#[test]
fn a_container_without_a_log_says_why() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let says = |container: &Container, why: &str| {
        let error = container.logs(LogOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState);
        assert!(error.to_string().contains(why) && error.hint().is_some(), "{error}");
    };
    let request = place.request(Some("true"), |_| {});
    let (attached, mut child) = Container::run_attached(&place.host, request, StdioSet::null()).unwrap();
    child.wait().unwrap();
    says(&attached, "was run in the foreground");
    says(&place.keeper(), "has no command of its own");
    let silent = place.request(Some("true"), |value| value["log"] = serde_json::json!({ "driver": "none" }));
    says(&Container::run_detached(&place.host, silent).unwrap(), "its log driver is `none`");
}
