//! Private parsers, for the fuzz targets in `fuzz/`. Not part of the interface: it changes with them.

pub use crate::backend::linux::fuzzing::*;
