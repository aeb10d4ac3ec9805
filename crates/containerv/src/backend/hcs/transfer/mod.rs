//! Files in and out of containers.

pub(crate) mod changes;
#[cfg(windows)]
mod container;
#[cfg(windows)]
mod failure;
#[cfg(windows)]
mod files;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
#[cfg(windows)]
mod guest;
#[cfg(windows)]
mod layer;
pub(crate) mod path;
pub(crate) mod reparse;
mod resolve;
pub(crate) mod time;

#[cfg(windows)]
pub(crate) use guest::serve as serve_guest_copy;
