//! What happens to containers.

use std::convert::Infallible;

use containerv_spec::Request;

use super::missing;
use super::system::System;
use crate::Result;

/// Names of events.
pub(crate) mod action {
    pub(crate) const CREATE: &str = "create";
    pub(crate) const START: &str = "start";
    pub(crate) const KILL: &str = "kill";
    pub(crate) const DIE: &str = "die";
    pub(crate) const STOP: &str = "stop";
    pub(crate) const PAUSE: &str = "pause";
    pub(crate) const UNPAUSE: &str = "unpause";
    pub(crate) const UPDATE: &str = "update";
    pub(crate) const RENAME: &str = "rename";
    pub(crate) const DESTROY: &str = "destroy";
}

/// Events as they come.
#[derive(Debug)]
pub(crate) struct Events(Infallible);

impl System {
    /// Writes down what has happened.
    pub(super) fn tell(&self, _request: &Request, _action: &str, _attributes: &[(&str, String)]) {}

    pub(crate) fn events(&self, _since: u64, _follow: bool) -> Result<Events> {
        Err(missing())
    }
}

impl Events {
    pub(crate) fn end_at(&mut self, _unix_ns: u64) {
        match self.0 {}
    }

    pub(crate) fn next(&mut self) -> Option<Result<crate::Event>> {
        match self.0 {}
    }
}
