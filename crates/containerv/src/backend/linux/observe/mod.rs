//! Looks at containers: what they use, which processes they have.

mod processes;
mod procfs;
mod usage;
