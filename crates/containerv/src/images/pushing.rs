//! Pushing: from the store to a registry.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use containerv_spec::image::{Descriptor, Digest, Reference};

use super::registry::{Client, Pushed};
use super::{Image, Images, PushEvent, PushOptions, parse_reference};
use crate::{Error, ErrorKind, Result};

impl Images {
    /// Pushes an image under one of its names to the registry that the name has; returns the digest of its
    /// manifest there. What the registry has already, in this repository or in another that a stored image came
    /// from, is not sent.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such image, `InvalidArgument` for a name without a tag, `PermissionDenied` and
    /// what else the registry says.
    pub fn push(&self, name: &str, options: &PushOptions) -> Result<Digest> {
        let reference = parse_reference(name)?;
        if reference.digest().is_some() {
            let message =
                format!("`{}` has a digest, under which nothing can be pushed", reference.familiar());
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .with_hint("`cv tag` gives the image a name with a tag"));
        }
        let image = self.get(name)?;
        let blobs: Vec<(Descriptor, PathBuf)> = self.blobs_of(&image)?;
        let push = Push {
            client: self.client(),
            reference: &reference,
            options,
            from: self.repositories(&reference)?,
        };
        push.blobs(&blobs)
            .map_err(|error| error.context(format!("cannot push `{}`", reference.familiar())))?;
        let manifest = image.manifest_descriptor();
        let bytes = self.store.document(&manifest.digest)?;
        let digest = push.client.push_manifest(&reference, &manifest.media_type, &bytes)?;
        options.tell(&PushEvent::Stored { reference, digest: digest.clone() });
        Ok(digest)
    }

    /// The blobs of an image: its layers, and its configuration at the end.
    fn blobs_of(&self, image: &Image) -> Result<Vec<(Descriptor, PathBuf)>> {
        let manifest = image.manifest();
        let mut blobs = Vec::new();
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if blobs.iter().any(|(known, _): &(Descriptor, PathBuf)| known.digest == blob.digest) {
                continue;
            }
            let path = self.store.blob(&blob.digest).ok_or_else(|| {
                let message = format!("the blob {} of the image is not here", blob.digest);
                Error::new(ErrorKind::NotFound, message).with_hint("pull the image again")
            })?;
            blobs.push((blob.clone(), path));
        }
        Ok(blobs)
    }

    /// Repositories of the same registry that stored images have names in, with what these consist of.
    fn repositories(&self, reference: &Reference) -> Result<Vec<(String, Vec<Digest>)>> {
        let elsewhere = |other: &Reference| {
            other.registry() == reference.registry() && other.repository() != reference.repository()
        };
        let records = self.store.records()?.into_iter().filter(|record| elsewhere(&record.reference));
        let parts = |record: super::store::Record| {
            (record.reference.repository().to_owned(), self.store.parts(&record).into_iter().collect())
        };
        Ok(records.map(parts).collect())
    }
}

struct Push<'a> {
    client: Client,
    reference: &'a Reference,
    options: &'a PushOptions,
    from: Vec<(String, Vec<Digest>)>,
}

impl Push<'_> {
    fn blobs(&self, blobs: &[(Descriptor, PathBuf)]) -> Result<()> {
        self.options.tell(&PushEvent::Begun {
            reference: self.reference.clone(),
            blobs: blobs.iter().map(|(blob, _)| blob.clone()).collect(),
        });
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let work = || {
            while let Some((blob, path)) = blobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                if let Err(error) = self.blob(blob, path) {
                    next.store(blobs.len(), Ordering::SeqCst);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.options.parallel.clamp(1, blobs.len().max(1)) {
                scope.spawn(work);
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn blob(&self, blob: &Descriptor, path: &std::path::Path) -> Result<()> {
        let from = self.from.iter().filter(|(_, digests)| digests.contains(&blob.digest));
        let from: Vec<&str> = from.map(|(name, _)| name.as_str()).collect();
        let source = |offset: u64| -> io::Result<Box<dyn Read + Send>> {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let (options, digest, total) = (self.options.clone(), blob.digest.clone(), blob.size);
            Ok(Box::new(Told {
                file,
                done: offset,
                tell: Arc::new(move |done| {
                    options.tell(&PushEvent::Uploading { blob: digest.clone(), done, total });
                }),
            }))
        };
        let pushed = self.client.push_blob(self.reference, blob, &from, &source)?;
        self.options.tell(&PushEvent::Done { blob: blob.digest.clone(), sent: pushed == Pushed::Uploaded });
        Ok(())
    }
}

/// A file, and who is told how far it was read.
struct Told {
    file: File,
    done: u64,
    tell: Arc<dyn Fn(u64) + Send + Sync>,
}

impl Read for Told {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.done += count as u64;
        (self.tell)(self.done);
        Ok(count)
    }
}
