//! Commands in a container, in the vocabulary of `std::process`.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use containerv_spec::OsText;
use containerv_spec::hcs::exit;
use containerv_spec::request::{Process, TerminalSize};

use crate::backend::system;
use crate::{Container, Result};

/// What one of a process's standard streams is connected to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stdio {
    /// The caller's own stream.
    Inherit,
    /// Nothing: reads end at once, writes vanish.
    Null,
    /// A pipe, whose other end is in [`Child`].
    Piped,
    /// This descriptor.
    #[cfg(unix)]
    Fd(std::os::fd::OwnedFd),
    /// This file or pipe.
    #[cfg(windows)]
    Handle(std::os::windows::io::OwnedHandle),
}

/// The three standard streams.
#[derive(Debug)]
pub struct StdioSet {
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
}

impl StdioSet {
    /// The caller's own streams.
    pub fn inherit() -> Self {
        Self { stdin: Stdio::Inherit, stdout: Stdio::Inherit, stderr: Stdio::Inherit }
    }

    /// No streams.
    pub fn null() -> Self {
        Self { stdin: Stdio::Null, stdout: Stdio::Null, stderr: Stdio::Null }
    }

    /// Pipes for all three.
    pub fn piped() -> Self {
        Self { stdin: Stdio::Piped, stdout: Stdio::Piped, stderr: Stdio::Piped }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    pub(crate) code: i32,
    pub(crate) signal: Option<i32>,
    pub(crate) out_of_memory: bool,
}

impl ExitStatus {
    /// Says whether the exit code is 0.
    pub fn success(&self) -> bool {
        self.code() == Some(0)
    }

    /// Returns the exit code; `None` if a signal ended the process.
    pub fn code(&self) -> Option<i32> {
        if self.signal.is_some() { None } else { Some(self.code) }
    }

    /// Returns the signal that ended the process.
    pub fn signal(&self) -> Option<i32> {
        self.signal
    }

    /// Says whether the kernel killed a process of the container because its memory ran out. Only
    /// known of the container's own command.
    pub fn out_of_memory(&self) -> bool {
        self.out_of_memory
    }

    /// Returns what the exit code means and what to do, if Windows or a runtime ended the program with
    /// it; nothing on other systems, where a signal does that.
    pub fn hint(&self) -> Option<&'static str> {
        let known = cfg!(windows).then(|| exit::describe(self.code.cast_unsigned())).flatten();
        known.map(|status| status.hint)
    }

    /// Returns what Docker's command line exits with: the code, or 128 + the signal.
    pub fn docker_code(&self) -> i32 {
        self.signal.map_or(self.code, |signal| 128 + signal)
    }
}

#[cfg(target_os = "linux")]
impl From<containerv_sys::linux::process::Ended> for ExitStatus {
    fn from(ended: containerv_sys::linux::process::Ended) -> Self {
        use containerv_sys::linux::process::Ended;
        let (code, signal) = match ended {
            Ended::Code(code) => (code, None),
            Ended::Signal(signal) => (128 + signal, Some(signal)),
        };
        Self { code, signal, out_of_memory: false }
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.signal {
            Some(signal) => write!(f, "signal: {signal}"),
            // Without a sign, and with the name of a status.
            None if cfg!(windows) => write!(f, "exit code: {}", exit::text(self.code.cast_unsigned())),
            None => write!(f, "exit status: {}", self.code),
        }
    }
}

/// What a finished process wrote.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// Options of [`Container::exec`] that are not the process's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecOptions {
    /// Give the process every privilege that the caller has.
    pub privileged: bool,
    /// Tell of it in the [events](crate::Host::events): `exec_start`, and `exec_die` once somebody
    /// has waited for it.
    pub announced: bool,
}

/// A process of a container that this process has started. Dropping it does not end the process.
#[derive(Debug)]
pub struct Child {
    /// Writes to its standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// Reads its standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// Reads its standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    pub(crate) inner: system::Process,
}

/// The caller's ends of a process's pipes.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
}

/// Both ways of a process's terminal.
#[derive(Debug)]
pub struct TerminalStreams {
    /// What is written here is typed.
    pub input: ChildStdin,
    /// What the terminal shows.
    pub output: ChildStdout,
}

impl Child {
    pub(crate) fn new(inner: system::Process, ends: Ends) -> Self {
        Self { stdin: ends.stdin, stdout: ends.stdout, stderr: ends.stderr, inner }
    }

