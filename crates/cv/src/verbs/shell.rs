//! `completion`, `help`, and the answer to completion scripts.

use containerv_spec::state::Status;

use super::{GROUPS, Session, choose};
use crate::failure::Failure;
use crate::output;
use crate::syntax::completion::{self, SHELLS};
use crate::syntax::{Parsed, help as help_text, usage};

/// Prints a shell's completion script.
pub fn completion(_: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let shell = parsed.operand(0)?;
    let unknown = || {
        Failure::usage(
            usage(format!("unknown shell `{shell}`")).with_hint(format!("shells: {}", SHELLS.join(", "))),
        )
    };
    output::print(completion::script(shell).ok_or_else(unknown)?)?;
    Ok(0)
}

/// Prints the help text of a verb, or the list of verbs.
pub fn help(_: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    if parsed.operands.is_empty() {
        output::print(help_text::overview(GROUPS))?;
        return Ok(0);
    }
    let (verb, _) = choose(&parsed.operands).map_err(Failure::usage)?;
    output::print(help_text::verb_help(verb))?;
    Ok(0)
}

/// Answers a shell's completion script. Whatever goes wrong, a shell that completes wants no message.
pub fn complete(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let Some(words) = completion::words(&parsed.operands) else { return Ok(0) };
    let names = |running: bool| container_names(session, running);
    output::print(completion::complete(&words, &names))?;
    Ok(0)
}

fn container_names(session: &Session, running: bool) -> Vec<String> {
    let containers = session.host().and_then(containerv::Host::containers).unwrap_or_default();
    let runs = |container: &containerv::Container| {
        let state = container.state();
        state.is_ok_and(|state| matches!(state.status, Status::Running | Status::Paused))
    };
    let shown = containers.iter().filter(|container| !running || runs(container));
    shown.map(containerv::Container::name).collect()
}
