//! Containers on Linux and Windows through one library, without a daemon.

#![forbid(unsafe_code)]

mod error;

pub use error::{Error, ErrorKind, Result};