    /// Returns the process id on the host.
    pub fn id(&self) -> u32 {
        self.inner.pid()
    }

    /// Returns the process id inside the container. No other process of the container gets it
    /// before [`Child::wait`] has returned.
    pub fn id_inside(&self) -> u32 {
        self.inner.pid_inside()
    }

    /// Closes standard input and waits for the process to end.
    ///
    /// # Errors
    ///
    /// If the embedding program has reaped the process itself and the kernel (before Linux 6.15)
    /// no longer knows how it ended.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        drop(self.stdin.take());
        self.inner.wait()
    }

    /// Says how the process ended, if it has.
    ///
    /// # Errors
    ///
    /// As [`Child::wait`].
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.inner.try_wait()
    }

    /// Ends the process with SIGKILL.
    ///
    /// # Errors
    ///
    /// `NotFound` if it has ended.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(9)
    }

    /// Sends a signal by number.
    ///
    /// # Errors
    ///
    /// `NotFound` if the process has ended, `InvalidArgument` for a number that is no signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.inner.signal(signal)
    }

    /// Changes the size of its terminal.
    ///
    /// # Errors
    ///
    /// `InvalidState` if it has none.
    pub fn resize(&self, size: TerminalSize) -> Result<()> {
        self.inner.resize(size)
    }

    /// Takes the master of its terminal: what is written there is typed, what is read is shown.
    #[cfg(unix)]
    pub fn take_terminal(&mut self) -> Option<std::os::fd::OwnedFd> {
        self.inner.take_terminal()
    }

    /// Takes both ways of its terminal; afterwards [`Child::resize`] still works.
    ///
    /// # Errors
    ///
    /// If the process that uses the library has no more descriptors.
    pub fn take_terminal_streams(&mut self) -> Result<Option<TerminalStreams>> {
        self.inner.take_terminal_streams()
    }

    /// Waits for the process to end and collects what it writes to pipes.
    ///
    /// # Errors
    ///
    /// As [`Child::wait`], and failures of reading.
    pub fn wait_with_output(mut self) -> Result<Output> {
        drop(self.stdin.take());
        let stderr = self.stderr.take().map(|pipe| std::thread::spawn(move || read_all(pipe)));
        let stdout = self.stdout.take().map_or_else(Vec::new, read_all);
        let stderr = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let status = self.wait()?;
        Ok(Output { status, stdout, stderr })
    }
}

fn read_all(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A pipe of ours fails only when memory runs out, which aborts anyway.
    let _ = pipe.read_to_end(&mut bytes);
    bytes
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for Child {
    /// A pidfd: readable once the process has ended.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsHandle for Child {
    /// An event: set once the process has ended, and now and then before.
    fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
        self.inner.as_handle()
    }
}

/// A command to be run in a container; built like `std::process::Command`.
///
/// Unless told otherwise it has the user, the further groups, the working directory, the resource
/// limits and the file mode mask of the container's own command, if that has one.
#[derive(Debug)]
pub struct Command<'a> {
    container: &'a Container,
    process: Process,
    options: ExecOptions,
    stdio: [Option<Stdio>; 3],
}

impl<'a> Command<'a> {
    pub(crate) fn new(container: &'a Container, program: impl AsRef<OsStr>) -> Self {
        let own = container.request().process.as_ref();
        let process = Process {
            env: default_environment(),
            cwd: own.map_or_else(|| "/".into(), |own| own.cwd.clone()),
            user: own.map_or_else(String::new, |own| own.user.clone()),
            groups: own.map_or_else(Vec::new, |own| own.groups.clone()),
            rlimits: own.map_or_else(Vec::new, |own| own.rlimits.clone()),
            umask: own.and_then(|own| own.umask),
            ..Process::new(vec![os_text(program.as_ref())])
        };
        Self { container, process, options: ExecOptions::default(), stdio: [None, None, None] }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.process.args.push(os_text(argument.as_ref()));
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.process.args.extend(arguments.into_iter().map(|argument| os_text(argument.as_ref())));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let mut entry = os_text(name.as_ref()).as_bytes().to_vec();
        entry.push(b'=');
        let prefix = entry.len();
        entry.extend_from_slice(os_text(value.as_ref()).as_bytes());
        self.process.env.retain(|old| !old.as_bytes().starts_with(&entry[..prefix]));
        self.process.env.push(OsText::from_bytes(entry));
        self
    }

