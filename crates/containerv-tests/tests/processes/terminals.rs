//! Terminals, through a real pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use containerv::spec::request::TerminalSize;
use containerv::{Child, Container, ErrorKind, StdioSet};
use containerv_tests::{Bed, shell};

const SIZE: TerminalSize = TerminalSize { columns: 91, rows: 33 };
const PATIENCE: Duration = Duration::from_secs(10);

/// A terminal as a person uses it: types, and waits for what is shown.
struct Terminal {
    file: File,
    shown: String,
}

impl Terminal {
    fn of(child: &mut Child) -> Self {
        Self { file: child.take_terminal().unwrap().into(), shown: String::new() }
    }

    fn type_in(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown, and returns everything before it.
    fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown.find(text) {
                let rest = self.shown.split_off(at + text.len());
                let before = std::mem::replace(&mut self.shown, rest);
                return before[..at].to_owned();
            }
            assert!(Instant::now() < deadline, "no `{text}` in {:?}", self.shown);
            assert!(self.read_more(), "ended without `{text}`: {:?}", self.shown);
        }
    }

    /// Reads what is there; false at the end, which is EIO for a terminal.
    fn read_more(&mut self) -> bool {
        let limit = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
        let mut polled = [rustix::event::PollFd::new(&self.file, rustix::event::PollFlags::IN)];
        if rustix::event::poll(&mut polled, Some(&limit)).unwrap() == 0 {
            return true;
        }
        let mut bytes = [0u8; 4096];
        match self.file.read(&mut bytes) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
                true
            }
        }
    }
}

#[test]
fn a_shell_can_be_talked_to() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut child = container.command("sh").env("PS1", "ready> ").terminal(SIZE).spawn().unwrap();
    let mut terminal = Terminal::of(&mut child);
    terminal.wait_for("ready> ");
    terminal.type_in("tty; stty size; ls -l /proc/self/fd | grep -c pts\n");
    let answer = terminal.wait_for("ready> ");
    assert!(answer.contains("/dev/pts/0\r\n33 91\r\n"), "{answer:?}");
    terminal.type_in("exit 5\n");
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn a_new_size_is_seen_and_signalled() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut child = container.command("sh").args(["-c", script]).terminal(SIZE).spawn().unwrap();
    let mut terminal = Terminal::of(&mut child);
    terminal.wait_for("ready");
    // The size is changed on the descriptor that the caller has taken.
    let size = rustix::termios::Winsize { ws_col: 120, ws_row: 50, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal.file, size).unwrap();
    terminal.wait_for("50 120");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_child_itself_can_be_resized_until_its_terminal_is_taken() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut child = container.command("sh").args(["-c", "read x; stty size"]).terminal(SIZE).spawn().unwrap();
    child.resize(TerminalSize { columns: 10, rows: 20 }).unwrap();
    let mut terminal = Terminal::of(&mut child);
    terminal.type_in("\n");
    terminal.wait_for("20 10");
    child.wait().unwrap();
    let mut plain = container.command("true").spawn().unwrap();
    assert_eq!(plain.resize(SIZE).unwrap_err().kind(), ErrorKind::InvalidState);
    plain.wait().unwrap();
}

#[test]
fn keys_become_signals() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    for (key, signal) in [("\u{3}", 2), ("\u{1c}", 3)] {
        let mut child = container.command("cat").terminal(SIZE).spawn().unwrap();
        let mut terminal = Terminal::of(&mut child);
        terminal.type_in("ready\n");
        terminal.wait_for("ready\r\nready");
        terminal.type_in(key);
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal), "{status}");
    }
}

#[test]
fn job_control_works() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut child = container.command("sh").env("PS1", "ready> ").terminal(SIZE).spawn().unwrap();
    let mut terminal = Terminal::of(&mut child);
    assert!(!terminal.wait_for("ready> ").contains("job control"));
    terminal.type_in("sleep 100\n");
    terminal.wait_for("sleep 100\r\n");
    std::thread::sleep(Duration::from_millis(200));
    terminal.type_in("\u{1a}");
    terminal.wait_for("ready> ");
    terminal.type_in("jobs\n");
    assert!(terminal.wait_for("ready> ").contains("Stopped"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_end_of_the_caller_hangs_up() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut child = container.command("sh").args(["-c", "exec sleep 100"]).terminal(SIZE).spawn().unwrap();
    drop(child.take_terminal());
    assert_eq!(child.wait().unwrap().signal(), Some(1));
}

#[test]
fn the_containers_command_has_a_console() {
    let bed = Bed::new();
    let mut request = bed.request();
    let mut process = shell("tty; stat -c %t:%T /dev/console; echo hello > /dev/console; stty size; exit 3");
    process.terminal = Some(SIZE);
    request.process = Some(process);
    let (_container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
    let mut terminal = Terminal::of(&mut child);
    terminal.wait_for("/dev/pts/0\r\n88:0\r\nhello\r\n33 91\r\n");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn terminals_of_the_host_are_not_in_sight() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut child =
        container.command("sh").args(["-c", "ls /dev/pts; echo end"]).terminal(SIZE).spawn().unwrap();
    let mut terminal = Terminal::of(&mut child);
    let shown = terminal.wait_for("end");
    assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), ["0", "ptmx"]);
    child.wait().unwrap();
}

#[test]
fn ten_terminals_at_once() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut children: Vec<Child> = (0..10)
        .map(|_| container.command("sh").args(["-c", "read x; echo got $x"]).terminal(SIZE).spawn().unwrap())
        .collect();
    let mut terminals: Vec<Terminal> = children.iter_mut().map(Terminal::of).collect();
    for (number, terminal) in terminals.iter_mut().enumerate() {
        terminal.type_in(&format!("n{number}\n"));
    }
    for (number, terminal) in terminals.iter_mut().enumerate() {
        terminal.wait_for(&format!("got n{number}"));
    }
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
}
