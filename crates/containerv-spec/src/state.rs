//! What is known of a container besides its request.

use serde::{Deserialize, Serialize};

/// Where a container is in its life, in Docker's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// Its objects are being made.
    Creating,
    /// Everything is made and its command waits for `start`.
    Created,
    /// Its PID 1 runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its PID 1 has ended.
    Exited,
    /// It is being removed.
    Removing,
    /// A step failed half-way; `cv system repair` removes what is left.
    Dead,
}

impl Status {
    /// Returns the word that people see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Exited => "exited",
            Self::Removing => "removing",
            Self::Dead => "dead",
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// Exit code; 128 + n for signal n.
    pub code: i32,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The kernel killed a process of the container because memory ran out.
    #[serde(default)]
    pub out_of_memory: bool,
    /// When, in nanoseconds since 1970.
    pub finished_unix_ns: u64,
}
