//! The container's own command.

use std::collections::BTreeMap;

use containerv_spec::OsText;
use containerv_spec::hcs::command_line::{self, CommandLineProblem};
use containerv_spec::hcs::path;
use containerv_spec::hcs::process::ProcessParameters;
use containerv_spec::plan::hcs::{Call, Stage};
use containerv_spec::request::Process;

use super::Draft;
use crate::ErrorKind::{InvalidArgument, Unsupported};

/// Longest environment in characters; CreateProcess.
const MAX_ENVIRONMENT: usize = 32_767;
/// The root of a container's own disk.
const ROOT: &str = "C:\\";

/// The pipes that a process is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl Draft<'_> {
    /// Starts the container's own command, if it has one.
    pub(super) fn process(&mut self) {
        let Some(process) = &self.request.process else { return };
        self.check_process(process);
        // Somebody can attach to it at any time, whether there is a log or not.
        let terminal = process.terminal.is_some();
        let streams = Streams { stdin: process.open_stdin || terminal, stdout: true, stderr: !terminal };
        let parameters = self.parameters(process, streams);
        let id = self.request.id.clone();
        if self.is_hyperv() {
            self.push(Stage::Start, Call::CreateProcessV1 { id, parameters }, Vec::new());
        } else {
            self.push(Stage::Start, Call::CreateProcess { id: id.clone(), parameters }, Vec::new());
            self.push(Stage::Start, Call::WatchProcess { id }, Vec::new());
        }
    }

    pub(super) fn parameters(&mut self, process: &Process, streams: Streams) -> ProcessParameters {
        let terminal = process.terminal;
        ProcessParameters {
            command_line: self.command_line(process),
            user: (!process.user.is_empty()).then(|| process.user.clone()),
            working_directory: Some(self.working_directory(process)),
            environment: self.environment(process),
            emulate_console: terminal.is_some(),
            create_std_in_pipe: streams.stdin,
            create_std_out_pipe: streams.stdout,
            create_std_err_pipe: streams.stderr,
            console_size: terminal.map(|size| [size.rows, size.columns]),
        }
    }

    fn command_line(&mut self, process: &Process) -> String {
        let words: Option<Vec<&str>> = process.args.iter().map(OsText::to_str).collect();
        let line = match (&process.command_line, words) {
            (Some(line), _) => command_line::whole(line),
            (None, Some(words)) => command_line::join(&words),
            (None, None) => {
                let hint = "Windows takes Unicode only";
                self.problem(InvalidArgument, "an argument is not valid Unicode", hint);
                return String::new();
            }
        };
        line.unwrap_or_else(|problem| {
            let hint = match problem {
                CommandLineProblem::Empty => "name a program to run",
                CommandLineProblem::TooLong => "give fewer or shorter arguments, or a file of them",
                CommandLineProblem::QuotedProgram | CommandLineProblem::Nul => "leave it out",
            };
            self.problem(InvalidArgument, problem.to_string(), hint);
            String::new()
        })
    }

    /// `/` is the root on both systems.
    fn working_directory(&mut self, process: &Process) -> String {
        let given = process.cwd.to_str().unwrap_or_default();
        if given == "/" {
            return ROOT.to_owned();
        }
        if process.create_cwd {
            self.problem(
                Unsupported,
                format!("`--workdir {given}`: a missing directory is not made on Windows"),
                "use one that is there, or `cmd /c mkdir` in the command",
            );
        }
        path::in_container(given).unwrap_or_else(|problem| {
            let message = format!("`--workdir {}`: {problem}", process.cwd);
            self.problem(InvalidArgument, message, "give a path with its drive, as `C:\\app`");
            ROOT.to_owned()
        })
    }

    fn environment(&mut self, process: &Process) -> BTreeMap<String, String> {
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        for entry in &process.env {
            // A name may begin with `=`: the current directories of drives do.
            let split = entry.to_str().and_then(|text| text.char_indices().skip(1).find(|(_, c)| *c == '='));
            let (Some((at, _)), Some(text)) = (split, entry.to_str()) else {
                let message = format!("`--env {entry}`: not `NAME=value` in Unicode");
                self.problem(InvalidArgument, message, "write `NAME=value`");
                continue;
            };
            let (name, value) = (&text[..at], &text[at + 1..]);
            if text.contains('\0') {
                self.problem(InvalidArgument, format!("`--env {name}`: a NUL character"), "leave it out");
            }
            if let Some(other) = environment.keys().find(|other| other.eq_ignore_ascii_case(name)) {
                let message = format!("`--env`: `{other}` and `{name}` are one variable on Windows");
                self.problem(InvalidArgument, message, "set it once");
                continue;
            }
            environment.insert(name.to_owned(), value.to_owned());
        }
        let length: usize = environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        if length > MAX_ENVIRONMENT {
            let message = format!("`--env`: {length} characters are more than {MAX_ENVIRONMENT}");
            self.problem(InvalidArgument, message, "give fewer or shorter variables, or a file of them");
        }
        environment
    }

    pub(super) fn check_process(&mut self, process: &Process) {
        let user = &process.user;
        // `name:group` is of Linux; `domain\name` and `NT AUTHORITY\SYSTEM` are of Windows.
        if user.chars().any(|c| c.is_control() || matches!(c, ':' | '"' | '/')) || user.len() > 256 {
            self.problem(
                InvalidArgument,
                format!("`--user {user}`: not a user of Windows"),
                r"use `ContainerUser`, `ContainerAdministrator`, `NT AUTHORITY\SYSTEM` or `DOMAIN\NAME`",
            );
        }
        let plain =
            process.args.first().and_then(OsText::to_str).is_some_and(|name| !name.contains(['\\', '/']));
        for (asked, message, hint) in [
            (
                process.program.is_some(),
                "the program and the first argument differ, which a command line cannot say",
                "name the program first",
            ),
            (
                plain && !process.search_path,
                "the program's path is missing, and Windows would search for it",
                "give the whole path",
            ),
            (
                !process.groups.is_empty(),
                "`--group-add`: groups of Windows belong to the user",
                "choose another user",
            ),
            (
                !process.rlimits.is_empty(),
                "`--ulimit`: Windows has no limits of single processes",
                "use `--memory` and `--cpus`",
            ),
            (process.umask.is_some(), "`--umask`: Windows has no such mask", "leave it out"),
        ] {
            if asked {
                self.problem(Unsupported, message, hint);
            }
        }
    }
}
