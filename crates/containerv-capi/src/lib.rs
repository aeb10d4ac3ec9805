//! The C interface of containerv: `libcontainerv` and `chef/containerv.h`.
//!
//! Translation only. The header, in `include/chef`, is the contract: it says what each function
//! does, who owns what, and which errors there are. A call goes through three layers:
//!
//! * the exported functions, grouped as in the header, read what the pointers give (`foreign`);
//! * `border` turns results into return values and `errno`, and stops panics;
//! * `handles` finds the object behind a pointer without ever dereferencing it.
//!
//! What differs between the systems is in `linux` and `windows`, with the same names in both.
//!
//! Nothing here survives a `fork()`: a forked child finds an empty registry and may fill its own.

// UNSAFETY: every function that C calls takes pointers; reading them is what this crate is for.
#![allow(unsafe_code, reason = "pointers of C callers are read here")]

mod border;
mod container;
mod failure;
mod files;
mod foreign;
mod handles;
mod options;
mod request;

#[cfg(not(windows))]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(not(windows))]
use linux as system;
#[cfg(windows)]
use windows as system;

/// Private parsers, for the fuzz targets in `fuzz/`. Not part of the interface.
#[cfg(all(feature = "fuzzing", not(windows)))]
#[doc(hidden)]
pub mod fuzzing {
    /// Splits one text into arguments.
    pub fn split_arguments(text: &[u8]) -> Vec<Vec<u8>> {
        crate::linux::split_arguments(text)
    }
}
