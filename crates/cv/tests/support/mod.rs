//! Runs the built `cv` with a root of its own.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The user and group that tests run as which are about ordinary users: nobody's.
#[cfg(unix)]
const ORDINARY: u32 = 65534;

/// Where the `cv` to test is: the one that cargo has built, or on Windows the one that is named, as a test there may run
/// far from where it was built.
pub(crate) fn program() -> PathBuf {
    let named = std::env::var_os("CONTAINERV_CV").filter(|_| cfg!(windows));
    named.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_cv")), PathBuf::from)
}

/// A directory for one test; removed with every container in it.
pub(crate) struct Place {
    directory: PathBuf,
    #[cfg(unix)]
    ordinary: bool,
}

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("cv-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        Self {
            directory,
            #[cfg(unix)]
            ordinary: false,
        }
    }

    /// A place whose calls are an ordinary user's. The program is copied there, as that user may not
    /// be able to reach the build directory.
    #[cfg(unix)]
    pub(crate) fn ordinary() -> Self {
        use std::os::unix::fs::{PermissionsExt, chown};
        let mut place = Self::new();
        if rustix::process::geteuid().is_root() {
            // Not written by this process, whose other threads start children (ETXTBSY).
            let mut copy = Command::new("cp");
            copy.arg(program()).arg(place.join("cv"));
            assert!(copy.status().unwrap().success());
            std::fs::set_permissions(
                place.join("cv"),
                <std::fs::Permissions as PermissionsExt>::from_mode(0o755),
            )
            .unwrap();
            std::fs::set_permissions(
                place.path(),
                <std::fs::Permissions as PermissionsExt>::from_mode(0o755),
            )
            .unwrap();
            chown(place.path(), Some(ORDINARY), Some(ORDINARY)).unwrap();
            place.ordinary = true;
        }
        place
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A call of `cv` with this place as its root.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.program();
        command.args(arguments).current_dir(&self.directory);
        // Windows' own programs do not start without some of its variables.
        if cfg!(unix) {
            command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", &self.directory);
        }
        command.env("CONTAINERV_ROOT", self.join("root")).stdin(Stdio::null());
        command
    }

    fn program(&self) -> Command {
        #[cfg(unix)]
        if self.ordinary {
            let id = ORDINARY.to_string();
            let mut command = Command::new("setpriv");
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]).arg(self.join("cv"));
            return command;
        }
        Command::new(program())
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }

    /// Runs the words of a line; `'` keeps spaces together.
    pub(crate) fn line(&self, line: &str) -> Outcome {
        self.run(words(line))
    }

    /// Starts the words of a line in the background, with pipes.
    pub(crate) fn spawn(&self, line: &str) -> Child {
        let mut command = self.command(words(line));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs the words of a line with this on standard input.
    pub(crate) fn with_input(&self, line: &str, input: &[u8]) -> Outcome {
        let mut child = self.spawn(line);
        child.stdin.take().unwrap().write_all(input).unwrap();
        Outcome::of(child.wait_with_output().unwrap())
    }

    /// Repeats a call until it prints `expected`.
    #[track_caller]
    pub(crate) fn until(&self, line: &str, expected: &str) {
        eventually(&format!("`cv {line}` prints `{expected}`"), || {
            self.line(line).stdout.trim_end() == expected
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.join("root").exists() {
            let ids = self.line("ps -aq --no-trunc").stdout;
            for id in ids.lines() {
                self.run(["rm", "-f", id]);
            }
        }
        _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Splits a line into words; `'` keeps spaces together.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// Puts `N` in place of the numbers of steps, which change with every new step.
pub(crate) fn without_numbers(text: &str) -> String {
    let mut parts = text.split(": step ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + ": step N" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Waits up to ten seconds for something to hold.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a call printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Returns standard output without its last line end, if it ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(self.code == 0, "{self:?}");
        self.stdout.strip_suffix('\n').unwrap_or(&self.stdout).to_owned()
    }

    /// Checks the exit code and that standard error holds a text.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, text: &str) {
        assert!(self.code == code && self.stderr.contains(text), "expected {code} and `{text}`: {self:?}");
    }
}
