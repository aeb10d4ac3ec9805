//! Linux.

pub mod bpf;
pub mod process;
pub mod stage;
