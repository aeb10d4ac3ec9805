//! Pulling: from a reference to unpacked layers.
//!
//! Layers are worked on in parallel, the base first. Of each, the bytes that come are written, digested and
//! unpacked at the same time; a layer has its name once all of it was verified. Where another process is at
//! the same blob or layer, it is waited for and its result taken.

mod follow;
mod layer;

use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use containerv_spec::image::{
    Descriptor, Digest, Document, ImageConfig, Manifest, Platform, Reference, chain_id, platform,
};

use super::layers::Parents;
use super::options::{PullEvent, PullOptions};
use super::store::{Lease, Record, Store};
use super::{Image, documents, now_unix_ns};
use crate::backend::system::System;
use crate::{Error, ErrorKind, Result};

/// Most bytes of a configuration.
const MOST_CONFIG_BYTES: u64 = super::store::MOST_DOCUMENT_BYTES;

/// Where images come from.
pub(crate) trait Source: Sync {
    /// What a reference names: its descriptor and its bytes, verified.
    fn resolve(&self, reference: &Reference) -> Result<(Descriptor, Vec<u8>)>;

    /// The manifest of this descriptor, verified.
    fn manifest(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>>;

    /// The bytes of a blob from an offset on, not verified. More or fewer may come.
    fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send + '_>>;
}

/// What a pull needs of this machine.
pub(crate) struct Machine<'a> {
    /// Who removes trees and unpacks.
    pub(crate) system: &'a System,
    /// The platform of images that run here.
    pub(crate) platform: Platform,
    /// The build of Windows, there.
    pub(crate) build: Option<u32>,
}

/// An image of a registry that was chosen, without its layers.
pub(crate) struct Chosen {
    /// What the reference names.
    pub(crate) target: Descriptor,
    /// The bytes of what the reference names.
    target_bytes: Vec<u8>,
    /// The image's manifest.
    pub(crate) descriptor: Descriptor,
    manifest_bytes: Vec<u8>,
    /// The same, read.
    pub(crate) manifest: Manifest,
    config_bytes: Vec<u8>,
    /// The image's configuration.
    pub(crate) config: ImageConfig,
}

/// What a reference names, with its bytes.
pub(crate) struct Offer {
    target: Descriptor,
    bytes: Vec<u8>,
    document: Document,
    /// What the one image that it names is for, once that is known and not what was wanted.
    only: Option<Platform>,
}

impl Offer {
    /// Asks the registry.
    pub(crate) fn of(source: &dyn Source, reference: &Reference) -> Result<Self> {
        let (target, bytes) = source.resolve(reference)?;
        let document = documents::document(&bytes, &target.media_type, &target.digest)?;
        Ok(Self { target, bytes, document, only: None })
    }

    /// Its digest.
    pub(crate) fn digest(&self) -> &Digest {
        &self.target.digest
    }

    /// The platforms of an index, or of one image if it is known. Attestations and the like have none.
    pub(crate) fn platforms(&self) -> Vec<Platform> {
        let Document::Index(index) = &self.document else { return self.only.iter().cloned().collect() };
        let platforms = index.manifests.iter().filter_map(|descriptor| descriptor.platform.clone());
        platforms.filter(|platform| platform.os != "unknown").collect()
    }