    /// Begins with an empty environment.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.process.env.clear();
        self.process.set_home = false;
        self
    }

    /// Sets the working directory, an absolute path in the container.
    #[must_use]
    pub fn current_dir(mut self, path: impl AsRef<OsStr>) -> Self {
        self.process.cwd = os_text(path.as_ref());
        self
    }

    /// Sets the user: `name`, `uid`, `name:group` or `uid:gid`.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.process.user = user.into();
        self
    }

    /// Gives the process a terminal; see [`Child::take_terminal`].
    #[must_use]
    pub fn terminal(mut self, size: TerminalSize) -> Self {
        self.process.terminal = Some(size);
        self
    }

    /// Connects standard input; inherited unless set.
    #[must_use]
    pub fn stdin(mut self, stdio: Stdio) -> Self {
        self.stdio[0] = Some(stdio);
        self
    }

    /// Connects standard output; inherited unless set.
    #[must_use]
    pub fn stdout(mut self, stdio: Stdio) -> Self {
        self.stdio[1] = Some(stdio);
        self
    }

    /// Connects standard error; inherited unless set.
    #[must_use]
    pub fn stderr(mut self, stdio: Stdio) -> Self {
        self.stdio[2] = Some(stdio);
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    ///
    /// `InvalidState` if the container does not run, `CommandNotFound` and `CommandNotExecutable`
    /// for the program itself, and every problem of the options.
    pub fn spawn(self) -> Result<Child> {
        self.spawn_with(|| Stdio::Inherit)
    }

    /// Runs the process and waits for it.
    ///
    /// # Errors
    ///
    /// As [`Command::spawn`].
    pub fn status(self) -> Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Runs the process and collects its output. Standard input is empty unless set.
    ///
    /// # Errors
    ///
    /// As [`Command::spawn`].
    pub fn output(mut self) -> Result<Output> {
        self.stdio[0].get_or_insert(Stdio::Null);
        self.spawn_with(|| Stdio::Piped)?.wait_with_output()
    }

    fn spawn_with(self, default: fn() -> Stdio) -> Result<Child> {
        let [stdin, stdout, stderr] = self.stdio.map(|stdio| stdio.unwrap_or_else(default));
        self.container.exec(&self.process, StdioSet { stdin, stdout, stderr }, self.options)
    }
}

/// The environment that a command has unless told otherwise: Docker's `PATH`; on Windows what the
/// image has.
pub fn default_environment() -> Vec<OsText> {
    if cfg!(windows) {
        return Vec::new();
    }
    vec![OsText::from(format!("PATH={}", crate::lower::linux::DEFAULT_PATH))]
}

/// Returns a text of the platform as the text that requests use.
#[cfg(unix)]
pub(crate) fn os_text(text: &OsStr) -> OsText {
    OsText::from_bytes(std::os::unix::ffi::OsStrExt::as_bytes(text))
}

/// Returns a text of the platform as the text that requests use.
#[cfg(not(unix))]
pub(crate) fn os_text(text: &OsStr) -> OsText {
    OsText::from_bytes(text.as_encoded_bytes())
}

/// Returns a text of a request as a path of this platform; none for what is none.
#[cfg(unix)]
pub(crate) fn os_path(text: &OsText) -> Option<std::path::PathBuf> {
    let text: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(text.as_bytes());
    Some(text.into())
}

/// Returns a text of a request as a path of this platform; none for what is none.
#[cfg(not(unix))]
pub(crate) fn os_path(text: &OsText) -> Option<std::path::PathBuf> {
    text.to_str().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_reads_as_this_systems() {
        let status = |code: u32| ExitStatus { code: code.cast_signed(), signal: None, out_of_memory: false };
        let (plain, violation) = (status(3), status(0xC000_0005));
        if cfg!(windows) {
            assert_eq!(plain.to_string(), "exit code: 3");
            assert_eq!(violation.to_string(), "exit code: 3221225477 (0xC0000005 STATUS_ACCESS_VIOLATION)");
            assert!(violation.hint().is_some_and(|hint| hint.contains("crashed")));
        } else {
            assert_eq!(plain.to_string(), "exit status: 3");
            assert_eq!(violation.hint(), None);
        }
        assert_eq!(plain.hint(), None);
    }
}
