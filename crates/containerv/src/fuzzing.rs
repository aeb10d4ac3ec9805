//! Private parsers, for the fuzz targets in `fuzz/`. Not part of the interface: it changes with them.

pub use crate::backend::linux::fuzzing::*;

/// Those of copies for Windows.
pub mod windows_files {
    pub use crate::backend::hcs::transfer::fuzzing::*;
}
