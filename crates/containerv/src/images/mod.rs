//! Images: registries that they come from and go to.

pub mod registry;
