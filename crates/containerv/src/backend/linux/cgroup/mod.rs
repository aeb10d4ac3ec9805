//! Control groups as they are: found, made, filled, watched and removed.
//!
//! Version 1 and version 2 differ in nearly every file, so each operation asks a group for its
//! version and does not ask the machine for its mode.

mod change;
mod events;
pub(super) mod files;
mod freeze;
mod gather;
mod hints;
mod kill;
pub(super) mod probe;
mod remove;
mod restore;
pub(super) mod stats;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use self::change::{execute, open_clone_target, open_join_files, refuse_if_full};
pub(crate) use self::freeze::{freeze, is_frozen, thaw, thaw_killed};
pub(crate) use self::gather::{present_group, take_back};
pub(crate) use self::kill::{kill, processes, wait_until_empty};
pub(crate) use self::probe::{probe, probe_for};
pub(crate) use self::remove::remove;
#[cfg(test)]
pub(crate) use self::remove::remove_group;
pub(crate) use self::restore::execute_all;
pub(crate) use self::stats::{CgroupStats, oom_file, oom_kills, oom_kills_in, stats};
