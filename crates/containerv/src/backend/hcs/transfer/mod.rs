//! Files in and out of containers.

#[cfg(windows)]
mod container;
mod failure;
mod path;
mod reparse;
mod resolve;
