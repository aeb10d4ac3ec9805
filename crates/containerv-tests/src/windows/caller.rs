//! Whose rights a caller has.

use std::path::Path;
use std::process::{Command, ExitStatus};

/// Whose rights a caller has: the test's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {}

impl Rights {
    /// A command that runs a program with these rights.
    pub(crate) fn command(self, program: &Path) -> Command {
        Command::new(program)
    }
}

/// Says whether a fault ended a process.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    /// What a process that a fault ends exits with: 128 and the number of SIGKILL.
    const KILLED: i32 = 137;
    status.code() == Some(KILLED)
}
