//! The Windows backend: containers by the Host Compute Service.
//!
//! What decides, orders and undoes compiles on every system; only what calls Windows does not.

#[cfg(windows)]
mod attach;
#[cfg(test)]
#[cfg(windows)]
mod bed;
#[cfg(windows)]
mod change;
#[cfg(windows)]
mod compute;
mod crash;
#[cfg(windows)]
mod delete;
pub(crate) mod doctor;
#[cfg(windows)]
mod events;
#[cfg(windows)]
mod exec;
mod execute;
mod explain;
mod facts;
mod features;
mod found;
#[cfg(windows)]
mod images;
mod journal;
mod leaked;
#[cfg(windows)]
mod lifecycle;
mod log;
#[cfg(windows)]
mod logs;
#[cfg(windows)]
mod monitor;
mod observe;
#[cfg(windows)]
mod perform;
#[cfg(windows)]
mod probe;
mod root;
#[cfg(windows)]
mod running;
#[cfg(windows)]
mod store;
#[cfg(windows)]
mod streams;
#[cfg(windows)]
mod supervise;
#[cfg(windows)]
mod system;
mod told;
#[cfg_attr(not(windows), allow(dead_code, reason = "what touches files uses it; elsewhere it is tested"))]
pub(crate) mod transfer;

#[cfg(windows)]
pub(crate) use {
    attach::{AttachedReader, AttachedWriter, Attachment},
    events::Events,
    explain::Failure,
    logs::Logs,
    monitor::serve,
    perform::{Windows, die_at, privileged},
    running::Process,
    system::System,
    transfer::serve_guest_copy,
};
