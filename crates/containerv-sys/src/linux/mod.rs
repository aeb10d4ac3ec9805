//! Linux.

pub mod bpf;
pub mod calls;
pub mod files;
pub mod filter;
pub mod process;
pub mod signals;
pub mod stage;
