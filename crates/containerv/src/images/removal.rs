//! Removing images.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use containerv_spec::image::{Digest, Reference};

use super::store::{Record, Scope, Unused};
use super::{ImageSummary, Images, now_unix_ns};
use crate::{Error, ErrorKind, RepairAction, Result};

/// What was, or would be, removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovedImages {
    /// Names that are gone.
    pub untagged: Vec<Reference>,
    /// Blobs and layers that are gone, by digest and chain ID.
    pub deleted: Vec<Digest>,
    /// Bytes that are free.
    pub bytes: u64,
}

/// Which images are removed when tidying up.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// All that no container uses, not only those without a tag.
    pub all: bool,
    /// Only those that were stored so long ago.
    pub older_than: Option<Duration>,
    /// Only those with all of these labels, of a name or of a name and a value.
    pub labels: Vec<(String, Option<String>)>,
    /// Only those with none of these.
    pub without_labels: Vec<(String, Option<String>)>,
    /// Only tell.
    pub dry_run: bool,
}

impl Images {
    /// Removes a name, and with the last one the image: what no other image, container or pull uses. By ID, an
    /// image goes with all its names.
    ///
    /// # Errors
    ///
    /// `InvalidState` if containers were made of it, or an ID has several names, and `force` is not set. With it,
    /// containers keep the layers that they are made of. What stands in the way of knowing what a container uses.
    pub fn remove(&self, name: &str, force: bool) -> Result<RemovedImages> {
        let record = self.find(name)?;
        let by_reference = super::parse_reference(name).is_ok_and(|reference| {
            record.reference == reference
                || reference.digest().is_some() && record.reference.name() == reference.name()
        });
        let all = self.store.records()?;
        let same = |other: &&Record| other.manifest.digest == record.manifest.digest;
        let others: Vec<&Record> = all.iter().filter(same).collect();
        let doomed: Vec<&Record> = match by_reference {
            true => vec![&record],
            false => others.clone(),
        };
        if !force && !by_reference && doomed.len() > 1 {
            let names: Vec<String> = doomed.iter().map(|record| record.reference.familiar()).collect();
            let message = format!("the image `{name}` has several names: {}", names.join(", "));
            return Err(Error::new(ErrorKind::InvalidState, message)
                .with_hint("remove them one by one, or all with `--force`"));
        }
        if doomed.len() == others.len() {
            // Names stay, too, as long as it is not known what containers use.
            self.folders_in_use()?;
            if !force {
                self.refuse_used(&record)?;
            }
        }
        let parts: BTreeSet<Digest> = doomed.iter().flat_map(|record| self.store.parts(record)).collect();
        let mut removed = RemovedImages::default();
        for record in doomed {
            self.store.remove_record(&record.reference)?;
            removed.untagged.push(record.reference.clone());
        }
        removed.take(self.collect(&Scope::These(parts), None)?);
        Ok(removed)
    }

    /// Removes what killed processes have left half done; returns what was, or would be, done.
    pub(crate) fn repair(&self, dry_run: bool) -> Result<Vec<RepairAction>> {
        let removed = self.store.repair(&self.host.system, dry_run)?;
        let action = || "remove what is there of a layer whose unpacking was broken off".to_owned();
        Ok(removed.into_iter().map(|object| RepairAction { object, action: action() }).collect())
    }

    fn refuse_used(&self, record: &Record) -> Result<()> {
        let images = self.list()?;
        let Some(image) = images.iter().find(|image| image.manifest == record.manifest.digest) else {
            return Ok(());
        };
        let Some(container) = image.containers.first() else { return Ok(()) };
        let message = format!(
            "the image `{}` is used by container `{}`",
            record.reference.familiar(),
            container.short()
        );
        Err(Error::new(ErrorKind::InvalidState, message).with_hint(
            "remove the container first, or only the name with `--force`: the container keeps its layers",
        ))
    }

    /// Removes images that nobody uses, and what pulls that were broken off have left.
    ///
    /// # Errors
    ///
    /// If something could not be removed. Nothing is while there is a container whose request cannot be read, and that
    /// may use any layer.
    pub fn prune(&self, options: &PruneOptions) -> Result<RemovedImages> {
        self.folders_in_use()?;
        let mut removed = RemovedImages::default();
        let mut manifests = BTreeSet::new();
        let records = self.store.records()?;
        for image in self.list()?.iter().filter(|image| options.wants(image)) {
            manifests.insert(image.manifest.clone());
            for record in records.iter().filter(|record| record.manifest.digest == image.manifest) {
                removed.untagged.push(record.reference.clone());
                if !options.dry_run {
                    self.store.remove_record(&record.reference)?;
                }
            }
        }
        removed.take(self.collect(&Scope::All, Some(&manifests).filter(|_| options.dry_run))?);
        Ok(removed)
    }
}

impl RemovedImages {
    fn take(&mut self, unused: Unused) {
        self.bytes += unused.blob_bytes + unused.layer_bytes;
        self.deleted.extend(unused.digests);
    }
}

impl PruneOptions {
    fn wants(&self, image: &ImageSummary) -> bool {
        let has = |(name, value): &(String, Option<String>)| {
            let label = image.labels.get(name);
            label.is_some_and(|label| value.as_ref().is_none_or(|value| value == label))
        };
        let stored = UNIX_EPOCH + Duration::from_nanos(image.stored_unix_ns);
        let now = UNIX_EPOCH + Duration::from_nanos(now_unix_ns());
        let age = now.duration_since(stored).unwrap_or_default();
        (self.all || image.is_dangling())
            && image.containers.is_empty()
            && self.older_than.is_none_or(|least| age >= least)
            && self.labels.iter().all(has)
            && !self.without_labels.iter().any(has)
    }
}
