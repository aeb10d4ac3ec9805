//! Who unpacks the layers of which images.

use std::io::Read;
use std::path::{Path, PathBuf};

use containerv_spec::image::Digest;

use crate::Result;
use crate::copy::CopyProgress;

/// How the layers of an image are unpacked on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpacking {
    /// Not at all: its blobs are kept alone, to be copied and looked at.
    None,
    /// As a layer of an overlay.
    Overlay,
}

/// One layer to be unpacked.
pub(crate) struct Job<'a> {
    /// The blob's media type, which says how it is compressed.
    pub(crate) media_type: &'a str,
    /// An empty directory.
    pub(crate) target: &'a Path,
    /// The trees of the layers below, the topmost first; waits until they are whole.
    pub(crate) below: &'a (dyn Fn() -> Result<Vec<PathBuf>> + Sync),
    /// Told how far it is.
    pub(crate) progress: Option<CopyProgress>,
}

/// What was unpacked.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// Digest of the archive, not compressed.
    pub(crate) diff_id: Digest,
    /// Bytes of the files.
    pub(crate) size: u64,
}

impl Unpacking {
    /// Images of this operating system.
    pub(crate) fn of(os: &str) -> Self {
        match os {
            "linux" if cfg!(target_os = "linux") => Self::Overlay,
            _ => Self::None,
        }
    }
}

impl Unpacking {
    /// Unpacks a layer.
    ///
    /// # Errors
    ///
    /// The member that could not be made; what is left is the caller's to remove.
    #[cfg(target_os = "linux")]
    pub(crate) fn unpack(self, source: impl Read + Send, job: &Job<'_>) -> Result<Unpacked> {
        use std::os::fd::AsFd;

        use super::layers::decode::Compression;
        use super::layers::{Limits, unpack};

        let compression = Compression::of_media_type(job.media_type)?;
        let below = (job.below)()?;
        let target = std::fs::File::open(job.target)
            .map_err(|error| crate::Error::io(error, format!("cannot open `{}`", job.target.display())))?;
        let (limits, progress) = (Limits::default(), job.progress.clone());
        let unpacked = unpack(source, Some(compression), target.as_fd(), &below, limits, progress)?;
        Ok(Unpacked { diff_id: unpacked.diff_id, size: unpacked.summary.bytes })
    }

    /// Unpacks nothing: there is no kind of layers that it is called for.
    #[cfg(windows)]
    pub(crate) fn unpack(self, _: impl Read + Send, job: &Job<'_>) -> Result<Unpacked> {
        let message = format!("`{}` cannot be unpacked on Windows", job.media_type);
        Err(crate::Error::new(crate::ErrorKind::Unsupported, message))
    }
}
