//! One image of the store.

use std::sync::Arc;

use containerv_spec::OsText;
use containerv_spec::image::{Descriptor, Digest, ImageConfig, Manifest, Platform, Reference, chain_id};
use containerv_spec::request::{ImageName, Layers, Process, Request, Root};

use super::store::{Lease, Record, Store};
use super::unpacking::Unpacking;
use super::{ImageOverrides, run};
use crate::{Error, ErrorKind, Result};

/// An image that is stored. While it exists, nobody removes what it consists of.
#[derive(Clone, Debug)]
pub struct Image {
    store: Store,
    record: Record,
    manifest: Manifest,
    config: ImageConfig,
    _lease: Arc<Lease>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageLayer {
    /// Its blob.
    pub blob: Descriptor,
    /// Digest of its archive, not compressed.
    pub diff_id: Digest,
    /// What names it together with all below it.
    pub chain_id: Digest,
    /// Bytes of its files, if it is unpacked.
    pub size: Option<u64>,
}

/// One step of the making of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// When, as the image says it (RFC 3339).
    pub created: Option<String>,
    /// By which command.
    pub created_by: String,
    /// What was noted.
    pub comment: String,
    /// Bytes of the files of its layer; 0 for a step that changed no file.
    pub size: u64,
}

impl Image {
    /// Reads an image whose parts are in the lease.
    pub(crate) fn open(store: &Store, record: Record, lease: Arc<Lease>) -> Result<Self> {
        let damaged =
            |error: Error| error.context(format!("cannot read the image `{}`", record.reference.familiar()));
        let manifest = store.manifest(&record.manifest).map_err(damaged)?;
        let config = store.config(&record.config).map_err(damaged)?;
        Ok(Self { store: store.clone(), record, manifest, config, _lease: lease })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Returns the ID: the digest of the configuration.
    pub fn id(&self) -> &Digest {
        &self.record.config
    }

    /// Returns the reference that it was found by, or one that it has.
    pub fn reference(&self) -> &Reference {
        &self.record.reference
    }

    /// Returns the digest of what a registry has under its reference: an index or a manifest.
    pub fn digest(&self) -> &Digest {
        &self.record.target.digest
    }

    /// Returns the descriptor of its manifest.
    pub fn manifest_descriptor(&self) -> &Descriptor {
        &self.record.manifest
    }

    /// Returns the manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the configuration.
    pub fn config(&self) -> &ImageConfig {
        &self.config
    }

    /// Returns the platform that it is for.
    pub fn platform(&self) -> Platform {
        self.config.platform()
    }

    /// Returns when it was stored here, in nanoseconds since 1970.
    pub fn stored_unix_ns(&self) -> u64 {
        self.record.stored_unix_ns
    }

    /// Returns the layers, the base first.
    ///
    /// # Errors
    ///
    /// If the store is damaged.
    pub fn layers(&self) -> Result<Vec<ImageLayer>> {
        let diff_ids = &self.config.rootfs.diff_ids;
        let all = self.manifest.layers.iter().zip(diff_ids).zip(chain_id(diff_ids));
        all.map(|((blob, diff_id), chain_id)| {
            let size = self.store.layer(&chain_id)?.map(|layer| layer.size);
            Ok(ImageLayer { blob: blob.clone(), diff_id: diff_id.clone(), chain_id, size })
        })
        .collect()
    }

    /// Returns the bytes of all its files; those of its blobs where it is not unpacked.
    ///
    /// # Errors
    ///
    /// As [`Image::layers`].
    pub fn size(&self) -> Result<u64> {
        Ok(self.layers()?.iter().map(|layer| layer.size.unwrap_or(layer.blob.size)).sum())
    }

    /// Returns how it was made, the latest step first.
    ///
    /// # Errors
    ///
    /// As [`Image::layers`].
    pub fn history(&self) -> Result<Vec<HistoryEntry>> {
        let mut layers = self.layers()?.into_iter();
        let mut steps: Vec<HistoryEntry> = self
            .config
            .history
            .iter()
            .map(|step| {
                let layer = if step.empty_layer { None } else { layers.next() };
                HistoryEntry {
                    created: step.created.clone(),
                    created_by: step.created_by.clone().unwrap_or_default(),
                    comment: step.comment.clone().unwrap_or_default(),
                    size: layer.map_or(0, |layer| layer.size.unwrap_or(layer.blob.size)),
                }
            })
            .collect();
        // Not every tool writes the history of each layer.
        steps.extend(layers.map(|layer| HistoryEntry {
            created: None,
            created_by: String::new(),
            comment: "no history".to_owned(),
            size: layer.size.unwrap_or(layer.blob.size),
        }));
        steps.reverse();
        Ok(steps)
    }

    /// Says whether all of its layers are there, as containers need them.
    pub(crate) fn is_complete(&self) -> bool {
        let unpacked = Unpacking::of(&self.config.os) != Unpacking::None;
        let blobs = self.manifest.layers.iter().all(|layer| self.store.blob(&layer.digest).is_some());
        blobs
            && (!unpacked
                || chain_id(&self.config.rootfs.diff_ids).iter().all(|chain| self.store.has_layer(chain)))
    }

    /// Returns the root of containers of this image.
    ///
    /// # Errors
    ///
    /// `Unsupported` for an image of another system, `NotFound` if a layer is missing.
    pub fn root(&self) -> Result<Root> {
        let name = self.record.reference.familiar();
        if !Unpacking::of(&self.config.os).runs_here() {
            let message = format!("the image `{name}` is for {}, and does not run here", self.platform());
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("`cv image check` tells which image of a reference would run"));
        }
        if !self.is_complete() {
            return Err(Error::new(ErrorKind::NotFound, format!("the image `{name}` is not complete"))
                .with_hint(format!("`cv pull {name}` brings what is missing")));
        }
        let folders = chain_id(&self.config.rootfs.diff_ids);
        let folders = folders.iter().rev().map(|chain| {
            let path = self.store.layer_tree(chain);
            crate::process::os_text(path.as_os_str())
        });
        Ok(Root::Layers(Layers {
            folders: folders.collect::<Vec<OsText>>(),
            os_version: self.config.os_version.clone(),
            image: Some(Box::new(self.name())),
        }))
    }

    /// Completes a request by the image's configuration, by Docker's rules: the command, its surroundings, the stop
    /// signal and labels. What else `process` says, such as its terminal, stays. The request's root becomes the
    /// image's, and its mounts have to be in it already.
    ///
    /// # Errors
    ///
    /// As [`Image::root`]; everything that cannot be had: no command at all, a stop signal that is none, a volume
    /// that the container could not write.
    pub fn complete(&self, request: &mut Request, process: Process, asked: &ImageOverrides) -> Result<()> {
        request.root = self.root()?;
        run::complete(request, process, &self.config.config, asked, self.config.os == "windows")
    }

    /// What a container keeps of its image.
    fn name(&self) -> ImageName {
        ImageName {
            reference: self.record.reference.familiar(),
            digest: self.record.manifest.digest.clone(),
            id: self.record.config.clone(),
            entrypoint_words: 0,
            exposed_ports: self.config.config.exposed_ports.keys().cloned().collect(),
            healthcheck: self.config.config.healthcheck.clone(),
        }
    }
}
