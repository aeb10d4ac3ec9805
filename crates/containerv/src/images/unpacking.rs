//! Who unpacks the layers of which images.

use std::io::{self, Read};
use std::path::Path;

use containerv_spec::image::Digest;

use super::layers::decode::{Compression, decode};
use super::layers::{Limits, Parents};
use super::windows;
use crate::Result;
use crate::copy::{CopyProgress, CopySummary};

/// How the layers of an image are unpacked on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpacking {
    /// Not at all: its blobs are kept alone, to be copied and looked at.
    None,
    /// As layers of an overlay.
    Overlay,
    /// As layers of Windows: on Windows by its own services, elsewhere in a form of our own.
    Windows,
}

/// One layer to be unpacked.
pub(crate) struct Job<'a> {
    /// The blob's media type, which says how it is compressed.
    pub(crate) media_type: &'a str,
    /// A directory that does not exist.
    pub(crate) target: &'a Path,
    /// It is the lowest layer.
    pub(crate) is_base: bool,
    /// The layers below.
    pub(crate) below: Parents,
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
            "windows" => Self::Windows,
            _ => Self::None,
        }
    }

    /// Says whether containers are made of such layers here.
    pub(crate) fn runs_here(self) -> bool {
        self == if cfg!(windows) { Self::Windows } else { Self::Overlay }
    }

    /// Unpacks a layer.
    ///
    /// # Errors
    ///
    /// The member that could not be made; what is left is the caller's to remove.
    pub(crate) fn unpack(self, source: impl Read + Send, job: &Job<'_>) -> Result<Unpacked> {
        match self {
            Self::Windows => unpack_windows(source, job),
            _ => unpack_overlay(source, job),
        }
    }
}

fn unpack_windows(source: impl Read + Send, job: &Job<'_>) -> Result<Unpacked> {
    let compression = Compression::of_media_type(job.media_type)?;
    let (unpacked, _) = decode(source, Some(compression), Limits::default().size, |plain| {
        take_windows(Counted { source: plain, bytes: 0, progress: job.progress.clone() }, job)
    })?;
    Ok(Unpacked { diff_id: unpacked.diff_id, size: unpacked.size })
}

#[cfg(windows)]
fn take_windows(plain: impl Read, job: &Job<'_>) -> Result<windows::Unpacked> {
    let below = if job.is_base { Vec::new() } else { job.below.find()? };
    windows::import(plain, job.target, &below)
}

#[cfg(not(windows))]
fn take_windows(plain: impl Read, job: &Job<'_>) -> Result<windows::Unpacked> {
    make(job.target)?;
    windows::unpack(plain, job.target, job.is_base)
}

/// Tells how many bytes were read.
struct Counted<R> {
    source: R,
    bytes: u64,
    progress: Option<CopyProgress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.bytes += count as u64;
        if let Some(progress) = &self.progress {
            progress.report(&CopySummary { bytes: self.bytes, ..CopySummary::default() });
        }
        Ok(count)
    }
}

#[cfg(not(windows))]
fn make(directory: &Path) -> Result<()> {
    std::fs::create_dir(directory)
        .map_err(|error| crate::Error::io(error, format!("cannot make `{}`", directory.display())))
}

#[cfg(target_os = "linux")]
fn unpack_overlay(source: impl Read + Send, job: &Job<'_>) -> Result<Unpacked> {
    use std::os::fd::AsFd;

    let compression = Compression::of_media_type(job.media_type)?;
    make(job.target)?;
    let target = std::fs::File::open(job.target)
        .map_err(|error| crate::Error::io(error, format!("cannot open `{}`", job.target.display())))?;
    let (limits, progress) = (Limits::default(), job.progress.clone());
    let unpacked = super::layers::unpack(
        source,
        Some(compression),
        target.as_fd(),
        job.below.clone(),
        limits,
        progress,
    )?;
    Ok(Unpacked { diff_id: unpacked.diff_id, size: unpacked.summary.bytes })
}

#[cfg(not(target_os = "linux"))]
fn unpack_overlay(_: impl Read + Send, job: &Job<'_>) -> Result<Unpacked> {
    let message = format!("a layer of type `{}` cannot be unpacked on this system", job.media_type);
    Err(crate::Error::new(crate::ErrorKind::Unsupported, message))
}
