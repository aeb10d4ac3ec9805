//! The command line of `cargo xtask bench`.

use std::path::{Path, PathBuf};

use super::cases::CASES;
use crate::failure::{Failure, Result};

pub(super) const USAGE: &str = "\
usage: cargo xtask bench [OPTION..], or cargo xtask bench images [OPTION..]

  --rounds N           measured rounds, after 2 that warm up (default 20)
  --only CASE..        these cases only; then docs/benchmarks.md is not written
  --peer NAME=COMMAND  one more OCI runtime beside crun and runc; may be given again
  --cv PATH            measure this `cv` instead of one built now
  --mode MODE..        v1, v2 or as-is: which control groups the runtimes see, in a mount namespace
                       of the benchmark (default: as-is, but v1 where v1 and v2 are mixed, because
                       crun refuses that). Several give a part of the report each; files are copied
                       in the last only
  --fifo               SCHED_FIFO, which keeps other work on this machine out; not in v1
  --no-write           do not write docs/benchmarks.md";

/// Which control groups the runtimes see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    V1,
    V2,
    AsIs,
}

impl Mode {
    /// Whether SCHED_FIFO processes can run there: a v1 group without a realtime budget takes none.
    pub(super) fn takes_fifo(self) -> bool {
        self != Mode::V1
    }

    /// As `--mode` takes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Mode::V1 => "v1",
            Mode::V2 => "v2",
            Mode::AsIs => "as-is",
        }
    }
}

#[derive(Debug)]
pub(super) struct Options {
    pub(super) rounds: usize,
    pub(super) only: Vec<String>,
    /// Name and command of further OCI runtimes.
    pub(super) peers: Vec<(String, String)>,
    pub(super) cv: Option<PathBuf>,
    /// The program that measures the library.
    pub(super) library: Option<PathBuf>,
    pub(super) modes: Vec<Mode>,
    pub(super) fifo: bool,
    pub(super) write: bool,
    /// Without this case.
    pub(super) without_copies: bool,
    /// This process is already in the mount namespace.
    pub(super) inside: bool,
}

/// The options, or `None` when help was asked for.
pub(super) fn parse(arguments: &[String]) -> Result<Option<Options>> {
    let mut options = Options {
        rounds: 20,
        only: Vec::new(),
        peers: Vec::new(),
        cv: None,
        library: None,
        modes: Vec::new(),
        fifo: false,
        write: true,
        without_copies: false,
        inside: false,
    };
    let mut words = arguments.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let mut value =
            || words.next().ok_or_else(|| Failure::usage(format!("`{word}` needs a value\n{USAGE}")));
        match word {
            "--rounds" => options.rounds = rounds(value()?)?,
            "--peer" => options.peers.push(peer(value()?)?),
            "--cv" => options.cv = Some(absolute(value()?)?),
            "--library" => options.library = Some(absolute(value()?)?),
            "--mode" => {
                options.modes.push(mode(value()?)?);
                while let Some(name) = words.next_if(|word| !word.starts_with("--")) {
                    options.modes.push(mode(name)?);
                }
            }
            "--fifo" => options.fifo = true,
            "--no-write" => options.write = false,
            "--without-copies" => options.without_copies = true,
            "--inside" => options.inside = true,
            "--help" | "-h" => return Ok(None),
            "--only" => {
                while let Some(name) = words.next_if(|word| !word.starts_with("--")) {
                    options.only.push(case(name)?);
                }
            }
            other => return Err(Failure::usage(format!("no option `{other}`\n{USAGE}"))),
        }
    }
    if options.modes.is_empty() {
        options.modes.push(default_mode());
    }
    if options.fifo && options.modes == [Mode::V1] {
        return Err(Failure::usage(
            "--fifo and v1: a v1 group without a realtime budget takes no SCHED_FIFO process; use --mode v2",
        ));
    }
    options.write &= options.only.is_empty();
    Ok(Some(options))
}

fn rounds(value: &str) -> Result<usize> {
    let parsed = value.parse().ok().filter(|rounds| (1..=1000).contains(rounds));
    parsed.ok_or_else(|| Failure::usage(format!("--rounds `{value}`: a number from 1 to 1000")))
}

fn peer(value: &str) -> Result<(String, String)> {
    let (name, command) =
        value.split_once('=').ok_or_else(|| Failure::usage(format!("--peer `{value}`: NAME=COMMAND")))?;
    Ok((name.to_owned(), command.to_owned()))
}

fn absolute(value: &str) -> Result<PathBuf> {
    std::path::absolute(value).map_err(|error| Failure::io(format!("`{value}`"), &error))
}

fn mode(value: &str) -> Result<Mode> {
    match value {
        "v1" => Ok(Mode::V1),
        "v2" => Ok(Mode::V2),
        "as-is" => Ok(Mode::AsIs),
        _ => Err(Failure::usage(format!("--mode `{value}`: v1, v2 or as-is"))),
    }
}

fn case(name: &str) -> Result<String> {
    let known = || CASES.iter().map(|case| case.name).collect::<Vec<_>>().join(", ");
    match CASES.iter().any(|case| case.name == name) {
        true => Ok(name.to_owned()),
        false => Err(Failure::usage(format!("no case `{name}`; there are {}", known()))),
    }
}

/// Mixed hierarchies have v2 in the directory `unified` of a v1 tree.
fn default_mode() -> Mode {
    if Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists() { Mode::V1 } else { Mode::AsIs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Option<Options>> {
        parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let words = ["--only", "run", "exec", "--peer", "a=/b c=d", "--mode", "v2", "v1", "--fifo"];
        let options = parsed(&words);
        let options = options.unwrap().unwrap();
        assert_eq!(options.only, ["run", "exec"]);
        assert_eq!(options.peers, [("a".to_owned(), "/b c=d".to_owned())]);
        assert!(options.fifo && options.modes == [Mode::V2, Mode::V1] && !options.write);
    }

    #[test]
    fn wrong_words_are_refused() {
        for words in [&["--rounds", "0"][..], &["--peer", "x"], &["--only", "nothing"], &["x"], &["--cv"]] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
        assert!(parsed(&["--mode", "v1", "--fifo"]).is_err());
    }
}