    /// Finds the image for a platform, and reads its documents; none if an index has none for it. No byte of a
    /// layer is read.
    pub(crate) fn choose(
        self,
        source: &dyn Source,
        machine: &Machine<'_>,
        reference: &Reference,
        wanted: Option<&Platform>,
    ) -> Result<Result<Chosen, Self>> {
        let (descriptor, manifest_bytes, manifest) = match &self.document {
            Document::Manifest(manifest) => (self.target.clone(), self.bytes.clone(), (**manifest).clone()),
            Document::Index(index) => {
                let platform = wanted.unwrap_or(&machine.platform);
                let build = machine.build.filter(|_| wanted.is_none_or(|wanted| wanted.os_version.is_none()));
                let Some(chosen) = platform::choose(&index.manifests, platform, build).cloned() else {
                    return Ok(Err(self));
                };
                let bytes = source.manifest(reference, &chosen)?;
                let manifest = documents::manifest(&bytes, &chosen.media_type, &chosen.digest)?;
                (chosen, bytes, manifest)
            }
        };
        let config_bytes = config_blob(source, reference, &manifest.config)?;
        let config = documents::config(&config_bytes, &manifest.config.digest)?;
        // An index has said so of its images, some of which do not say it themselves.
        if matches!(self.document, Document::Manifest(_))
            && wanted.is_some_and(|wanted| !is_for(&config.platform(), wanted))
        {
            return Ok(Err(Self { only: Some(config.platform()), ..self }));
        }
        let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            let message = format!(
                "the manifest of `{reference}` has {layers} layers, and its configuration {diff_ids}"
            );
            return Err(
                Error::new(ErrorKind::Corrupt, message).with_hint("it is not an image of a container")
            );
        }
        let (target, target_bytes) = (self.target, self.bytes);
        Ok(Ok(Chosen { target, target_bytes, descriptor, manifest_bytes, manifest, config_bytes, config }))
    }
}

fn config_blob(source: &dyn Source, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let what = || format!("the configuration {} of `{reference}`", descriptor.digest);
    if descriptor.size > MOST_CONFIG_BYTES {
        let message = format!("{} has {} bytes, more than {MOST_CONFIG_BYTES}", what(), descriptor.size);
        return Err(Error::new(ErrorKind::Corrupt, message).with_hint("it is not an image of a container"));
    }
    let mut bytes = Vec::new();
    let blob = source.blob(reference, descriptor, 0)?;
    let read = blob.take(descriptor.size + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::io(error, format!("cannot download {}", what())))?;
    if bytes.len() as u64 != descriptor.size || !descriptor.digest.matches(&bytes) {
        return Err(Error::new(ErrorKind::Corrupt, format!("{} is not what the registry sent", what()))
            .with_hint("the registry or something in between is broken; nothing of it was kept"));
    }
    Ok(bytes)
}

/// Says whether an image is for a platform that was asked for.
pub(crate) fn is_for(image: &Platform, wanted: &Platform) -> bool {
    let descriptor = Descriptor { platform: Some(image.clone()), ..Descriptor::of("", b"") };
    platform::choose(&[descriptor], wanted, None).is_some()
}

fn none_fits(reference: &Reference, offer: &Offer, wanted: &Platform) -> Error {
    let names: Vec<String> = offer.platforms().iter().map(ToString::to_string).collect();
    let message = format!("`{}` has no image for {wanted}", reference.familiar());
    Error::new(ErrorKind::NotFound, message).with_hint(match names.is_empty() {
        true => "its index names no platform".to_owned(),
        false => format!("it is offered for {}", names.join(", ")),
    })
}

/// Finds the image of a reference that is wanted. No byte of a layer is read.
pub(crate) fn choose(
    source: &dyn Source,
    machine: &Machine<'_>,
    reference: &Reference,
    options: &PullOptions,
) -> Result<Chosen> {
    let wanted = options.platform.as_ref();
    Offer::of(source, reference)?
        .choose(source, machine, reference, wanted)?
        .map_err(|offer| none_fits(reference, &offer, wanted.unwrap_or(&machine.platform)))
}

/// Brings what is missing of the image of a reference, and gives it its name.
pub(crate) fn pull(
    store: &Store,
    source: &dyn Source,
    machine: &Machine<'_>,
    reference: &Reference,
    options: &PullOptions,
) -> Result<Image> {
    bring(store, source, machine, reference, options, choose(source, machine, reference, options)?)
}

