//! Where images are kept: files below `images` of the data root, and locks. Any number of processes use
//! them at once, and each may be killed at any instant.
//!
//! | Below `images` | What |
//! |---|---|
//! | `blobs/ALGORITHM/HEX` | a blob, whole and verified |
//! | `partial/ALGORITHM-HEX` | what is there of a blob that is being downloaded, or was when somebody was killed |
//! | `layers/HEX` | an unpacked layer, by its chain ID: `layer.json` and the tree `fs`, whole and on the disk; on Windows the tree has the ID's first 32 digits as its name |
//! | `references/HEX` | a reference and the image that it names, by the digest of its text |
//! | `staging/HEX` | a layer that is being unpacked |
//! | `leases/NAME` | what a running process uses; locked by it for as long as it does |
//! | `locks/NAME` | one for each blob and layer that is being made: whoever comes second waits and finds it made |
//! | `lock` | shared by those who put something into their lease, exclusive for those who remove |
//!
//! Something gets its name once it is whole, by renaming. What has a name is removed only by [`Store::collect`],
//! which keeps what references, containers and leases use.

mod blobs;
mod collect;
mod durable;
mod fault;
mod layers;
mod lease;
mod lock;
mod references;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use containerv_spec::image::Digest;

use crate::{Error, Result};

pub(crate) use blobs::{Partial, Taken};
pub(crate) use collect::{Scope, Unused};
pub(crate) use durable::temporary;
pub(crate) use fault::Fault;
pub(crate) use layers::{LayerRecord, Staging};
pub(crate) use lease::Lease;
pub(crate) use references::Record;

/// Most bytes of a manifest, a configuration or a record that are read.
pub(crate) const MOST_DOCUMENT_BYTES: u64 = 8 << 20;

/// The store of one data root.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
    fault: Fault,
}

impl Store {
    /// The store below this directory, made when first needed.
    pub(crate) fn new(root: PathBuf, fault: Fault) -> Self {
        Self { root, fault }
    }

    /// Where it is.
    #[cfg(test)]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Something was done that others can see.
    pub(crate) fn step(&self) {
        self.fault.step();
    }

    /// Where what is being made lies; what is left there is removed with what else pulls have left.
    pub(crate) fn staging(&self) -> Result<PathBuf> {
        self.directory("staging")
    }

    fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        match fs::create_dir_all(&path) {
            Ok(()) => Ok(path),
            Err(error) => Err(Error::io(error, format!("cannot make the directory `{}`", path.display()))),
        }
    }

    /// A directory for files that have no name for long.
    pub(crate) fn spool_directory(&self) -> Result<PathBuf> {
        self.directory("partial")
    }

    fn store_lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The lock of those who make an object.
    fn object_lock(&self, kind: &str, digest: &Digest) -> PathBuf {
        self.root.join("locks").join(format!("{kind}-{}", file_name(digest)))
    }
}

/// The name of a digest's file in a directory for all algorithms.
fn file_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}

fn parse_file_name(name: &str) -> Option<Digest> {
    name.split_once('-').and_then(|(algorithm, hex)| format!("{algorithm}:{hex}").parse().ok())
}

/// The names in a directory that may not be there.
fn names(path: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::io(error, format!("cannot list `{}`", path.display()));
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

/// Reads a document; `None` if there is none.
fn read_document(path: &Path) -> Result<Option<Vec<u8>>> {
    let failed = |error| Error::io(error, format!("cannot read `{}`", path.display()));
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, MOST_DOCUMENT_BYTES + 1), &mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_DOCUMENT_BYTES {
        let message = format!("`{}` is larger than {MOST_DOCUMENT_BYTES} bytes", path.display());
        return Err(Error::new(crate::ErrorKind::Corrupt, message));
    }
    Ok(Some(bytes))
}

/// Removes a file that may be gone.
fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(error, format!("cannot remove `{}`", path.display())))
        }
        _ => Ok(()),
    }
}
