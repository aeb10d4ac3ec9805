//! The stage: a tiny program that executes prepared operations in a process of its own.
//!
//! Its source is in `stage/`; `build.rs` compiles it, and its bytes are part of this crate.

// The stage checks its own lints when `build.rs` compiles it; here its pure parts are compiled
// once more for the library and the tests.
#[path = "../../../stage/passwd.rs"]
pub mod passwd;
#[path = "../../../stage/wire.rs"]
pub mod wire;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod image;
mod program;
mod spawn;

pub use program::{Operation, Program};
pub use spawn::{Channel, Report, Spawned, StageFile};

#[cfg(test)]
mod tests;
