//! Blobs: downloaded once, verified, found by digest.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use containerv_spec::image::digest::Hasher;
use containerv_spec::image::{Descriptor, Digest, ImageConfig, Manifest};

use super::lock::Lock;
use super::{Store, durable, file_name, names, parse_file_name, read_document, remove_file};
use crate::images::documents;
use crate::{Error, ErrorKind, Result};

/// Most bytes that are read at a time.
const PIECE: usize = 256 << 10;

/// Who brings a blob.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one for each layer that is on its way")]
pub(crate) enum Taken {
    /// Nobody has to: it is there.
    There(PathBuf),
    /// The caller, who alone has it now.
    Ours(Partial),
}

/// A blob that the caller alone is bringing.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
    file: File,
    digest: Digest,
    size: u64,
    hasher: Hasher,
    held: u64,
    fault: super::Fault,
    _lock: Lock,
}

impl Store {
    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    /// The file of a blob, if it is there.
    pub(crate) fn blob(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.blob_path(digest)).filter(|path| path.is_file())
    }

    /// Reads a manifest or a configuration, and verifies it.
    pub(crate) fn document(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob_path(digest);
        let bytes = read_document(&path)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the document {digest} is not in the store"))
                .with_hint("pull the image again")
        })?;
        if digest.matches(&bytes) {
            return Ok(bytes);
        }
        let message = format!("`{}` does not have the digest that it is named after", path.display());
        Err(Error::new(ErrorKind::Corrupt, message).with_hint("remove the file and pull the image again"))
    }

    /// Reads a manifest.
    pub(crate) fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest> {
        documents::manifest(&self.document(&descriptor.digest)?, &descriptor.media_type, &descriptor.digest)
    }

    /// Reads a configuration.
    pub(crate) fn config(&self, digest: &Digest) -> Result<ImageConfig> {
        documents::config(&self.document(digest)?, digest)
    }

    /// Stores a document that was verified.
    pub(crate) fn put_document(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let path = self.blob_path(digest);
        if path.is_file() {
            return Ok(());
        }
        self.directory(&format!("blobs/{}", digest.algorithm().name()))?;
        let _hold = Lock::shared(&self.store_lock())?;
        durable::replace(&path, bytes)
            .map_err(|error| Error::io(error, format!("cannot write `{}`", path.display())))?;
        self.step();
        Ok(())
    }

    /// Finds a blob, or takes it upon the caller to bring it. If somebody else is at it, waits: it is there
    /// afterwards, or they have failed.
    pub(crate) fn take(&self, blob: &Descriptor) -> Result<Taken> {
        let target = self.blob_path(&blob.digest);
        if target.is_file() {
            return Ok(Taken::There(target));
        }
        let lock = Lock::exclusive(&self.object_lock("blob", &blob.digest))?;
        if target.is_file() {
            return Ok(Taken::There(target));
        }
        let path = self.directory("partial")?.join(file_name(&blob.digest));
        self.directory(&format!("blobs/{}", blob.digest.algorithm().name()))?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let file = file.map_err(|error| Error::io(error, format!("cannot open `{}`", path.display())))?;
        let (digest, size, fault) = (blob.digest.clone(), blob.size, self.fault.clone());
        let hasher = Hasher::new(digest.algorithm());
        let mut partial = Partial { path, target, file, digest, size, hasher, held: 0, fault, _lock: lock };
        if partial.length()? > size {
            partial.restart()?;
        }
        Ok(Taken::Ours(partial))
    }

    /// Every blob with its size.
    pub(super) fn all_blobs(&self) -> Result<Vec<(Digest, PathBuf, u64)>> {
        let mut blobs = Vec::new();
        let parent = self.root.join("blobs");
        for algorithm in names(&parent)? {
            let directory = parent.join(&algorithm);
            for name in names(&directory)? {
                let path = directory.join(&name);
                if let Ok(digest) = format!("{algorithm}:{name}").parse() {
                    let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
                    blobs.push((digest, path, size));
                }
            }
        }
        Ok(blobs)
    }

    /// Every blob that is not whole, with the bytes that are there.
    pub(super) fn all_partial(&self) -> Result<Vec<(Digest, PathBuf, u64)>> {
        let directory = self.root.join("partial");
        let partial = names(&directory)?.into_iter().filter_map(|name| {
            let path = directory.join(&name);
            let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            Some((parse_file_name(&name)?, path, size))
        });
        Ok(partial.collect())
    }
}

impl Partial {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes the file has.
    pub(crate) fn length(&self) -> Result<u64> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|error| self.failed("look at", error))
    }

    /// Opens the file for somebody who reads it while it grows.
    pub(crate) fn reader(&self) -> Result<File> {
        File::open(&self.path).map_err(|error| self.failed("read", error))
    }

    /// Digests what an earlier download has left; returns how many bytes that was. The download goes on there.
    pub(crate) fn digest_held(&mut self) -> Result<u64> {
        let mut file = self.reader()?;
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok(self.held),
                Ok(count) => {
                    self.hasher.update(&piece[..count]);
                    self.held += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read", error)),
            }
        }
    }

    /// Appends downloaded bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.held += bytes.len() as u64;
        if self.held > self.size {
            let message = format!("the registry sent more than the {} bytes of {}", self.size, self.digest);
            self.restart()?;
            return Err(Error::new(ErrorKind::Corrupt, message)
                .with_hint("the registry or something in between is broken; nothing of it was kept"));
        }
        self.file.write_all(bytes).map_err(|error| self.failed("write", error))?;
        self.hasher.update(bytes);
        self.fault.step();
        Ok(())
    }

    /// Verifies the whole and gives it its name. What is wrong is not kept.
    pub(crate) fn finish(mut self) -> Result<PathBuf> {
        let (held, size) = (self.held, self.size);
        if held < size {
            let message = format!("{held} of {size} bytes of {} came", self.digest);
            return Err(Error::new(ErrorKind::Unavailable, message)
                .with_hint("pull again: the download goes on where it stopped"));
        }
        let found = std::mem::replace(&mut self.hasher, Hasher::new(self.digest.algorithm())).finish();
        if found != self.digest {
            self.discard()?;
            let message = format!("{} has the digest {found} when downloaded", self.digest);
            return Err(Error::new(ErrorKind::Corrupt, message)
                .with_hint("the registry or something in between is broken; nothing of it was kept"));
        }
        self.file.sync_all().map_err(|error| self.failed("write", error))?;
        self.fault.step();
        let parent = self.target.parent().unwrap_or(&self.target);
        fs::rename(&self.path, &self.target)
            .and_then(|()| durable::sync_directory(parent))
            .map_err(|error| Error::io(error, format!("cannot write `{}`", self.target.display())))?;
        self.fault.step();
        Ok(self.target)
    }

    /// Removes what is there.
    fn discard(&self) -> Result<()> {
        remove_file(&self.path)
    }

    /// Forgets everything that was downloaded.
    fn restart(&mut self) -> Result<()> {
        self.held = 0;
        self.hasher = Hasher::new(self.digest.algorithm());
        self.file.set_len(0).map_err(|error| self.failed("write", error))
    }

    fn failed(&self, doing: &str, error: io::Error) -> Error {
        Error::io(error, format!("cannot {doing} `{}`", self.path.display()))
    }
}
