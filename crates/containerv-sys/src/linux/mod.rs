//! Linux system calls.

pub mod bpf;
