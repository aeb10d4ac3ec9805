//! `exec`.

use containerv::{ExecOptions, Stdio, StdioSet};
use containerv_spec::request::Process;

use super::Session;
use super::relay;
use super::run::is_input_terminal;
use crate::draft::{Draft, merge_environment};
use crate::failure::Failure;
use crate::syntax::{Parsed, usage};
use crate::terminal;

/// Runs a command in a running container.
pub fn exec(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let (detach, interactive) = (parsed.switch("detach"), parsed.switch("interactive"));
    let draft = Draft::read_well(parsed)?;
    let container = session.container(parsed.operand(0)?)?;
    let mut process = draft.process;
    process.args = parsed.operands[1..].to_vec();
    let own = container.request().process.as_ref();
    let inherited = own.map(|own| own.env.clone()).unwrap_or_default();
    process.env = merge_environment(inherited.into_iter().chain(draft.env_files).chain(process.env));
    if let Some(own) = own {
        surround_as(&mut process, own, parsed);
    }
    if let Some(size) = &mut process.terminal {
        if interactive && !detach && !is_input_terminal() {
            let error = usage("`-t` with `-i`: standard input is not a terminal");
            return Err(Failure::usage(error.with_hint("leave `-t` away to pipe input in")));
        }
        *size = terminal::size().unwrap_or(*size);
    }
    let options = ExecOptions { privileged: parsed.switch("privileged"), announced: true };
    let has_terminal = process.terminal.is_some();
    if detach {
        let nothing = StdioSet { stdin: Stdio::Null, stdout: Stdio::Null, stderr: Stdio::Null };
        container.exec(&process, nothing, options)?;
        return Ok(0);
    }
    if has_terminal {
        let unused = StdioSet { stdin: Stdio::Null, stdout: Stdio::Null, stderr: Stdio::Null };
        let signals = relay::Signals::block(relay::TERMINAL_SIGNALS)?;
        let child = container.exec(&process, unused, options)?;
        return relay::terminal(child, interactive, &signals);
    }
    let signals = relay::Signals::block(relay::PROXIED_SIGNALS)?;
    let stdin = if interactive { Stdio::Inherit } else { Stdio::Null };
    let stdio = StdioSet { stdin, stdout: relay::own_output(), stderr: relay::own_output() };
    let child = container.exec(&process, stdio, options)?;
    relay::wait_for(child, &signals, None, true)
}

/// Gives a command what the container's own has and no option sets.
fn surround_as(process: &mut Process, own: &Process, parsed: &Parsed) {
    if parsed.text("workdir").is_none() {
        process.cwd = own.cwd.clone();
    }
    if parsed.text("user").is_none() {
        process.user.clone_from(&own.user);
    }
    process.groups.clone_from(&own.groups);
    process.rlimits.clone_from(&own.rlimits);
    process.umask = own.umask;
}
