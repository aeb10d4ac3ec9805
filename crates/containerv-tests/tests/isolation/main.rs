//! What a container sees of its surroundings, and they of it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod image;
mod life;
mod mounts;
mod namespaces;
mod paths;
mod roots;
mod sharing;
mod shifted;
