//! Containers on Linux and Windows through one library, without a daemon.
//!
//! ```no_run
//! use containerv::spec::ByteSize;
//! use containerv::spec::request::Root;
//! use containerv::{Container, Host};
//!
//! # fn main() -> containerv::Result<()> {
//! let host = Host::open()?;
//! let container = Container::builder(Root::Host)       // this machine's own system, read-only
//!     .read_only()
//!     .bind_read_only("/home/me/project", "/src")
//!     .memory(ByteSize::mib(512))
//!     .create(&host)?                                  // ready to run commands in
//!     .delete_on_drop();
//! let output = container.command("make").arg("-n").current_dir("/src").output()?;
//! println!("{}: {}", output.status, String::from_utf8_lossy(&output.stdout));
//! # Ok(())
//! # }
//! ```
//!
//! # Parts
//!
//! * [`Host`] is where containers are kept. Any number of programs use the same one at once.
//! * [`Container::builder`] makes a container, [`Host::container`] finds one again. A [`Container`] is
//!   a handle: dropping it leaves the container as it is.
//! * [`Container::command`] runs further commands, in the vocabulary of [`std::process`].
//! * [`Error`] has a kind for programs, a sentence for people, and a hint for what to do next.
//!
//! # How it works
//!
//! A container is made of a [`Request`](spec::Request), which is plain data. Lowering turns it
//! into a [`Plan`](spec::plan::Plan), an ordered list of typed steps that can be read before
//! anything runs ([`Host::plan`]), and a backend executes that. What a request asks for and cannot be
//! had is an error that names it; everything that is wrong is reported at once.
//!
//! # What it asks of the program that uses it
//!
//! Nothing. Every function may be called from any thread of any program. The library installs no
//! signal handler, keeps no thread, changes neither environment nor working directory, prints
//! nothing, and makes processes without copying the program's memory. Calls block; a [`Child`] is a
//! descriptor that any event loop can wait for.
//!
//! Systems without a backend compile it too: there, calls that need a container answer
//! [`ErrorKind::Unavailable`].

#![forbid(unsafe_code)]

mod archive;
mod attach;
mod backend;
mod base64;
mod builder;
mod container;
mod copy;
mod doctor;
mod error;
mod events;
mod features;
#[cfg(all(feature = "fuzzing", target_os = "linux"))]
#[doc(hidden)]
pub mod fuzzing;
mod host;
pub mod images;
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
pub use doctor::{Check, CheckStatus};
pub use error::{Error, ErrorKind, Result};
pub use events::{Event, Events};
pub use features::{Feature, FeatureLabel};
pub use host::{Host, ROOT_VARIABLE, RepairAction};
pub use images::{
    Answer, DebootstrapOptions, DebootstrapPlan, DebootstrapProgress, DebootstrapStep, Fit, HistoryEntry,
    Image, ImageEdit, ImageLayer, ImageOverrides, ImageSummary, ImageUsage, Images, ImagesUsage, LoadOptions,
    MakeOptions, PruneOptions, PullEvent, PullOptions, PullPolicy, PullProgress, PushEvent, PushOptions,
    PushProgress, RemovedImages, SaveFormat, parse_reference,
};
pub use logs::{LogEntry, LogOptions, LogStream, Logs};
pub use lower::hcs::plan_windows;
pub use process::{
    Child, Command, ExecOptions, ExitStatus, Output, Stdio, StdioSet, TerminalStreams, default_environment,
};
pub use stats::{InterfaceStats, ProcessInfo, Stats};
