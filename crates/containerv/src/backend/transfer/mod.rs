//! What copies of all backends have in common.

mod links;
mod meter;

pub(crate) use links::Links;
pub(crate) use meter::Meter;

/// Which file it is, on this machine: device and inode number, or volume and file number.
pub(crate) type FileId = (u64, u64);
