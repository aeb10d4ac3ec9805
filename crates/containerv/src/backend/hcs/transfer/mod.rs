//! Files in and out of containers.

mod base64;
#[cfg(windows)]
mod container;
mod failure;
#[cfg(windows)]
mod files;
mod path;
mod reparse;
mod resolve;
mod time;
