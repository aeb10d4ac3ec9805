//! Containers on Linux and Windows through one library, without a daemon.
//!
//! A container is made of a [`Request`](spec::Request), which is plain data. Lowering turns it
//! into a [`Plan`](spec::plan::Plan), an ordered list of typed steps that can be read before
//! anything runs, and a backend executes that.

#![forbid(unsafe_code)]

mod attach;
mod backend;
mod builder;
mod container;
mod copy;
mod error;
#[cfg(all(feature = "fuzzing", target_os = "linux"))]
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod logs;
#[cfg_attr(
    not(target_os = "linux"),
    allow(
        dead_code,
        unused_imports,
        reason = "compiled everywhere; only the Linux backend executes these plans"
    )
)]
mod lower;
mod process;
pub mod seccomp;
mod stats;

pub use containerv_spec as spec;

pub use attach::{AttachFrame, AttachOptions, AttachReader, AttachWriter, Attachment};
pub use builder::ContainerBuilder;
pub use container::{Container, OwnedContainer, State};
pub use copy::{Change, ChangeKind, CopyOptions, CopyProgress, CopySummary, SkipReason, Skipped};
pub use error::{Error, ErrorKind, Result};
pub use host::{Host, ROOT_VARIABLE, RepairAction};
pub use logs::{LogEntry, LogOptions, LogStream, Logs};
pub use process::{Child, Command, ExecOptions, ExitStatus, Output, Stdio, StdioSet, default_environment};
pub use stats::{InterfaceStats, ProcessInfo, Stats};
