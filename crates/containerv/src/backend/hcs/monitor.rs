//! The process that supervises a detached command.

use containerv_sys::windows::lock::Lock;

use super::store::Directory;
use super::system::System;
use crate::{Error, ErrorKind, Result};

/// When a monitor starts its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// When it can.
    AtOnce,
    /// When `start` tells it.
    WhenTold,
}

pub(super) fn missing() -> Error {
    Error::new(ErrorKind::Unavailable, "detached commands are not offered on Windows yet")
        .with_hint("run it attached")
}

/// Starts a monitor, and returns after its command runs, or is prepared.
pub(super) fn launch(_system: &System, _directory: &Directory, _begin: Begin, _hold: Lock) -> Result<()> {
    Err(missing())
}

/// Tells the monitor to start its command.
pub(super) fn start(_system: &System, _directory: &Directory, _hold: Lock) -> Result<()> {
    Err(missing())
}
