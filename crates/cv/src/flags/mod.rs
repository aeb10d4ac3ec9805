//! The options of `run` and `create`, and those of them that other verbs share.

pub mod files;
pub mod isolation;
pub mod later;
pub mod lifecycle;
pub mod limits;
pub mod process;
pub mod security;
pub mod windows;
