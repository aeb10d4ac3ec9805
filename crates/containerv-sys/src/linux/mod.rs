//! Linux.

pub mod process;
pub mod stage;
