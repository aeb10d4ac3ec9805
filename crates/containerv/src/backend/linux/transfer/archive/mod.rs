//! Tar streams into and out of a container: ustar, GNU and POSIX (pax), as tar(5) describes them.
//!
//! The stream is read here header by header, with the field parsers of the `tar` crate, because
//! what an archive says must be bounded before it is believed, and because what different headers
//! of one member say must agree: a reader that takes a member's size from another header than its
//! neighbour sees other members in the same archive.

mod extract;
mod member;
mod parents;
mod pax;
mod reader;
mod sparse;
mod stream;
mod write;

pub(super) use extract::extract;
#[cfg(test)]
pub(super) use pax::write as write_record;
pub(super) use stream::{Subject, pack};

/// Bytes of a header, and what everything is padded to.
const BLOCK: usize = 512;

/// Returns how many bytes follow `size` bytes of content to fill the last block.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}
