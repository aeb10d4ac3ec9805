//! `cv` at a console of Windows: keys and output, detach keys, the console given back.

#![cfg(windows)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use containerv_sys::windows::console::{self, pseudo::PseudoConsole};
use containerv_tests::Bed;
use support::program;

/// Names a file with the words of a call, one a line; beside it, the shell in the console writes how that ended.
const CALL: &str = "CONTAINERV_CONSOLE_CALL";
const PATIENCE: Duration = Duration::from_secs(120);

/// This test is also the shell in the console.
#[test]
fn a_container_at_a_console() {
    if let Some(call) = std::env::var_os(CALL) {
        return shell(Path::new(&call));
    }
    let bed = Bed::with_program();
    let at = |words: &[&str]| Person::at(&bed, words);
    let image = bed.in_root("/").parent().unwrap().to_str().unwrap().to_owned();
    let inside = r"C:\inside.exe";

    let mut person = at(&["run", "-it", "--rm", &image, inside, "terminal", "+", "answer"]);
    person.sees("[true, true]");
    person.types("hello\r");
    person.sees("got hello");
    person.types("exit 5\r");
    assert_eq!(person.leaves(), "5, given back");

    let mut person = at(&["run", "-it", "--name", "web", &image, inside, "answer"]);
    person.types("one\r");
    person.sees("got one");
    person.types("\u{10}\u{11}");
    person.sees("detached from `web`, which goes on");
    assert_eq!(person.leaves(), "0, given back");

    let mut person = at(&["exec", "-it", "web", inside, "terminal", "+", "answer"]);
    person.sees("[true, true]");
    person.types("gr\u{fc}n\r");
    person.sees("got gr\u{fc}n");
    person.types("exit 6\r");
    assert_eq!(person.leaves(), "6, given back");

    let mut person = at(&["attach", "--detach-keys", "a,b", "web"]);
    person.types("two\r");
    person.sees("got two");
    person.types("ab");
    assert_eq!(person.leaves(), "0, given back");

    let mut person = at(&["run", "-it", "--rm", &image, "nosuchprogram"]);
    person.sees("hint: the container has no such program");
    assert_eq!(person.leaves(), "127, given back");
}

/// What a person's shell does: it calls `cv` at its console and looks whether that is as it was.
fn shell(call: &Path) {
    let words = fs::read_to_string(call).unwrap();
    let open = |name| File::options().read(true).write(true).open(name).unwrap();
    let (input, output) = (open("CONIN$"), open("CONOUT$"));
    let modes = || (console::mode(&input).unwrap(), console::mode(&output).unwrap());
    let before = modes();
    let mut command = Command::new(program());
    command.args(words.lines()).stdin(open("CONIN$")).stdout(open("CONOUT$")).stderr(open("CONOUT$"));
    let status = command.status().unwrap();
    let back = if modes() == before { "given back" } else { "changed" };
    fs::write(ended(call), format!("{}, {back}", status.code().unwrap())).unwrap();
}

fn ended(call: &Path) -> PathBuf {
    call.with_extension("ended")
}

/// A person at a console of a call's own.
struct Person {
    console: PseudoConsole,
    call: PathBuf,
    /// How much of what was shown has been seen.
    seen: usize,
}

impl Person {
    fn at(bed: &Bed, words: &[&str]) -> Self {
        let call = bed.path("call");
        _ = fs::remove_file(ended(&call));
        let root = bed.state();
        let words = [&["--root", root.to_str().unwrap()], words].concat();
        fs::write(&call, words.join("\n")).unwrap();
        let shell = std::env::current_exe().unwrap();
        let command = format!("\"{}\" --exact a_container_at_a_console --nocapture", shell.display());
        let console = PseudoConsole::start(&command, (CALL, call.as_os_str()), (100, 30)).unwrap();
        Self { console, call, seen: 0 }
    }

    fn types(&mut self, text: &str) {
        self.console.types(text).unwrap();
    }

    /// Waits until a text has appeared, and forgets what came before its end.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = without_escapes(&self.console.shown());
            if let Some(at) = shown.get(self.seen..).and_then(|shown| shown.find(text)) {
                self.seen += at + text.len();
                return;
            }
            assert!(Instant::now() < deadline, "`{text}` does not appear in {shown:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the call's end; returns its code, and whether the console is as it was.
    #[track_caller]
    fn leaves(self) -> String {
        assert!(self.console.wait(PATIENCE).unwrap(), "it does not end: {:?}", self.console.shown());
        fs::read_to_string(ended(&self.call))
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.console.shown()))
    }
}

/// Leaves out what a terminal obeys, and what is not whole yet.
fn without_escapes(shown: &str) -> String {
    let mut parts = shown.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(|character: char| character.is_ascii_alphabetic() || character == '\u{7}');
        text + end.and_then(|end| part.get(end + 1..)).unwrap_or_default()
    })
}
