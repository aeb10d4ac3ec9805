//! Layers of Windows images, on any system: taken, kept, listed, compared, changed and written again.

#[cfg_attr(not(windows), allow(dead_code, reason = "imports on Windows use it; elsewhere it is tested"))]
mod backup;
mod check;
mod compose;
mod edit;
#[cfg_attr(
    not(windows),
    allow(dead_code, reason = "containers of Windows are exported; elsewhere it is tested")
)]
mod export;
mod facts;
mod form;
mod hive;
#[cfg(windows)]
mod import;
mod path;
#[cfg(test)]
pub(crate) mod tests;
mod unpack;
mod view;

pub use compose::{LayerChange, compose};
pub use edit::{ConfigEdit, ImageParts, Rebased, note, rebase};
#[cfg(any(windows, all(feature = "fuzzing", target_os = "linux")))]
pub(crate) use export::write_exported;
pub use facts::{Facts, FileTimes, Security};
pub use hive::{HiveSummary, RegistryChange, RegistryValue};
#[cfg(windows)]
pub use import::{destroy, import};
pub(crate) use unpack::receive;
pub use unpack::{Unpacked, pack, unpack};
pub use view::{Aspect, Difference, Differing, Entry, EntryKind, LayerSummary, View, differences, summary};

/// Looks at all of a file of the registry: how much is in it.
///
/// # Errors
///
/// What is wrong with it, as the object of "has".
pub fn count_hive(bytes: &[u8]) -> Result<HiveSummary, &'static str> {
    hive::count(bytes)
}
