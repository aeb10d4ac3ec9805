//! Looks at containers: what they use, which processes they have.

mod processes;
pub(super) mod procfs;
mod usage;
