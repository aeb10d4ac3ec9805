//! Containers on Linux and Windows through one library, without a daemon.

#![forbid(unsafe_code)]

#[allow(dead_code, unused_imports, reason = "called by the executor")]
mod backend;
mod copy;
mod error;
#[allow(dead_code, reason = "called by the executor")]
mod lower;
mod seccomp;

pub use copy::{Change, ChangeKind, CopyOptions, CopyProgress, CopySummary, SkipReason, Skipped};
pub use error::{Error, ErrorKind, Result};
