//! What containers use, which processes they have, and changes of their limits.

mod adjust;
#[cfg(windows)]
mod live;
mod processes;
mod usage;
