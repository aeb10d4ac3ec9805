//! Containers of Linux.

pub(crate) mod container;

mod arguments;
mod files;
mod member;
mod network;
mod processes;
mod request;
mod users;

/// Splits one text into arguments, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn split_arguments(text: &[u8]) -> Vec<Vec<u8>> {
    arguments::split(text)
}
