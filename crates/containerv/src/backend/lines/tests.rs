use std::fs;
use std::io::Write;
use std::path::Path;

use super::backwards::Verdict;
use super::*;

/// A directory of a test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("containerv-lines-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn series(&self, files: u32) -> Series {
        let directory = open_directory(&self.0).unwrap().unwrap();
        Series { directory, path: self.0.clone(), name: "log", files, max_line: 20 }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn append(&self, text: &str) {
        append(&self.0.join("log"), text);
    }

    /// Rotates as a monitor does.
    fn rotate(&self, files: u32) {
        for number in (0..files - 1).rev() {
            let from = if number == 0 { "log".to_owned() } else { format!("log.{number}") };
            let _ = fs::rename(self.0.join(from), self.0.join(format!("log.{}", number + 1)));
        }
        self.write("log", "");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Reads what there is now; damaged lines as `!`, with their place.
fn read(lines: &mut Lines) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        found.push(show(lines, line));
    }
    found
}

fn show(lines: &Lines, line: Line) -> String {
    match line {
        Line::Whole(bytes) => String::from_utf8(bytes).unwrap(),
        other => {
            let place = lines.place();
            format!("{other:?} {}:{}", place.path.file_name().unwrap().to_string_lossy(), place.number)
        }
    }
}

#[test]
fn rotated_files_are_read_oldest_first_over_gaps() {
    let scratch = Scratch::new("order");
    scratch.write("log.3", "a\nb\n");
    scratch.write("log.1", "c\n");
    scratch.write("log", "d\ne");
    scratch.write("log.9", "beyond\n");
    let mut lines = Lines::open(scratch.series(4), false).unwrap();
    assert_eq!(read(&mut lines), ["a", "b", "c", "d"]);
    let rest = lines.rest().unwrap();
    assert_eq!(show(&lines, rest), "CutOff log:2");
    assert_eq!(lines.rest(), None);
}

#[test]
fn a_snapshot_ends_where_the_file_ended() {
    let scratch = Scratch::new("snapshot");
    scratch.append("a\n");
    let mut lines = Lines::open(scratch.series(2), false).unwrap();
    scratch.append("b\n");
    scratch.rotate(2);
    scratch.append("c\n");
    assert_eq!(read(&mut lines), ["a"]);
}

#[test]
fn long_and_cut_off_lines_are_damaged_and_the_next_ones_are_not() {
    let scratch = Scratch::new("long");
    let long = "x".repeat(200_000);
    scratch.write("log.1", &format!("one\n{long}\ntwo\n{}\ncut", "y".repeat(21)));
    scratch.write("log", &format!("three\n{}\n", "z".repeat(20)));
    let mut lines = Lines::open(scratch.series(2), false).unwrap();
    let found = read(&mut lines);
    let expected = ["one", "TooLong log.1:2", "two", "TooLong log.1:4", "CutOff log.1:5", "three"];
    assert_eq!(found[..6], expected);
    assert_eq!(found[6].len(), 20);
}

#[test]
fn a_follower_sees_lines_only_when_they_are_whole() {
    let scratch = Scratch::new("whole");
    let mut lines = Lines::open(scratch.series(3), true).unwrap();
    assert!(read(&mut lines).is_empty());
    scratch.append("a\nb");
    assert_eq!(read(&mut lines), ["a"]);
    scratch.append("c\n");
    assert_eq!(read(&mut lines), ["bc"]);
}

#[test]
fn a_follower_loses_nothing_in_rotations() {
    let scratch = Scratch::new("rotations");
    scratch.append("0\n");
    let mut lines = Lines::open(scratch.series(4), true).unwrap();
    assert_eq!(read(&mut lines), ["0"]);
    scratch.append("1\n");
    scratch.rotate(4);
    scratch.append("2\n");
    scratch.rotate(4);
    scratch.append("3\n");
    assert_eq!(read(&mut lines), ["1", "2", "3"]);
    scratch.rotate(4);
    assert!(read(&mut lines).is_empty());
    scratch.append("4\n");
    assert_eq!(read(&mut lines), ["4"]);
}

