//! What containers use, and which processes they have.

use containerv_spec::{ContainerId, Limits};

use super::system::System;
use crate::{Error, ErrorKind, Result};

fn missing<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, "not offered on Windows yet"))
}

impl System {
    pub(crate) fn update(&self, _id: &ContainerId, _change: &Limits) -> Result<()> {
        missing()
    }

    pub(crate) fn stats(&self, _id: &ContainerId) -> Result<crate::Stats> {
        missing()
    }

    pub(crate) fn processes(&self, _id: &ContainerId) -> Result<Vec<crate::ProcessInfo>> {
        missing()
    }

    pub(crate) fn enter(&self, _id: &ContainerId) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "a process of Windows cannot move into a container")
            .with_hint("start the program in it with `Container::exec`"))
    }
}
