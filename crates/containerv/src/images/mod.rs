//! Images.

pub mod windows;