#[test]
fn a_follower_survives_a_rotation_at_every_moment() {
    let scratch = Scratch::new("race");
    scratch.append("");
    let mut lines = Lines::open(scratch.series(200), true).unwrap();
    let path = scratch.0.clone();
    let writer = std::thread::spawn(move || {
        let scratch = Scratch(path);
        for number in 0..3000 {
            append(&scratch.0.join("log"), &format!("{number}\n"));
            if number % 20 == 19 {
                scratch.rotate(200);
            }
        }
        std::mem::forget(scratch);
    });
    let mut found = Vec::new();
    while found.len() < 3000 {
        let finished = writer.is_finished();
        let more = read(&mut lines);
        assert!(!finished || !more.is_empty(), "lines are missing: {}", found.len());
        found.extend(more);
    }
    writer.join().unwrap();
    let expected: Vec<String> = (0..3000).map(|number| number.to_string()).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_truncated_file_is_read_from_its_beginning() {
    let scratch = Scratch::new("truncated");
    scratch.append("aaaa\nbb");
    let mut lines = Lines::open(scratch.series(1), true).unwrap();
    assert_eq!(read(&mut lines), ["aaaa"]);
    scratch.write("log", "c\n");
    assert_eq!(read(&mut lines), ["c"]);
}

#[test]
#[cfg(unix)]
fn a_link_in_place_of_a_file_is_refused() {
    let scratch = Scratch::new("link");
    std::os::unix::fs::symlink("/etc/passwd", scratch.0.join("log")).unwrap();
    let error = Lines::open(scratch.series(1), false).unwrap_err();
    assert!(error.to_string().contains("ELOOP"), "{error}");
}

fn last(scratch: &Scratch, wanted: u64, judge: impl FnMut(&Line) -> Verdict) -> Vec<String> {
    let mut lines = Lines::open(scratch.series(3), false).unwrap();
    lines.begin_at_last(wanted, judge).unwrap();
    read(&mut lines)
}

#[test]
fn the_last_lines_are_found_over_files_and_blocks() {
    let scratch = Scratch::new("tail");
    let text = |range: std::ops::Range<u32>| range.map(|n| format!("{n}\n")).collect::<String>();
    scratch.write("log.2", &text(0..30_000));
    scratch.write("log.1", &text(30_000..60_000));
    scratch.write("log", &(text(60_000..90_000) + "unfinished"));
    for wanted in [0, 1, 7, 29_999, 30_000, 30_001, 65_000, 90_000, 1_000_000] {
        let found = last(&scratch, wanted, |_| Verdict::Counts);
        let expected: Vec<String> = (90_000 - wanted.min(90_000)..90_000).map(|n| n.to_string()).collect();
        assert!(found == expected, "{wanted}: {} lines", found.len());
    }
}

#[test]
fn the_judge_decides_what_counts() {
    let scratch = Scratch::new("judge");
    scratch.append(&format!("old\na1\nb1\na2\n{}\nb2\n", "x".repeat(100_000)));
    let is = |line: &Line, letter: u8| matches!(line, Line::Whole(bytes) if bytes.first() == Some(&letter));
    let only_a = |line: &Line| if is(line, b'b') { Verdict::Passes } else { Verdict::Counts };
    assert_eq!(last(&scratch, 2, only_a), ["a2", "TooLong log:5", "b2"]);
    let until_old = |line: &Line| if is(line, b'o') { Verdict::Ends } else { Verdict::Counts };
    assert_eq!(last(&scratch, 99, until_old), ["a1", "b1", "a2", "TooLong log:5", "b2"]);
}

proptest::proptest! {
    #[test]
    fn any_content_gives_the_same_lines_from_behind(content in "[ab\n]{0,200}", wanted in 0u64..50) {
        let scratch = Scratch::new("any");
        scratch.append(&content);
        let whole: Vec<&str> = match content.rsplit_once('\n') {
            Some((before, _)) => before.split('\n').collect(),
            None => Vec::new(),
        };
        let kept = whole.len().saturating_sub(wanted as usize);
        let mut lines = Lines::open(scratch.series(1), false).unwrap();
        lines.begin_at_last(wanted, |_| Verdict::Counts).unwrap();
        let found = read(&mut lines);
        proptest::prop_assert_eq!(found.len(), whole.len() - kept);
        for (found, expected) in found.iter().zip(&whole[kept..]) {
            proptest::prop_assert!(found == expected || expected.len() > 20);
        }
    }
}
