//! Runs the built `cv` with a root of its own.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory for one test; removed with every container in it.
pub struct Place {
    directory: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("cv-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        Self { directory }
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A call of `cv` with this place as its root.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cv"));
        command.args(arguments).current_dir(&self.directory);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", &self.directory);
        command.env("CONTAINERV_ROOT", self.join("root")).stdin(Stdio::null());
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }

    /// Runs the words of a line, which has no quotes.
    pub fn line(&self, line: &str) -> Outcome {
        self.run(line.split(' ').filter(|word| !word.is_empty()))
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

/// What a call printed, and how it ended.
#[derive(Debug)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Outcome {
    fn of(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Returns standard output without its last line end, if it ended well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.code == 0, "{self:?}");
        self.stdout.strip_suffix('\n').unwrap_or(&self.stdout).to_owned()
    }
}
