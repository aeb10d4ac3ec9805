//! Layers of Windows images, on any system: taken, kept, listed, compared, changed and written again.

mod check;
mod facts;
mod form;
mod path;
#[cfg(test)]
mod tests;
mod unpack;

pub use facts::{Facts, FileTimes, Security};
pub use unpack::{Unpacked, pack, unpack};
