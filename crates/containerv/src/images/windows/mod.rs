//! Layers of Windows images, on any system: taken, kept, listed, compared, changed and written again.

mod check;
mod facts;
mod form;
mod hive;
mod path;
#[cfg(test)]
mod tests;
mod unpack;
mod view;

pub use facts::{Facts, FileTimes, Security};
pub use hive::{HiveSummary, RegistryValue};
pub use unpack::{Unpacked, pack, unpack};
pub use view::{Aspect, Difference, Differing, Entry, EntryKind, LayerSummary, View, differences, summary};
