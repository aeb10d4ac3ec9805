//! Windows.

pub mod console;
pub mod error;
pub mod file;
pub mod guid;
pub mod hcs;
pub mod holders;
pub mod library;
pub mod lock;
pub mod network;
pub mod notices;
pub mod pipe;
pub mod placeholder;
pub mod process;
pub mod processor;
pub mod random;
pub mod registry;
pub mod relative;
pub mod retry;
pub mod security;
pub mod service;
#[cfg(test)]
mod signatures;
pub mod spawn;
pub mod storage;
pub mod token;
pub mod version;
pub mod virtdisk;
pub mod vmcompute;
pub mod volume;
pub mod wait;
mod wide;
