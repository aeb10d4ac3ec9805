//! Who unpacks the layers of which images.

use std::io::Read;
use std::path::Path;

use containerv_spec::image::Digest;

use super::layers::decode::{Compression, Decoded, decode};
use super::layers::{Limits, Parents};
use super::windows;
use crate::backend::system::System;
use crate::copy::{CopyProgress, CopySummary, Skipped};
use crate::{Error, ErrorKind, Result};

/// How the layers of an image are unpacked on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpacking {
    /// Not at all: its blobs are kept alone, to be copied and looked at.
    None,
    /// As a layer of an overlay.
    Overlay,
    /// As a layer folder of Windows.
    Import,
    /// A layer of Windows on another system: in a form of our own, to be looked at and changed.
    Portable,
}

/// One layer to be unpacked.
pub(crate) struct Job<'a> {
    /// The blob's media type, which says how it is compressed.
    pub(crate) media_type: &'a str,
    /// An empty directory.
    pub(crate) target: &'a Path,
    /// There are no layers below.
    pub(crate) is_base: bool,
    /// The layers below.
    pub(crate) below: Parents,
    /// Who gives files their owners for an ordinary user.
    #[cfg_attr(windows, allow(dead_code, reason = "files of Windows have their owners by themselves"))]
    pub(crate) system: Option<&'a System>,
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
    /// What is not, or not as the archive says, in what was made.
    pub(crate) left_out: LeftOut,
}

/// What could not be made: the first [`CopySummary::MOST_SKIPPED`], and how many.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    pub(crate) entries: Vec<Skipped>,
    pub(crate) count: u64,
}

impl Unpacking {
    /// Images of this operating system.
    pub(crate) fn of(os: &str) -> Self {
        match os {
            "linux" if cfg!(target_os = "linux") => Self::Overlay,
            "windows" if cfg!(windows) => Self::Import,
            "windows" => Self::Portable,
            _ => Self::None,
        }
    }

    /// Says whether containers of these layers run on this machine.
    pub(crate) fn runs_here(self) -> bool {
        matches!(self, Self::Overlay | Self::Import)
    }

    /// Unpacks a layer.
    ///
    /// # Errors
    ///
    /// The member that could not be made; what is left is the caller's to remove.
    pub(crate) fn unpack(self, source: impl Read + Send, job: &Job<'_>) -> Result<Unpacked> {
        match self {
            Self::Portable => plainly(
                source,
                job,
                |plain| windows::receive(plain, job.target, job.is_base),
                |received, decoded| received.finish(&decoded.diff_id, decoded.size),
            ),
            Self::Import | Self::Overlay => self.unpack_here(source, job),
            Self::None => Err(Error::new(
                ErrorKind::Unsupported,
                format!("`{}` is of a system whose layers are not unpacked here", job.media_type),
            )),
        }
    }

    #[cfg(target_os = "linux")]
    fn unpack_here(self, source: impl Read + Send, job: &Job<'_>) -> Result<Unpacked> {
        use std::os::fd::AsFd;

        use super::layers::unpack;

        let compression = Compression::of_media_type(job.media_type)?;
        let target = std::fs::File::open(job.target)
            .map_err(|error| Error::io(error, format!("cannot open `{}`", job.target.display())))?;
        let (limits, progress) = (Limits::default(), job.progress.clone());
        let unpacked = unpack(
            source,
            Some(compression),
            target.as_fd(),
            job.below.clone(),
            limits,
            job.system,
            progress,
        )?;
        let CopySummary { bytes: size, skipped: entries, skipped_count: count, .. } = unpacked.summary;
        Ok(Unpacked { diff_id: unpacked.diff_id, size, left_out: LeftOut { entries, count } })
    }

    #[cfg(windows)]
    fn unpack_here(self, source: impl Read + Send, job: &Job<'_>) -> Result<Unpacked> {
        let below = if job.is_base { Vec::new() } else { job.below.find()? };
        plainly(source, job, |plain| windows::import(plain, job.target, &below), |(), _| Ok(()))
    }
}

/// Decompresses a layer for somebody who takes its archive, and may have something to do once its digest is known.
fn plainly<T>(
    source: impl Read + Send,
    job: &Job<'_>,
    take: impl FnOnce(&mut dyn Read) -> Result<T>,
    finish: impl FnOnce(T, &Decoded) -> Result<()>,
) -> Result<Unpacked> {
    let compression = Compression::of_media_type(job.media_type)?;
    let tell = |plain: &mut dyn Read| match &job.progress {
        Some(progress) => {
            take(&mut Told { stream: plain, progress: progress.clone(), done: CopySummary::default() })
        }
        None => take(plain),
    };
    let (taken, decoded) = decode(source, Some(compression), Limits::default().size, |plain| tell(plain))?;
    finish(taken, &decoded)?;
    Ok(Unpacked { diff_id: decoded.diff_id, size: decoded.size, left_out: LeftOut::default() })
}

/// A stream that tells how far it is.
struct Told<'a> {
    stream: &'a mut dyn Read,
    progress: CopyProgress,
    done: CopySummary,
}

impl Read for Told<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.done.bytes += count as u64;
        self.progress.report(&self.done);
        Ok(count)
    }
}
