//! The verbs: which there are, and what each does.

mod table;

pub mod copy;
pub mod doctor;
pub mod exec;
pub mod images;
pub mod inspect;
pub mod life;
pub mod list;
pub mod logs;
pub mod observe;
pub mod plan;
pub mod registry;
pub mod relay;
pub mod run;
pub mod shell;
pub mod stats;
pub mod system;

use std::cell::OnceCell;
use std::path::PathBuf;

use containerv::{Container, Error, Host};
use containerv_spec::OsText;

use crate::draft::Draft;
use crate::failure::Failure;
use crate::output;
use crate::syntax::parse::parse;
use crate::syntax::{Parsed, Verb, help, nearest, usage};
use crate::value::{native, shorten};

pub use table::{GROUPS, ROOT, find, find_in_group, group};

/// What one call of the program shares.
pub struct Session {
    root: Option<PathBuf>,
    host: OnceCell<Host>,
    /// Print what is going to be done.
    pub debug: bool,
}

impl Session {
    /// Returns the host, opened at first use.
    ///
    /// # Errors
    ///
    /// The state directory cannot be used.
    pub fn host(&self) -> Result<&Host, Error> {
        if let Some(host) = self.host.get() {
            return Ok(host);
        }
        let host = match &self.root {
            Some(root) => Host::open_at(root)?,
            None => Host::open()?,
        };
        Ok(self.host.get_or_init(|| host))
    }

    /// Finds a container by id, unique beginning of an id, or name.
    ///
    /// # Errors
    ///
    /// There is none, or more than one.
    pub fn container(&self, reference: &str) -> Result<Container, Error> {
        self.host()?.container(reference)
    }
}

/// How a command line ended.
pub struct Ended {
    /// Exit code.
    pub code: i32,
    /// What is to be said about it.
    pub errors: Vec<Error>,
}

impl Ended {
    fn well(code: i32) -> Self {
        Self { code, errors: Vec::new() }
    }

    /// It failed; `own` is the exit code of the verb's own failures.
    pub fn failed(failure: Failure, own: u8) -> Self {
        let code = failure.exit_code(own);
        let errors = match failure {
            Failure::Usage(problems) => problems,
            Failure::Work(error) => vec![error],
            Failure::OutputClosed => Vec::new(),
        };
        Self { code, errors }
    }

    fn of(result: Result<i32, Failure>, own: u8) -> Self {
        result.map_or_else(|failure| Self::failed(failure, own), Self::well)
    }
}

/// Runs the words after `cv`.
pub fn dispatch(words: Vec<OsText>) -> Ended {
    let parsed = match understand(words) {
        Ok(parsed) => parsed,
        Err(failure) => return Ended::failed(failure, 1),
    };
    Ended::of(run(&parsed), parsed.verb.failure)
}

/// Finds the verb and reads its options; those that were given before the verb count first.
fn understand(words: Vec<OsText>) -> Result<Parsed, Failure> {
    let (root, problems) = parse(&ROOT, words);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if root.operands.is_empty() || root.switch("help") || root.switch("version") {
        return Ok(root);
    }
    let (verb, rest) = choose(&root.operands).map_err(Failure::usage)?;
    let (mut parsed, mut problems) = parse(verb, rest.iter().cloned());
    if !problems.is_empty() {
        problems.extend(Draft::read(&parsed).1);
        return Err(problems.into());
    }
    parsed.given.splice(0..0, root.given);
    Ok(parsed)
}

fn run(parsed: &Parsed) -> Result<i32, Failure> {
    let verb = parsed.verb;
    if parsed.switch("help") && verb.name != ROOT.name {
        return output::print(help::verb_help(verb)).map(|()| 0);
    }
    let wrong_root = |error| Failure::usage(usage(format!("`--root`: {error}")));
    let root = parsed.text("root").map(native::path).transpose().map_err(wrong_root)?;
    (verb.run)(&Session { root, host: OnceCell::new(), debug: parsed.switch("debug") }, parsed)
}

/// Finds the verb that the first words name; returns it with the words after it.
fn choose(words: &[OsText]) -> Result<(&'static Verb, &[OsText]), Error> {
    let Some((first, rest)) = words.split_first() else { return Err(usage("a verb is missing")) };
    let name = first.to_str().unwrap_or_default();
    if let Some(verb) = find(name) {
        return Ok((verb, rest));
    }
    if let Some(name) = group(name) {
        // `cv system --help` is `cv help system`.
        let asks = |word: &OsText| word.as_bytes() == b"--help" || word.as_bytes() == b"help";
        if let (Some(help), true) = (find("help"), rest.first().is_some_and(asks)) {
            return Ok((help, &words[..1]));
        }
        let Some((second, rest)) =
            rest.split_first().filter(|(second, _)| !second.as_bytes().starts_with(b"-"))
        else {
            return group_help(name);
        };
        return match find_in_group(name, second.to_str().unwrap_or_default()) {
            Some(verb) => Ok((verb, rest)),
            None => Err(usage(format!("unknown verb `{}` after `cv {name}`", shorten(second)))
                .with_hint(table::group_hint(name))),
        };
    }
    let error = usage(format!("unknown verb `{}`", shorten(first)));
    let all = "`cv --help` lists the verbs";
    Err(match (table::refusal(name), nearest(name, table::words())) {
        (Some(way_out), _) => usage(format!("`cv {name}` is not offered yet")).with_hint(way_out),
        (None, Some(likely)) => error.with_hint(format!("did you mean `cv {likely}`? {all}")),
        (None, None) => error.with_hint(all),
    })
}

fn group_help(group: &str) -> Result<(&'static Verb, &'static [OsText]), Error> {
    Err(usage(format!("`cv {group}`: a verb is missing")).with_hint(table::group_hint(group)))
}

/// Does something to each container that is named, printing each name that is done.
///
/// # Errors
///
/// Every failure; the other containers are done all the same.
pub fn for_each(
    session: &Session,
    parsed: &Parsed,
    mut act: impl FnMut(&Container) -> Result<(), Error>,
) -> Result<i32, Failure> {
    let mut problems = Vec::new();
    for reference in parsed.operand_texts()? {
        match session.container(reference).and_then(|container| act(&container)) {
            Ok(()) => output::print(format!("{reference}\n"))?,
            Err(error) => problems.push(error),
        }
    }
    if problems.is_empty() {
        Ok(0)
    } else {
        Err(Error::problems("not every container could be handled", problems).into())
    }
}
