//! What is wrong with a machine, and what to do about it.

use serde::Serialize;

use crate::Host;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// Everything is as it should be.
    Ok,
    /// Some features are missing.
    Warning,
    /// Containers cannot be run.
    Failed,
}

/// One thing that containers need of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub status: CheckStatus,
    /// What was found.
    pub found: String,
    /// Why that is so and what it means; empty if all is well.
    pub cause: String,
    /// What to do: a command where there is one; empty if all is well.
    pub fix: String,
}

impl Check {
    pub(crate) fn ok(name: &str, found: impl Into<String>) -> Self {
        let none = String::new;
        Self {
            name: name.to_owned(),
            status: CheckStatus::Ok,
            found: found.into(),
            cause: none(),
            fix: none(),
        }
    }

    pub(crate) fn bad(
        name: &str,
        status: CheckStatus,
        found: impl Into<String>,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name: name.to_owned(), status, found: found.into(), cause: cause.into(), fix: fix.into() }
    }
}

impl Host {
    /// Checks whether this machine can run containers for the caller. What is not well comes with
    /// its cause and what to do. Nothing is changed, but a trial makes files in the state root, or in the
    /// directory that this will be made in, and removes them again.
    pub fn diagnose(&self) -> Vec<Check> {
        self.system.diagnose()
    }
}
