//! References: which names images have.

use containerv_spec::image::{Descriptor, Digest, Platform, Reference};
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::{Store, durable, names, read_document, remove_file};
use crate::{Error, ErrorKind, Result};

/// A reference and the image that it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The reference: with a tag, or with the digest of an image that has none.
    pub(crate) reference: Reference,
    /// What the registry has under it: an index or a manifest.
    pub(crate) target: Descriptor,
    /// The manifest for the platform.
    pub(crate) manifest: Descriptor,
    /// The configuration; its digest is the image's ID.
    pub(crate) config: Digest,
    /// The platform that was chosen.
    pub(crate) platform: Platform,
    /// When it was stored, in nanoseconds since 1970.
    pub(crate) stored_unix_ns: u64,
}

impl Record {
    fn is_another_name_of(&self, other: &Self) -> bool {
        self.manifest.digest == other.manifest.digest && self.reference != other.reference
    }
}

impl Store {
    fn reference_path(&self, reference: &Reference) -> std::path::PathBuf {
        // Tags are told apart by case, and may be longer than a file name.
        self.root.join("references").join(Digest::of(reference.to_string().as_bytes()).hex())
    }

    /// Every record, by reference.
    pub(crate) fn records(&self) -> Result<Vec<Record>> {
        let directory = self.root.join("references");
        let mut records = Vec::new();
        for name in names(&directory)?.into_iter().filter(|name| !durable::is_temporary(name)) {
            records.extend(read(&directory.join(name))?);
        }
        records.sort_by_key(|record: &Record| record.reference.to_string());
        Ok(records)
    }

    /// The record of a reference.
    pub(crate) fn record(&self, reference: &Reference) -> Result<Option<Record>> {
        read(&self.reference_path(reference))
    }

    /// Stores a record. An image that loses the name by this, and has no other, keeps one by its digest.
    pub(crate) fn put_record(&self, record: &Record) -> Result<()> {
        self.directory("references")?;
        let _lock = Lock::exclusive(&self.root.join("locks").join("references"))?;
        let before = self.record(&record.reference)?;
        if let Some(before) = before.filter(|before| before.manifest.digest != record.manifest.digest)
            && !self.records()?.iter().any(|other| other.is_another_name_of(&before))
        {
            let reference = before.reference.with_digest(before.manifest.digest.clone());
            self.write_record(&Record { reference, ..before })?;
        }
        self.write_record(record)
    }

    fn write_record(&self, record: &Record) -> Result<()> {
        let path = self.reference_path(&record.reference);
        let _hold = Lock::shared(&self.store_lock())?;
        let json = serde_json::to_vec(record).unwrap_or_default();
        durable::replace(&path, &json)
            .map_err(|error| Error::io(error, format!("cannot write `{}`", path.display())))?;
        self.step();
        Ok(())
    }

    /// Removes a record; what it alone used stays until it is collected.
    pub(crate) fn remove_record(&self, reference: &Reference) -> Result<()> {
        let _lock = Lock::exclusive(&self.root.join("locks").join("references"))?;
        remove_file(&self.reference_path(reference))?;
        self.step();
        Ok(())
    }
}

fn read(path: &std::path::Path) -> Result<Option<Record>> {
    let Some(bytes) = read_document(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("`{}` is damaged", path.display()))
            .with_source(error)
            .with_hint("remove the file and pull the image again")
    })
}
