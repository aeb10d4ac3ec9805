//! Verbs on real containers, the same on both systems: what each prints is the same where it means the same.
//!
//! In the lists, `HERE` is the test's directory, `IMAGE` its root file system, `INSIDE` the program in it that does what its words say, and
//! `@tmp` a directory in it. What comes before `|` goes to standard input; `"` keeps spaces together.

#![cfg(any(target_os = "linux", windows))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use containerv_tests::Bed;
use support::{Outcome, program};

/// The program in the test's root file system.
const PROGRAM: &str = if cfg!(windows) { r"C:\inside.exe" } else { "/bin/inside" };

#[test]
fn a_command_in_the_foreground() {
    let stage = Stage::new();
    stage.bed.make_directory("shared");
    fs::write(stage.bed.path("shared/file"), "shared content\n").unwrap();
    insta::assert_snapshot!(stage.transcript(include_str!("verbs/running.txt")));
}

#[test]
fn mounts_that_come_and_go() {
    let stage = Stage::new();
    stage.bed.make_directory("shared");
    fs::write(stage.bed.path("shared/file"), "shared content\n").unwrap();
    insta::assert_snapshot!(stage.transcript(include_str!("verbs/mounts.txt")));
}

#[test]
fn a_life_in_the_background() {
    #[cfg(target_os = "linux")]
    if !rustix::process::geteuid().is_root() {
        return containerv_tests::skip("freezing and limits need root here");
    }
    insta::assert_snapshot!(Stage::new().transcript(include_str!("verbs/life.txt")));
}

#[test]
fn what_was_written_and_what_has_happened() {
    insta::assert_snapshot!(Stage::new().transcript(include_str!("verbs/telling.txt")));
}

/// Exit codes of 32 bits with their names, signals by name, drives and ports.
#[cfg(windows)]
#[test]
fn what_windows_has_of_its_own() {
    let stage = Stage::new();
    let long = stage.bed.path("long").join(["a"; 4].map(|letter| letter.repeat(100)).join("\\"));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("deep.txt"), "deep\n").unwrap();
    fs::write(stage.bed.in_root("/tmp/notes.txt"), "no program\n").unwrap();
    insta::assert_snapshot!(stage.transcript(include_str!("verbs/windows.txt")));
    assert!(stage.bed.path("back").join(long.strip_prefix(stage.bed.path("long")).unwrap()).is_dir());
}

/// A command whose output nobody takes any more notices that on Linux, and is ended on Windows.
#[test]
fn an_output_that_nobody_reads() {
    let stage = Stage::new();
    let words = stage.words("run --rm IMAGE INSIDE flood");
    let mut child = stage.command(&words).spawn().unwrap();
    drop(child.stdout.take());
    // 90 is what `inside` says of a thing that it cannot do, 141 what `cv` says of SIGPIPE.
    assert_eq!(child.wait().unwrap().code(), Some(if cfg!(windows) { 141 } else { 90 }));
}

#[test]
fn files_in_and_out() {
    let stage = Stage::new();
    stage.bed.make_directory("tree/sub");
    fs::write(stage.bed.path("tree/a.txt"), "a text\n").unwrap();
    fs::write(stage.bed.path("tree/sub/b.bin"), [0, 13, 10, 255]).unwrap();
    insta::assert_snapshot!(stage.transcript(include_str!("verbs/files.txt")));
    assert_eq!(fs::read(stage.bed.path("b.bin")).unwrap(), [0, 13, 10, 255]);
    assert_eq!(fs::read(stage.bed.path("again/sub/b.bin")).unwrap(), [0, 13, 10, 255]);
}

#[test]
fn what_is_said_about_the_machine_and_its_containers() {
    insta::assert_snapshot!(Stage::new().transcript(include_str!("verbs/looking.txt")));
}

/// A bed for `cv`.
struct Stage {
    bed: Bed,
}

