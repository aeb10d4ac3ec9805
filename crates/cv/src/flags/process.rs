//! Options of a command's surroundings: environment, directory, user, terminal, limits.

use containerv::Error;
use containerv_spec::OsText;
use containerv_spec::request::{Rlimit, RlimitResource, TerminalSize};

use crate::draft::Draft;
use crate::syntax::{Completion, Flag, Section};
use crate::value::{self, fields, file, quote, wrong};

/// Options that `run`, `create` and `exec` share.
pub static COMMAND: Section = Section {
    title: "Command",
    flags: &[
        Flag::switch("interactive", "Keep standard input open").short('i').sets(interactive),
        Flag::switch("tty", "Give the command a terminal").short('t').sets(tty),
        Flag::value("env", "NAME[=VALUE]", "Set an environment variable; without a value, this shell's")
            .short('e')
            .sets(env),
        Flag::value("env-file", "FILE", "Set the variables of a file of `NAME=VALUE` lines")
            .completed(Completion::Files)
            .sets(env_file),
        Flag::value("user", "USER[:GROUP]", "Run as this user, by name or number").short('u').sets(user),
        Flag::value("workdir", "DIR", "Start in this directory; it is made if missing")
            .short('w')
            .sets(workdir),
    ],
};

/// Options of a container's own command only.
pub static OWN_COMMAND: Section = Section {
    title: "Command",
    flags: &[
        Flag::value("entrypoint", "PROGRAM", "Put this program before the command").sets(entrypoint),
        Flag::switch("http-proxy", "Give the command the proxies of Docker's config.json (default: true)")
            .sets(http_proxy),
        Flag::switch("init", "Run an init as process 1 that reaps orphans and passes signals on").sets(init),
        Flag::value("group-add", "GROUP", "Add a supplementary group, by name or number").sets(group_add),
        Flag::value("ulimit", "NAME=SOFT[:HARD]", "Set a limit of each process, as `nofile=1024:2048`")
            .completed(Completion::Words(&[
                "core=", "cpu=", "fsize=", "memlock=", "nofile=", "nproc=", "stack=",
            ]))
            .sets(ulimit),
        Flag::value("umask", "MODE", "Permission bits that new files never get, in octal (default: 0022)")
            .sets(umask),
    ],
};

fn switch(text: &OsText) -> bool {
    text.as_bytes() == b"true"
}

fn interactive(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.process.open_stdin = switch(text);
    Ok(())
}

/// The verb puts in the size of its own terminal, where it has one.
fn tty(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.process.terminal = switch(text).then_some(TerminalSize { columns: 80, rows: 24 });
    Ok(())
}

fn env(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    if fields::key_value(text).0.is_empty() {
        return Err(wrong("no name before `=`"));
    }
    draft.process.env.push(text.clone());
    Ok(())
}

fn env_file(draft: &mut Draft, path: &OsText) -> Result<(), Error> {
    draft.env_files.extend(file::entries(path)?);
    Ok(())
}

pub(super) fn user(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.process.user = value::utf8(text)?.to_owned();
    draft.instead.user = true;
    Ok(())
}

fn workdir(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.process.cwd = value::inside_path(text)?;
    draft.instead.workdir = true;
    Ok(())
}

fn entrypoint(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.entrypoint = Some(text.clone());
    Ok(())
}

fn http_proxy(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.http_proxy = switch(text);
    Ok(())
}

fn init(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.init = switch(text);
    Ok(())
}

fn group_add(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    if text.is_empty() {
        return Err(wrong("no group was named"));
    }
    draft.process.groups.push(value::utf8(text)?.to_owned());
    Ok(())
}

fn ulimit(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let limit = parse_ulimit(value::utf8(text)?)?;
    draft.process.rlimits.retain(|known| known.resource != limit.resource);
    draft.process.rlimits.push(limit);
    Ok(())
}

fn parse_ulimit(text: &str) -> Result<Rlimit, Error> {
    let (name, values) = text.split_once('=').ok_or_else(|| wrong("expected `NAME=SOFT[:HARD]`"))?;
    let resource = RlimitResource::from_name(name).ok_or_else(|| {
        wrong(format!("{} is not a process limit; setrlimit(2) lists them", quote(&name.into())))
    })?;
    let bound = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        _ => value::number(text, 0, i64::MAX as u64),
    };
    let (soft, hard) = match values.split_once(':') {
        Some((soft, hard)) => (bound(soft)?, bound(hard)?),
        None => (bound(values)?, bound(values)?),
    };
    if soft > hard {
        return Err(wrong("the soft limit is above the hard limit"));
    }
    Ok(Rlimit { resource, soft, hard })
}

fn umask(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.process.umask = Some(octal(value::utf8(text)?, 0o777)?);
    Ok(())
}

/// Reads permission bits in octal.
///
/// # Errors
///
/// It is none, or above `most`.
pub fn octal(text: &str, most: u32) -> Result<u32, Error> {
    let digits = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let bits = u32::from_str_radix(text, 8).ok().filter(|bits| digits && *bits <= most);
    bits.ok_or_else(|| wrong(format!("expected permission bits in octal, at most {most:o}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits_have_one_or_two_bounds() {
        let limit = parse_ulimit("nofile=1024:2048").unwrap();
        assert_eq!((limit.resource, limit.soft, limit.hard), (RlimitResource::Nofile, 1024, 2048));
        let limit = parse_ulimit("core=-1").unwrap();
        assert_eq!((limit.soft, limit.hard), (u64::MAX, u64::MAX));
        for text in [
            "nofile",
            "nofile=",
            "files=1",
            "nofile=2:1",
            "nofile=1:2:3",
            "nofile=1k",
            "core=-2",
            "core=-1:5",
        ] {
            assert!(parse_ulimit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn octal_bits_are_bounded() {
        assert_eq!(octal("0022", 0o777).unwrap(), 0o22);
        for text in ["", "8", "1000", "-1", "+7", "0x1"] {
            assert!(octal(text, 0o777).is_err(), "{text}");
        }
    }
}
