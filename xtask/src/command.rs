//! Running other programs: said aloud, with their failure as ours, and never for ever.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// The cargo that started this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace::root());
    command
}

/// The command line as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = if program.ends_with("/cargo") { "cargo".into() } else { program };
    let arguments = command.get_args().map(|word| quoted(&word.to_string_lossy()));
    std::iter::once(quoted(&program)).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// The word as a POSIX shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Runs `command` with this program's own streams.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", shown(command));
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{}`: {status}", shown(command)))) }
}

/// Runs `command` in silence and returns its standard output as text.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&bytes(command)?).into_owned())
}

/// Runs `command` in silence and returns its standard output; its messages are in the failure.
pub(crate) fn bytes(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let messages = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("`{}`: {}\n{}", shown(command), output.status, messages.trim_end())))
}

/// How a command with a time limit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Exited(ExitStatus),
    /// It was killed, with all its process group, when its time was over.
    TimedOut,
}

impl Ending {
    pub(crate) fn success(self) -> bool {
        matches!(self, Ending::Exited(status) if status.success())
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ending::Exited(status) => status.fmt(formatter),
            Ending::TimedOut => formatter.write_str("killed when its time was over"),
        }
    }
}

/// Runs `command` in a process group of its own for at most `limit`, and hands each line of its
/// standard output to `line`. Standard error stays this program's.
pub(crate) fn run_lines(command: &mut Command, limit: Duration, line: impl FnMut(&str)) -> Result<Ending> {
    run_lines_until(command, &Cell::new(Instant::now() + limit), line)
}

/// The same with a deadline that `line` may move.
pub(crate) fn run_lines_until(
    command: &mut Command,
    deadline: &Cell<Instant>,
    mut line: impl FnMut(&str),
) -> Result<Ending> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| cannot_start(command, &error))?;
    let lines = line_channel(&mut child);
    loop {
        match lines.recv_timeout(deadline.get().saturating_duration_since(Instant::now())) {
            Ok(text) => line(&text),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                kill_group(&mut child);
                lines.try_iter().for_each(|text| line(&text));
                return Ok(Ending::TimedOut);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return wait_until(&mut child, deadline.get()),
        }
    }
}

/// Reads the child's standard output in a thread of its own, so that waiting can have a limit.
fn line_channel(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
    }
    receiver
}

fn wait_until(child: &mut Child, deadline: Instant) -> Result<Ending> {
    loop {
        let status = child.try_wait().map_err(|error| Failure::io("waiting for a child", &error))?;
        if let Some(status) = status {
            return Ok(Ending::Exited(status));
        }
        if Instant::now() >= deadline {
            kill_group(child);
            return Ok(Ending::TimedOut);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills the child's process group and reaps the child.
fn kill_group(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // Fails only when the group is gone already.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::io(format!("starting `{}`", shown(command)), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_arrive_in_order_with_the_exit_status() {
        let mut lines = Vec::new();
        let ending = run_lines(&mut shell("echo one; echo two; exit 3"), Duration::from_secs(10), |line| {
            lines.push(line.to_owned());
        });
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(ending.unwrap().to_string(), "exit status: 3");
    }

    #[test]
    fn a_command_over_its_time_is_killed_with_its_children() {
        let begin = Instant::now();
        let ending =
            run_lines(&mut shell("sleep 60 & echo started; wait"), Duration::from_millis(300), |_| {});
        assert_eq!(ending.unwrap(), Ending::TimedOut);
        assert!(begin.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn commands_are_shown_as_typed() {
        assert_eq!(shown(shell("it's").arg("")), r"sh -c 'it'\''s' ''");
    }
}