/// The same for an image that was chosen.
pub(crate) fn bring(
    store: &Store,
    source: &dyn Source,
    machine: &Machine<'_>,
    reference: &Reference,
    options: &PullOptions,
    chosen: Chosen,
) -> Result<Image> {
    let lease = Arc::new(store.lease()?);
    let chain = chain_id(&chosen.config.rootfs.diff_ids);
    let documents = [&chosen.target.digest, &chosen.descriptor.digest, &chosen.manifest.config.digest];
    let layers = chosen.manifest.layers.iter().map(|layer| &layer.digest);
    lease.add(documents.into_iter().chain(layers).chain(&chain))?;
    options.tell(&PullEvent::Resolved {
        reference: reference.clone(),
        digest: chosen.target.digest.clone(),
        platform: chosen.config.platform(),
        layers: chosen.manifest.layers.clone(),
    });
    Layers {
        store,
        source,
        machine,
        reference,
        options,
        chosen: &chosen,
        chain: &chain,
        state: Arc::default(),
    }
    .bring()?;
    store.put_document(&chosen.target.digest, &chosen.target_bytes)?;
    store.put_document(&chosen.descriptor.digest, &chosen.manifest_bytes)?;
    store.put_document(&chosen.manifest.config.digest, &chosen.config_bytes)?;
    let record = Record {
        reference: stored_reference(reference, &chosen.target.digest),
        target: chosen.target,
        manifest: chosen.descriptor,
        config: chosen.manifest.config.digest.clone(),
        platform: chosen.config.platform(),
        stored_unix_ns: now_unix_ns(),
    };
    store.put_record(&record)?;
    options.tell(&PullEvent::Stored {
        reference: record.reference.clone(),
        digest: record.target.digest.clone(),
    });
    Image::open(store, record, lease)
}

/// A reference with a digest names one image for ever, whatever tag stands beside it.
pub(crate) fn stored_reference(reference: &Reference, digest: &Digest) -> Reference {
    match reference.digest() {
        Some(_) => reference.with_digest(digest.clone()),
        None => reference.clone(),
    }
}

/// The layers of one image on their way.
struct Layers<'a> {
    store: &'a Store,
    source: &'a dyn Source,
    machine: &'a Machine<'a>,
    reference: &'a Reference,
    options: &'a PullOptions,
    chosen: &'a Chosen,
    chain: &'a [Digest],
    state: Arc<State>,
}

/// How far they are.
#[derive(Default)]
struct State {
    next: AtomicUsize,
    progress: Mutex<Done>,
    changed: Condvar,
}

#[derive(Default)]
struct Done {
    layers: Vec<usize>,
    failed: Option<Error>,
}

impl Layers<'_> {
    fn bring(&self) -> Result<()> {
        let workers = self.options.parallel.clamp(1, self.chain.len().max(1));
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| self.work());
            }
        });
        match self.done().failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Takes one layer after the other, the lowest first: whoever waits for lower ones, waits for somebody.
    fn work(&self) {
        loop {
            let index = self.state.next.fetch_add(1, Ordering::SeqCst);
            if index >= self.chain.len() || self.done().failed.is_some() {
                return;
            }
            let result = self.layer(index);
            let mut done = self.done();
            match result {
                Ok(()) => done.layers.push(index),
                // The first is the cause; others may have stopped because of it.
                Err(error) => {
                    done.failed.get_or_insert(error);
                }
            }
            self.state.changed.notify_all();
        }
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.state.done()
    }

    /// The layers below one, which are waited for when they are asked for.
    fn below(&self, index: usize) -> Parents {
        let trees: Vec<PathBuf> =
            self.chain[..index].iter().rev().map(|chain| self.store.layer_tree(chain)).collect();
        let state = self.state.clone();
        Parents::found_by(index, move || state.wait_for_all_below(index).map(|()| trees.clone()))
    }
}

impl State {
    fn done(&self) -> MutexGuard<'_, Done> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all layers below one are unpacked.
    fn wait_for_all_below(&self, index: usize) -> Result<()> {
        let mut done = self.done();
        loop {
            if done.failed.is_some() {
                return Err(Error::new(ErrorKind::Unavailable, "a layer below could not be had"));
            }
            if (0..index).all(|lower| done.layers.contains(&lower)) {
                return Ok(());
            }
            done = self.changed.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Lease {
    /// Adds everything of an image that is stored.
    pub(crate) fn add_image(&self, store: &Store, record: &Record) -> Result<()> {
        self.add(&store.parts(record))
    }
}
