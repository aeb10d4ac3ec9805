//! Images.

#[allow(dead_code, reason = "the store unpacks layers, and comes after them")]
pub(crate) mod layers;
pub mod windows;
