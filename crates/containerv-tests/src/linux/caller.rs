//! Whose rights a caller has.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};

use super::machine;
use crate::{Bed, Caller};

/// Whose rights a caller has: the test's unless told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    user: Option<u32>,
    /// What a shell does before, in a mount namespace of the operation's own.
    before: Option<String>,
}

impl Rights {
    /// A command that runs a program with these rights.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let Some(before) = &self.before else {
            let mut command = Command::new(program);
            if let Some(uid) = self.user {
                // The standard library drops the supplementary groups as well.
                command.uid(uid).gid(uid);
            }
            return command;
        };
        let id = self.user.unwrap_or(0).to_string();
        let script =
            format!("set -e; {before}; exec setpriv --reuid {id} --regid {id} --clear-groups -- \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(program);
        command
    }
}

/// Says whether SIGKILL ended a process.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

impl<'a> Caller<'a> {
    /// A caller who is an ordinary user, to whom the state root is given.
    ///
    /// # Panics
    ///
    /// If this process is not root.
    pub fn ordinary(bed: &'a Bed, program: &str, uid: u32) -> Self {
        bed.give_to(uid);
        // The build directory may lie where others cannot go. This process itself must not write the
        // copy: a child that another thread starts meanwhile would hold it open for writing (ETXTBSY).
        let copy = bed.path("crash-at");
        machine::run("cp", &[program, copy.to_str().unwrap()]);
        Self { bed, program: copy, rights: Rights { user: Some(uid), before: None } }
    }

    /// Has a shell of root make mounts that only the operations see.
    #[must_use]
    pub fn with_mounts(mut self, script: &str) -> Self {
        self.rights.before = Some(script.to_owned());
        self
    }
}
