//! Tar streams as data: ustar, GNU and POSIX (pax), as tar(5) describes them. No file system is
//! touched here; backends make members into files and files into members.
//!
//! The stream is read here header by header, with the field parsers of the `tar` crate, because
//! what an archive says must be bounded before it is believed, and because what different headers
//! of one member say must agree: a reader that takes a member's size from another header than its
//! neighbour sees other members in the same archive.

mod member;
mod pax;
mod reader;
mod sparse;
mod write;

pub(crate) use member::{Kind, Member, Metadata, Time};
#[cfg(test)]
pub(crate) use pax::write as write_record;
pub(crate) use reader::{Fault, Reader};
#[cfg(target_os = "linux")]
pub(crate) use sparse::{MOST_RUNS, Map};
pub(crate) use write::{Entry, Output};

/// Bytes of a header, and what everything is padded to.
const BLOCK: usize = 512;
/// Longest name of a member.
const LONGEST_NAME: usize = 64 * 1024;

/// An extended attribute's name and value.
pub(crate) type Attribute = (Vec<u8>, Vec<u8>);

/// Returns how many bytes follow `size` bytes of content to fill the last block.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// Writes a name of an archive as a relative path without empty components and `.`; `..` is refused.
pub(crate) fn clean(name: &[u8]) -> Result<Vec<u8>, String> {
    if name.len() > LONGEST_NAME {
        return Err(format!("a name of {} bytes, more than {LONGEST_NAME}", name.len()));
    }
    let mut path = Vec::with_capacity(name.len());
    for component in name.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err("a path with `..`".into()),
            _ => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(component);
            }
        }
    }
    Ok(path)
}
