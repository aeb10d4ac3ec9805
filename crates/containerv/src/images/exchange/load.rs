//! Images from files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use containerv_spec::image::{Descriptor, Platform, Reference};

use super::place::Place;
use super::{docker, layout};
use crate::images::layers::Limits;
use crate::images::layers::decode::{Plain, decode};
use crate::images::local::{Local, Spool};
use crate::images::making::untitled;
use crate::images::{Image, Images, PullOptions, PullProgress, pull};
use crate::{Error, ErrorKind, Result};

/// Bytes of a block of an archive.
const BLOCK: usize = 512;

/// How images are loaded.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// The platform, of an image for several; this machine's unless given.
    pub platform: Option<Platform>,
    /// Told of everything that happens.
    pub progress: Option<PullProgress>,
}

impl std::fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadOptions").field("platform", &self.platform).finish_non_exhaustive()
    }
}

impl Images {
    /// Stores all images of a file or directory: an OCI image layout, or an archive of `docker save`; an archive
    /// may be compressed with gzip or zstd. Images without a name have only their digests.
    ///
    /// # Errors
    ///
    /// What is neither; content that is damaged or missing; a layer that cannot be unpacked. Images before that
    /// stay.
    pub fn load(&self, path: &Path, options: &LoadOptions) -> Result<Vec<Image>> {
        let load = || {
            if path.is_dir() {
                return self.load_from(&Place::directory(path), options);
            }
            let failed = |error| Error::io(error, "open it");
            let file = File::open(path).map_err(failed)?;
            let plain = file.metadata().map_err(failed)?.is_file() && is_plain(&file)?;
            match plain {
                true => self.load_from(&Place::archive(Arc::new(file))?, options),
                false => self.spool_and_load(file, options),
            }
        };
        load().map_err(|error| error.context(format!("cannot load `{}`", path.display())))
    }

    /// Stores all images of an archive that comes as a stream, as [`Images::load`].
    ///
    /// # Errors
    ///
    /// As [`Images::load`].
    pub fn load_stream(&self, archive: impl Read + Send, options: &LoadOptions) -> Result<Vec<Image>> {
        self.spool_and_load(archive, options).map_err(|error| error.context("cannot load the archive"))
    }

    fn spool_and_load(&self, archive: impl Read + Send, options: &LoadOptions) -> Result<Vec<Image>> {
        self.prepare()?;
        let spool = Spool::new(&self.store.spool_directory()?)?;
        let copy = |plain: &mut Plain| {
            let copied = io::copy(plain, &mut &spool);
            copied.map(drop).map_err(|error| Error::io(error, "keep the archive for reading"))
        };
        decode(archive, None, Limits::default().size, copy)?;
        self.load_from(&Place::archive(spool.file())?, options)
    }

    fn load_from(&self, place: &Place, options: &LoadOptions) -> Result<Vec<Image>> {
        self.prepare()?;
        let mut images = Vec::new();
        if let Some(found) = layout::images(place)? {
            for image in found {
                let local = Local::new(image.descriptor.clone(), |digest| layout::blob(place, digest));
                images.extend(self.store_named(&local, &image.descriptor, image.names, options)?);
            }
        } else if let Some(listed) = docker::images(place)? {
            let mut digested = HashMap::new();
            for image in listed {
                let (target, local) = image.open(place, &mut digested)?;
                images.extend(self.store_named(&local, &target, image.names()?, options)?);
            }
        } else {
            let error = Error::new(
                ErrorKind::InvalidArgument,
                "it is neither an image layout nor an archive of images",
            );
            return Err(error.with_hint("`cv import` makes an image of the archive of a root"));
        }
        match images.is_empty() {
            true => Err(Error::new(ErrorKind::NotFound, "there is no image in it")),
            false => Ok(images),
        }
    }

    /// Stores one image under each of its names.
    fn store_named(
        &self,
        local: &Local<'_>,
        target: &Descriptor,
        mut names: Vec<Reference>,
        options: &LoadOptions,
    ) -> Result<Vec<Image>> {
        if names.is_empty() {
            names.push(untitled(&target.digest)?);
        }
        let (platform, progress) = (options.platform.clone(), options.progress.clone());
        let options = PullOptions { platform, progress, ..PullOptions::default() };
        let store = |name: &Reference| {
            pull::pull(&self.store, local, &self.machine(), name, &options)
                .map_err(|error| error.context(format!("image `{}`", name.familiar())))
        };
        names.iter().map(store).collect()
    }
}

/// Says whether a file is a tar archive that is not compressed.
fn is_plain(file: &File) -> Result<bool> {
    let failed = |error| Error::io(error, "read it");
    let mut first = Vec::with_capacity(BLOCK);
    file.take(BLOCK as u64).read_to_end(&mut first).map_err(failed)?;
    let mut begin = file;
    begin.rewind().map_err(failed)?;
    Ok(first.len() < BLOCK || &first[257..262] == b"ustar")
}
