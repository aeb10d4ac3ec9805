//! The program `inside`, which does in containers of both systems what tests want to see.

use std::path::Path;

use containerv::spec::request::Process;
use containerv::{Command, Container, default_environment};

use crate::system::{self, PROGRAM};

/// The program, made for this system.
const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inside.program"));

/// Puts it into a root file system.
pub(crate) fn install(file: &Path) {
    system::write_program(file, BYTES);
}

/// A process that does what these words say, parted by spaces; see `src/bin/inside.rs`.
pub fn doing(words: &str) -> Process {
    with(&words.split(' ').collect::<Vec<_>>())
}

/// A process that is given these words.
pub fn with(words: &[&str]) -> Process {
    let args = std::iter::once(PROGRAM).chain(words.iter().copied()).map(Into::into).collect();
    Process { env: default_environment(), ..Process::new(args) }
}

/// A further command that does what these words say, parted by spaces.
pub fn command<'a>(container: &'a Container, words: &str) -> Command<'a> {
    container.command(PROGRAM).args(words.split(' '))
}

/// What a further command writes to standard output, with the line ends of Linux and without the
/// last one. It must succeed.
///
/// # Panics
///
/// If it does not.
#[track_caller]
pub fn said(command: Command<'_>) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    text(&output.stdout)
}

/// A text as people read it: with the line ends of Linux and without the last one.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n").trim_end_matches('\n').to_owned()
}

/// A path in a container, from its parts below the root: `tmp/x` is `/tmp/x` or `C:\tmp\x`.
pub fn path(below: &str) -> String {
    system::path(below)
}
