//! Layers of images: archives of changes, as image-spec's `layer.md` describes them.

#[cfg(target_os = "linux")]
mod apply;
pub(crate) mod decode;
#[cfg_attr(windows, allow(dead_code, reason = "layers of Linux are written on Linux"))]
pub(crate) mod encode;
mod names;
#[cfg(target_os = "linux")]
pub(crate) mod pack;

#[cfg(target_os = "linux")]
#[allow(unused_imports, reason = "the store unpacks layers, and comes after them")]
pub(crate) use linux::unpack;

use std::path::PathBuf;
use std::sync::Arc;

use containerv_spec::image::Digest;

use crate::Result;
use crate::copy::CopySummary;

/// What a layer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of the archive, decompressed.
    pub(crate) size: u64,
    /// Members, and directories that they imply.
    pub(crate) entries: u64,
}

impl Default for Limits {
    /// Far more than any image has. What ends a bomb before is the space that is free.
    fn default() -> Self {
        Self { size: 1 << 40, entries: 16 << 20 }
    }
}

/// A layer that was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// Digest of the archive, decompressed.
    pub(crate) diff_id: Digest,
    /// Bytes of the archive, decompressed.
    pub(crate) size: u64,
    /// What was made, and what could not be.
    pub(crate) summary: CopySummary,
}

/// The unpacked layers below one that is being unpacked, which may not be whole yet.
#[derive(Clone)]
pub(crate) struct Parents {
    count: usize,
    find: Arc<dyn Fn() -> Result<Vec<PathBuf>> + Send + Sync>,
}

impl Parents {
    /// So many, which `find` waits for. It returns their trees, the topmost first.
    pub(crate) fn found_by(
        count: usize,
        find: impl Fn() -> Result<Vec<PathBuf>> + Send + Sync + 'static,
    ) -> Self {
        Self { count, find: Arc::new(find) }
    }

    /// Those at these paths, the topmost first, which are whole.
    pub(crate) fn at(paths: &[PathBuf]) -> Self {
        let paths = paths.to_vec();
        Self::found_by(paths.len(), move || Ok(paths.clone()))
    }

    /// Says whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Waits until all are whole.
    ///
    /// # Errors
    ///
    /// One of them could not be had.
    pub(crate) fn find(&self) -> Result<Vec<PathBuf>> {
        (self.find)()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::Read;
    use std::os::fd::BorrowedFd;

    use super::decode::{Compression, decode};
    use super::{Limits, Parents, Unpacked, apply};
    use crate::Result;
    use crate::backend::linux::System;
    use crate::copy::CopyProgress;

    /// Unpacks a layer into an empty directory, in the form that overlayfs has for layers: a removal is a
    /// character device 0:0, and a directory that hides those below has the attribute `overlay.opaque`.
    ///
    /// `compression` is what the descriptor's media type says, if there is one. `parents` are the
    /// layers below, which are waited for where something of them is needed: at the end, for the most part. A directory that the archive does not name is as they have it; a
    /// hard link to a file of theirs brings the file into this layer. With `system`, an ordinary user's files get
    /// the owners that the user's subordinate ids stand for.
    ///
    /// # Errors
    ///
    /// A member that is refused or cannot be made, with its name and the reason; a stream that is damaged, or
    /// larger than `limits` or the free space. Nothing is left in the directory then.
    pub(crate) fn unpack(
        source: impl Read + Send,
        compression: Option<Compression>,
        target: BorrowedFd<'_>,
        parents: Parents,
        limits: Limits,
        system: Option<&System>,
        progress: Option<CopyProgress>,
    ) -> Result<Unpacked> {
        let unpacked = decode(source, compression, limits.size, |plain| {
            apply::apply(plain, target, parents, limits.entries, system, progress)
        });
        match unpacked {
            Ok((summary, decoded)) => Ok(Unpacked { diff_id: decoded.diff_id, size: decoded.size, summary }),
            Err(error) => match apply::empty(target) {
                Ok(()) => Err(error),
                Err(left) => Err(error.context(format!("{left}, after this failed"))),
            },
        }
    }
}
