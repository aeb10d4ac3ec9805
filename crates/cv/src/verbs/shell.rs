//! `completion`, `help`, and the answer to completion scripts.

use std::path::Path;

use containerv::Error;
use containerv_spec::state::Status;

use super::{GROUPS, Session, choose, table};
use crate::failure::Failure;
use crate::output;
use crate::syntax::completion::{self, Known, SHELLS};
use crate::syntax::{Parsed, help as help_text, man as man_page, usage};
use crate::value::native;

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
    if let [word] = parsed.operands.as_slice()
        && let Some(group) = word.to_str().and_then(table::group)
    {
        output::print(help_text::group_overview(group, &table::verbs_of_group(group)))?;
        return Ok(0);
    }
    let (verb, _) = choose(&parsed.operands).map_err(Failure::usage)?;
    output::print(help_text::verb_help(verb))?;
    Ok(0)
}

/// Writes every manual page into a directory, which is made if missing.
pub fn man(_: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let directory = native::path(&parsed.operands[0])?;
    let failed = |path: &Path, error| Error::io(error, format!("write `{}`", path.display()));
    std::fs::create_dir_all(&directory).map_err(|error| failed(&directory, error))?;
    for (name, page) in man_page::pages() {
        let path = directory.join(name);
        std::fs::write(&path, page).map_err(|error| failed(&path, error))?;
    }
    Ok(0)
}

/// Answers a shell's completion script. Whatever goes wrong, a shell that completes wants no message.
pub fn complete(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let Some(words) = completion::words(&parsed.operands) else { return Ok(0) };
    let containers = |running: bool| container_names(session, running);
    let images = || image_names(session);
    output::print(completion::complete(&words, Known { containers: &containers, images: &images }))?;
    Ok(0)
}

fn image_names(session: &Session) -> Vec<String> {
    let images = session.host().and_then(|host| host.images().list()).unwrap_or_default();
    let names = images.iter().flat_map(|image| &image.names).filter(|(name, _)| name.tag().is_some());
    names.map(|(name, _)| name.familiar()).collect()
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
