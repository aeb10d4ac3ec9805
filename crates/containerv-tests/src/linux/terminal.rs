//! A person at a terminal: a pseudo-terminal whose other end is `cv`'s.

use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// How long an expected text may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A person at a terminal of a call's own: types, and waits for what appears.
#[derive(Debug)]
pub struct Person {
    terminal: OwnedFd,
    /// Kept open, so that what `cv` wrote last can be read after its end.
    other_end: OwnedFd,
    child: Child,
    seen: String,
}

impl Person {
    /// Runs a call at a terminal of this size.
    ///
    /// # Panics
    ///
    /// If that cannot be done. So do the other functions, and if what they wait for does not come.
    pub fn at(command: &Command, columns: u16, rows: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let other_end = ioctl_tiocgptpeer(&terminal, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let stdio = |end: &OwnedFd| Stdio::from(end.try_clone().unwrap());
        // A size change is told to the foreground processes of a session, so that it has to have one.
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--"]).arg(command.get_program()).args(command.get_args());
        session.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        session.env("TERM", "dumb").current_dir(command.get_current_dir().unwrap());
        session.stdin(stdio(&other_end)).stdout(stdio(&other_end)).stderr(stdio(&other_end));
        tcsetwinsize(&terminal, size(columns, rows)).unwrap();
        let child = session.spawn().unwrap();
        Self { terminal, other_end, child, seen: String::new() }
    }

    /// Changes the size of the terminal.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        tcsetwinsize(&self.terminal, size(columns, rows)).unwrap();
    }

    /// Types a text.
    pub fn types(&mut self, text: &str) {
        rustix::io::write(&self.terminal, text.as_bytes()).unwrap();
    }

    /// Waits until a text has appeared, and forgets what came before its end.
    #[track_caller]
    pub fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.contains(text) {
            assert!(Instant::now() < deadline, "`{text}` does not appear in {:?}", self.seen);
            self.read();
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    /// Says whether a text has appeared since the last one that was waited for.
    pub fn has_seen(&self, text: &str) -> bool {
        self.seen.contains(text)
    }

    /// Reads what appears within a moment.
    fn read(&mut self) {
        let mut ready = [PollFd::new(&self.terminal, PollFlags::IN)];
        let moment = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        if poll(&mut ready, Some(&moment)).unwrap() > 0 {
            let mut buffer = [0; 4096];
            let length = rustix::io::read(&self.terminal, &mut buffer).unwrap_or(0);
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }

    /// Says whether keys are shown and lines edited, as they are before and after `cv`.
    pub fn is_cooked(&self) -> bool {
        let modes = tcgetattr(self.other_end.as_fd()).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Sends a signal to the call.
    pub fn signals(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the call to end; returns its exit code.
    #[track_caller]
    pub fn leaves(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it does not end; seen: {:?}", self.seen);
            self.read();
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}
