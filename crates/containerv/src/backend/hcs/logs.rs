//! What containers have written.

use std::convert::Infallible;

use containerv_spec::ContainerId;

use super::missing;
use super::system::System;
use crate::Result;

/// Entries of a log.
#[derive(Debug)]
pub(crate) struct Logs(Infallible);

impl System {
    pub(crate) fn logs(&self, _id: &ContainerId, _options: crate::LogOptions) -> Result<Logs> {
        Err(missing())
    }
}

impl Logs {
    pub(crate) fn next(&mut self) -> Option<Result<crate::LogEntry>> {
        match self.0 {}
    }
}
