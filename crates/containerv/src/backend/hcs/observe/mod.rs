//! What containers use, which processes they have, and changes of their limits and mounts.

mod adjust;
#[cfg(windows)]
mod live;
#[cfg(windows)]
mod mounts;
mod processes;
mod usage;
