//! Verbs that change what containers do: stop, restart, kill, pause, update, rename, wait, remove.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use containerv::{Container, Error, ErrorKind};
use containerv_spec::OsText;
use containerv_spec::state::Status;

use super::{Session, for_each};
use crate::draft::Draft;
use crate::failure::Failure;
use crate::output;
use crate::output::filter::Filters;
use crate::platform::TARGET;
use crate::syntax::{Parsed, usage};
use crate::value::{duration, exit, signal, time};

/// How `stop` and `restart` end a container.
struct Ending {
    /// `None`: as the container says.
    timeout: Option<Option<Duration>>,
    signal: Option<i32>,
}

impl Ending {
    fn read(parsed: &Parsed) -> Result<Self, Failure> {
        let long = parsed.read("time", duration::timeout_seconds)?;
        let timeout = parsed.read("timeout", duration::timeout_seconds)?.or(long);
        let timeout = timeout.map(|seconds| seconds.map(Duration::from_secs));
        Ok(Self { timeout, signal: parsed.read("signal", |text| signal::parse(TARGET, text))? })
    }

    fn apply(&self, container: &Container) -> Result<(), Error> {
        // Without end: longer than any clock counts.
        let limit = self.timeout.map(|limit| limit.unwrap_or(Duration::MAX));
        match self.signal {
            Some(signal) => container.stop_with(signal, limit),
            None => container.stop(limit),
        }
    }
}

/// Stops containers; those that do not run are left as they are.
pub fn stop(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let ending = Ending::read(parsed)?;
    for_each(session, parsed, |container| match container.state()?.status {
        Status::Running | Status::Paused => ending.apply(container),
        _ => Ok(()),
    })
}

/// Stops containers and starts them again.
pub fn restart(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let ending = Ending::read(parsed)?;
    for_each(session, parsed, |container| {
        if matches!(container.state()?.status, Status::Running | Status::Paused) {
            ending.apply(container)?;
        }
        container.start()
    })
}

/// Sends a signal.
pub fn kill(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let number = parsed.read("signal", |text| signal::parse(TARGET, text))?;
    for_each(session, parsed, |container| match number {
        None | Some(9) => container.kill(),
        Some(number) => container.signal(number),
    })
}

/// Freezes containers.
pub fn pause(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    for_each(session, parsed, Container::pause)
}

/// Lets frozen containers go on.
pub fn unpause(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    for_each(session, parsed, Container::resume)
}

/// Changes mounts and limits.
pub fn update(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let request = Draft::read_well(parsed)?.request;
    let (limits, added) = (request.limits, request.mounts);
    let removed: Vec<&OsText> = parsed.all("mount-rm").collect();
    if limits.is_empty() && added.is_empty() && removed.is_empty() {
        return Err(Failure::usage(
            usage("`cv update`: neither a limit nor a mount is named")
                .with_hint("as `cv update --memory 512m NAME`"),
        ));
    }
    for_each(session, parsed, |container| {
        removed.iter().try_for_each(|target| container.remove_mount((*target).clone()))?;
        added.iter().try_for_each(|mount| container.add_mount(mount))?;
        if limits.is_empty() { Ok(()) } else { container.update(&limits) }
    })
}

/// Gives a container another name.
pub fn rename(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let name = parsed.operand(1)?;
    session.container(parsed.operand(0)?)?.rename(name.strip_prefix('/').unwrap_or(name))?;
    Ok(0)
}

/// Waits for containers to end, and prints their exit codes.
pub fn wait(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let mut problems = Vec::new();
    for reference in parsed.operand_texts()? {
        match session.container(reference).and_then(|container| container.wait()) {
            Ok(exit) => output::print(format!("{}\n", exit::number(TARGET, exit.code)))?,
            Err(error) => problems.push(error),
        }
    }
    if problems.is_empty() {
        Ok(0)
    } else {
        Err(Error::problems("not every container could be waited for", problems).into())
    }
}

/// Removes containers.
pub fn remove(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let force = parsed.switch("force");
    let mut problems = Vec::new();
    for reference in parsed.operand_texts()? {
        match session.host()?.delete(reference, force) {
            Ok(()) => output::print(format!("{reference}\n"))?,
            Err(error) if force && error.kind() == ErrorKind::NotFound => {}
            Err(error) => problems.push(error),
        }
    }
    if problems.is_empty() {
        Ok(0)
    } else {
        Err(Error::problems("not every container could be removed", problems).into())
    }
}

/// Removes all containers that do not run.
pub fn prune(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let filters = Filters::parse(parsed.texts("filter")?.into_iter(), &["label", "label!", "until"])
        .map_err(Failure::usage)?;
    let until = until(&filters, time::now_unix_ns())?;
    if !parsed.switch("force") && !confirmed("This removes all containers that do not run.")? {
        output::message("nothing was removed\n");
        return Ok(0);
    }
    let mut problems = Vec::new();
    for container in session.host()?.containers()? {
        let request = container.request();
        let young = until.is_some_and(|until| request.created_unix_ns >= until);
        let kept = filters.values("label!").iter().any(|asked| has_label(request, asked));
        let stopped = container
            .state()
            .is_ok_and(|state| matches!(state.status, Status::Created | Status::Exited | Status::Dead));
        if !stopped || young || kept || !filters.labels(&request.labels) {
            continue;
        }
        let id = container.id().clone();
        match container.delete(false) {
            Ok(()) => output::print(format!("{id}\n"))?,
            Err(error) => problems.push(error),
        }
    }
    if problems.is_empty() {
        Ok(0)
    } else {
        Err(Error::problems("not every container could be removed", problems).into())
    }
}

/// Reads the filter `until`; the last mention counts.
pub fn until(filters: &Filters, now: u64) -> Result<Option<u64>, Failure> {
    let wrong = |text: &str, error| Failure::usage(usage(format!("`--filter until={text}`: {error}")));
    let read = |text: &String| time::parse(text, now).map_err(|error| wrong(text, error));
    filters.values("until").last().map(read).transpose()
}

fn has_label(request: &containerv_spec::Request, asked: &str) -> bool {
    match asked.split_once('=') {
        Some((name, value)) => request.labels.get(name).is_some_and(|label| label == value),
        None => request.labels.contains_key(asked),
    }
}

/// Asks on the terminal. Without one nobody can answer.
pub fn confirmed(question: &str) -> Result<bool, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        let error = usage("nobody can be asked for confirmation: standard input is no terminal");
        return Err(Failure::usage(error.with_hint("`--force` does it without asking")));
    }
    output::message(&format!("{question} Go on? [y/N] "));
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|error| Error::io(error, "read the answer"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Says how a container ended, in Docker's words.
pub fn ended_text(exit: &containerv_spec::state::Exit) -> String {
    let code = exit::text(TARGET, exit.code);
    match exit.out_of_memory {
        true => format!("Exited ({code}, out of memory)"),
        false => format!("Exited ({code})"),
    }
}
