//! A connection to a container's monitor.

use std::convert::Infallible;

use containerv_spec::ContainerId;
use containerv_spec::request::TerminalSize;

use super::monitor;
use super::system::System;
use crate::Result;
use crate::attach::{AttachFrame, AttachOptions};

/// A connection.
#[derive(Debug)]
pub(crate) struct Attachment(Infallible);

/// What it reads.
#[derive(Debug)]
pub(crate) struct AttachedReader(Infallible);

/// What it writes.
#[derive(Clone, Debug)]
pub(crate) struct AttachedWriter(Infallible);

impl System {
    /// Connects to the streams of a supervised command.
    pub(crate) fn attach(&self, _id: &ContainerId, _options: AttachOptions) -> Result<Attachment> {
        Err(monitor::missing())
    }
}

impl Attachment {
    pub(crate) fn split(self) -> (AttachedReader, AttachedWriter) {
        match self.0 {}
    }
}

impl AttachedReader {
    pub(crate) fn next_frame(&mut self) -> Result<Option<AttachFrame>> {
        match self.0 {}
    }
}

impl AttachedWriter {
    pub(crate) fn write(&self, _bytes: &[u8]) -> Result<()> {
        match self.0 {}
    }

    pub(crate) fn close_stdin(&self) -> Result<()> {
        match self.0 {}
    }

    pub(crate) fn resize(&self, _size: TerminalSize) -> Result<()> {
        match self.0 {}
    }

    pub(crate) fn detach(&self) {
        match self.0 {}
    }
}
