//! Linux.

pub mod bpf;
pub mod process;
pub mod signals;
pub mod stage;
