//! Files of a container as the archive of a layer.

#[cfg(test)]
mod tests;
mod walk;

use std::io::Write;

use rustix::fs::{Mode, OFlags};

use self::walk::Packing;
use super::decode::Compression;
use super::encode::{Encoded, encode};
use crate::backend::linux::transfer::Root;
use crate::backend::linux::transfer::archive::Archive;
use crate::backend::linux::transfer::attributes::Carried;
use crate::backend::linux::transfer::node::Node;
use crate::backend::transfer::Meter;
use crate::copy::{CopyProgress, CopySummary};
use crate::{Error, Result};

/// What is packed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form<'a> {
    /// The upper layer of an overlay: its marks become image-spec's names. These paths are left out.
    Changes { left_out: &'a [Vec<u8>] },
    /// A whole root. What is mounted in it is left out but for the mount points, except at these paths.
    Whole { mounts: &'a [&'a str] },
}

/// Packs what is in a directory. The same files become the same bytes: members are sorted by name.
///
/// # Errors
///
/// What cannot be read, or has a name that means something else in a layer; what `sink` said.
pub(crate) fn pack(
    root: &Root<'_>,
    form: Form<'_>,
    compression: Compression,
    sink: impl Write + Send,
    progress: Option<CopyProgress>,
) -> Result<(CopySummary, Encoded)> {
    encode(sink, compression, |feed| write(root, form, feed, progress))
}

/// Packs what is in a directory without compressing it.
///
/// # Errors
///
/// As [`pack`].
pub(crate) fn write(
    root: &Root<'_>,
    form: Form<'_>,
    sink: impl Write,
    progress: Option<CopyProgress>,
) -> Result<CopySummary> {
    let opening =
        |errno: rustix::io::Errno| Error::os(errno.raw_os_error(), "open the top of what is packed");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::openat(root.directory, c".", flags, Mode::empty()).map_err(opening)?;
    let node = Node::of(&top).map_err(opening)?;
    // Lists name users by number, which are the archive's only where no ids are mapped.
    let carried = Carried { capabilities: true, lists: root.uids.is_empty(), privileged: false };
    let archive = Archive::new(sink, root, b"", carried, Meter::new(progress));
    let mut packing = Packing::new(archive, form, top);
    let packed = packing.run(node);
    packing.into_archive().finish(packed)
}
