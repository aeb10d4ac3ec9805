//! Events of containers on Linux: ends and shortages that nobody tells are seen by who looks.

mod ends;
mod reader;
mod shortage;

use std::io;
use std::path::Path;

use super::System;
use crate::backend::events::Announce;

pub(crate) use reader::Events;

impl Announce for System {
    fn log_directory(&self) -> &Path {
        &self.store.run
    }

    fn make_log_directory(&self) -> io::Result<()> {
        self.store.make_roots().map_err(io::Error::other)
    }
}
