//! What is in the store, and how much room it takes.

use std::collections::{BTreeMap, BTreeSet};

use containerv_spec::ContainerId;
use containerv_spec::image::{Digest, ImageConfig, Platform, Reference, chain_id};
use containerv_spec::request::{Request, Root};

use super::store::{Record, Scope, Unused};
use super::{Images, Result};

/// An image with all its names.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSummary {
    /// Its ID: the digest of its configuration.
    pub id: Digest,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Its names, each with the digest of what the registry had under it. A name without a tag is that of an
    /// image whose tag names another by now, or that was pulled by digest.
    pub names: Vec<(Reference, Digest)>,
    /// The platform that it is for.
    pub platform: Platform,
    /// When it was made, as it says (RFC 3339).
    pub created: Option<String>,
    /// When it was stored here, in nanoseconds since 1970.
    pub stored_unix_ns: u64,
    /// Labels of its configuration.
    pub labels: BTreeMap<String, String>,
    /// Bytes of all its files; those of its blobs where it is not unpacked.
    pub size: u64,
    /// Containers that were made of it.
    pub containers: Vec<ContainerId>,
}

impl ImageSummary {
    /// Says whether it has no name with a tag.
    pub fn is_dangling(&self) -> bool {
        self.names.iter().all(|(reference, _)| reference.tag().is_none())
    }
}

/// What images take on disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImagesUsage {
    /// Each image.
    pub images: Vec<ImageUsage>,
    /// Bytes of everything in the store: blobs, unpacked layers, and what downloads that were broken off left.
    pub bytes: u64,
    /// Bytes of that which no container uses: what `prune` of all images would free. Nothing while there is a
    /// container whose request cannot be read.
    pub reclaimable: u64,
    /// Bytes of downloads that were broken off.
    pub partial: u64,
}

/// What one image takes on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageUsage {
    /// The image.
    pub image: ImageSummary,
    /// Bytes that other images use, too.
    pub shared: u64,
    /// Bytes that nobody else uses.
    pub unique: u64,
}

impl Images {
    /// Lists all images, the latest first. One whose files are damaged is left out.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn list(&self) -> Result<Vec<ImageSummary>> {
        let requests: Vec<Request> =
            self.host.containers()?.iter().map(|container| container.request().clone()).collect();
        let mut found: BTreeMap<Digest, ImageSummary> = BTreeMap::new();
        for record in self.store.records()? {
            let name = (record.reference.clone(), record.target.digest.clone());
            if let Some(known) = found.get_mut(&record.manifest.digest) {
                known.names.push(name);
                known.stored_unix_ns = known.stored_unix_ns.max(record.stored_unix_ns);
                continue;
            }
            let Ok(config) = self.store.config(&record.config) else { continue };
            let summary = ImageSummary {
                id: record.config.clone(),
                manifest: record.manifest.digest.clone(),
                names: vec![name],
                platform: config.platform(),
                created: config.created.clone(),
                stored_unix_ns: record.stored_unix_ns,
                labels: config.config.labels.clone(),
                size: self.size(&record, &config)?,
                containers: requests.iter().filter(|request| uses(request, &record)).map(id).collect(),
            };
            found.insert(record.manifest.digest, summary);
        }
        let mut all: Vec<ImageSummary> = found.into_values().collect();
        all.sort_by(|a, b| b.stored_unix_ns.cmp(&a.stored_unix_ns).then_with(|| a.id.cmp(&b.id)));
        Ok(all)
    }

    fn size(&self, record: &Record, config: &ImageConfig) -> Result<u64> {
        let mut size = 0;
        for chain in chain_id(&config.rootfs.diff_ids) {
            match self.store.layer(&chain)? {
                Some(layer) => size += layer.size,
                None => {
                    let manifest = self.store.manifest(&record.manifest)?;
                    return Ok(manifest.layers.iter().map(|layer| layer.size).sum());
                }
            }
        }
        Ok(size)
    }

    /// Says what images take on disk.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn disk_usage(&self) -> Result<ImagesUsage> {
        let sizes = self.store.sizes()?;
        let size = |digest: &Digest| sizes.objects.get(digest).copied().unwrap_or(0);
        let images = self.list()?;
        let records = self.store.records()?;
        let parts = |image: &ImageSummary| -> BTreeSet<Digest> {
            let own = records.iter().filter(|record| record.manifest.digest == image.manifest);
            own.flat_map(|record| self.store.parts(record)).collect()
        };
        let parts: Vec<BTreeSet<Digest>> = images.iter().map(parts).collect();
        let mut users: BTreeMap<&Digest, usize> = BTreeMap::new();
        for digest in parts.iter().flatten() {
            *users.entry(digest).or_default() += 1;
        }
        let mut usage = ImagesUsage { partial: sizes.partial, ..ImagesUsage::default() };
        usage.bytes = sizes.objects.values().sum::<u64>() + sizes.partial;
        let mut in_use = BTreeSet::new();
        for (image, parts) in images.iter().zip(&parts) {
            let (shared, unique): (Vec<_>, Vec<_>) = parts.iter().partition(|digest| users[digest] > 1);
            let sum = |digests: Vec<&Digest>| digests.into_iter().map(size).sum();
            if !image.containers.is_empty() {
                in_use.extend(parts.iter().cloned());
            }
            usage.images.push(ImageUsage { image: image.clone(), shared: sum(shared), unique: sum(unique) });
        }
        // What containers use without an image that is still named.
        if let Ok(folders) = self.folders_in_use() {
            in_use.extend(self.store.chains_of(&folders)?);
            usage.reclaimable = usage.bytes - in_use.iter().map(size).sum::<u64>();
        }
        Ok(usage)
    }

    /// Removes what nobody uses of these objects.
    pub(super) fn collect(&self, scope: &Scope, without: Option<&BTreeSet<Digest>>) -> Result<Unused> {
        self.store.collect(&self.host.system, scope, || self.folders_in_use(), without)
    }
}

fn id(request: &Request) -> ContainerId {
    request.id.clone()
}

fn uses(request: &Request, record: &Record) -> bool {
    match &request.root {
        Root::Layers(layers) => {
            layers.image.as_ref().is_some_and(|image| image.digest == record.manifest.digest)
        }
        _ => false,
    }
}