impl Stage {
    fn new() -> Self {
        let bed = Bed::with_program();
        fs::create_dir_all(bed.in_root("/tmp")).unwrap();
        Self { bed }
    }

    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(program());
        command.args(words).current_dir(self.bed.path("")).env("CONTAINERV_ROOT", self.bed.state());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Returns what the command lines of a list print, without what changes from run to run.
    fn transcript(&self, lines: &str) -> String {
        let mut transcript = String::new();
        for line in lines.lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let outcome = self.run(line);
            transcript += &match line.split_once(" | ") {
                Some((input, line)) => format!("$ echo {input} | cv {line}\n"),
                None => format!("$ cv {line}\n"),
            };
            for (stream, text) in [("", outcome.stdout), ("! ", outcome.stderr)] {
                for line in self.unchanging(&text).lines() {
                    transcript += &format!("{stream}{line}\n");
                }
            }
            transcript += &format!("[{}]\n\n", outcome.code);
        }
        if self.bed.host().events(None, false).is_ok() {
            self.bed.watch_all();
        }
        transcript
    }

    fn run(&self, line: &str) -> Outcome {
        let (input, line) = line.split_once(" | ").map_or((None, line), |(input, line)| (Some(input), line));
        let mut command = self.command(&self.words(line));
        let Some(input) = input else { return Outcome::of(command.output().unwrap()) };
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // One that does not read has closed it.
        _ = writeln!(child.stdin.take().unwrap(), "{input}");
        Outcome::of(child.wait_with_output().unwrap())
    }

    fn words(&self, line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for word in split(line) {
            match word.as_str() {
                "IMAGE" => words.extend(self.image()),
                "INSIDE" => words.push(PROGRAM.to_owned()),
                "HERE" => words.push(self.bed.path("").to_str().unwrap().to_owned()),
                _ => words.push(match word.split_once('@') {
                    Some((before, path)) => before.to_owned() + &inside(path),
                    None => word,
                }),
            }
        }
        words
    }

    fn image(&self) -> Vec<String> {
        let root = self.bed.in_root("/");
        match cfg!(windows) {
            true => vec![root.parent().unwrap().to_str().unwrap().to_owned()],
            false => ["--overlay", "container", "--rootfs", root.to_str().unwrap()].map(str::to_owned).into(),
        }
    }

    /// Puts words in place of identifiers, moments and places.
    fn unchanging(&self, text: &str) -> String {
        let text =
            without_escapes(text).replace("\r\n", "\n").replace(self.bed.path("").to_str().unwrap(), "BED");
        let text = text.replace(r"C:\tmp", "/tmp").replace(PROGRAM, "INSIDE");
        let is_id =
            |word: &str| matches!(word.len(), 12 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut shown = String::new();
        for part in text.split_inclusive(|character: char| !character.is_ascii_alphanumeric()) {
            let word = part.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
            shown += &if is_id(word) { format!("ID{}", &part[word.len()..]) } else { part.to_owned() };
        }
        let line = |line: &str| match line.contains("/tmp\\") {
            true => line.replace('\\', "/") + "\n",
            false => line.to_owned() + "\n",
        };
        let shown = support::without_numbers(&shown);
        without_moments(&shown.lines().map(line).collect::<String>())
    }
}

/// Leaves out what a terminal obeys: a pseudo console of Windows draws its screen anew.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = |part: &str| {
        let end =
            part.find(|character: char| character.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        part[end..].trim_start_matches(' ').to_owned()
    };
    parts.fold(first, |text, part| text + &rest(part)).trim_end_matches('\n').to_owned()
}

/// Puts `AGO` in place of the time since an end: `Exited (3) AGO`.
fn without_moments(text: &str) -> String {
    let line = |line: &str| match line.split_once(") ") {
        Some((ended, time)) if ended.contains("Exited (") && time.contains(" ago") => {
            format!("{ended}) AGO{}\n", time.split_once(" ago").map_or("", |(_, rest)| rest))
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Returns a path in the container.
fn inside(below: &str) -> String {
    match cfg!(windows) {
        true => format!(r"C:\{}", below.replace('/', r"\")),
        false => format!("/{below}"),
    }
}

/// Splits a line into words; `"` keeps spaces together, and `\"` is a quotation mark.
fn split(line: &str) -> Vec<String> {
    let line = line.replace("\\\"", "\u{1}");
    let (mut words, mut word, mut begun, mut quoted) = (Vec::new(), String::new(), false, false);
    for character in line.chars().chain([' ']) {
        match character {
            '"' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            character => word.push(if character == '\u{1}' { '"' } else { character }),
        }
    }
    words
}
