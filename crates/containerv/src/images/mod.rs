//! Images: what they are made of, how that becomes files, and the registries that they come from and go to.

#[allow(dead_code, reason = "the store unpacks layers, and comes after them")]
pub(crate) mod layers;
pub mod registry;
pub mod windows;
