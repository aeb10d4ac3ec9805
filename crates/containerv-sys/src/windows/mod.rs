//! Windows.

pub mod error;
pub mod guid;
pub mod hcs;
pub mod library;
pub mod network;
pub mod notices;
#[cfg(test)]
mod signatures;
pub mod storage;
pub mod virtdisk;
pub mod vmcompute;
pub mod wait;
mod wide;
