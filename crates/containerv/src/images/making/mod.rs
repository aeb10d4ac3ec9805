//! Images that are made here: of an archive of a root, and of a container.

mod change;
mod commit;
mod debootstrap;
mod import;
#[cfg(target_os = "linux")]
mod packages;
mod settings;

#[cfg(all(feature = "fuzzing", target_os = "linux"))]
pub(crate) use change::apply as change;

use std::sync::Arc;

use containerv_spec::image::config::History;
use containerv_spec::image::document::media_type;
use containerv_spec::image::{Descriptor, Digest, ImageConfig, Manifest, Platform, Reference};

use super::layers::decode::Compression;
use super::layers::encode::Encoded;
use super::local::{Content, Local, Spool};
use super::{Image, Images, PullOptions, PullProgress, now_unix_ns, parse_reference, pull};
use crate::{Error, ErrorKind, Result};

pub use debootstrap::{DebootstrapOptions, DebootstrapPlan, DebootstrapProgress, DebootstrapStep};

/// What an image is called that is given no name.
const UNTITLED: &str = "localhost/untitled";

/// How an image is made.
#[derive(Clone, Default)]
pub struct MakeOptions {
    /// Name of the image, as `team/app:1.2`; without one it has only its digest.
    pub reference: Option<String>,
    /// Instructions of Dockerfiles that change its configuration: `CMD ["sh"]`, `ENV A=1`.
    pub changes: Vec<String>,
    /// A remark on this step.
    pub comment: Option<String>,
    /// Who makes it.
    pub author: Option<String>,
    /// The platform of what is imported; this machine's unless given.
    pub platform: Option<Platform>,
    /// Told how far it is.
    pub progress: Option<PullProgress>,
}

impl std::fmt::Debug for MakeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MakeOptions").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl MakeOptions {
    /// Changes a configuration as asked for, and notes the step.
    fn apply(&self, config: &mut ImageConfig, created_by: &str) -> Result<()> {
        for instruction in &self.changes {
            change::apply(&mut config.config, instruction)?;
        }
        let created = containerv_spec::time::to_rfc3339(now_unix_ns());
        config.created = Some(created.clone());
        if self.author.is_some() {
            config.author.clone_from(&self.author);
        }
        config.history.push(History {
            created: Some(created),
            created_by: Some(created_by.to_owned()),
            author: self.author.clone(),
            comment: self.comment.clone(),
            ..History::default()
        });
        Ok(())
    }

    pub(super) fn name(&self) -> Result<Option<Reference>> {
        let Some(text) = &self.reference else { return Ok(None) };
        let reference = parse_reference(text)?;
        match reference.digest() {
            None => Ok(Some(reference)),
            Some(_) => {
                let message = format!("`{text}` has a digest, which no name can choose");
                Err(Error::new(ErrorKind::InvalidArgument, message).with_hint("give a name and a tag"))
            }
        }
    }
}

/// A layer that was written and is in no store yet.
struct NewLayer {
    encoded: Encoded,
    spool: Spool,
}

/// How layers that are made here are compressed: what every registry and every other program takes.
const COMPRESSION: Compression = Compression::Gzip;

impl Images {
    /// Stores an image that consists of these layers, which are stored, and a new one on top.
    fn assemble(
        &self,
        mut config: ImageConfig,
        mut layers: Vec<Descriptor>,
        new: NewLayer,
        options: &MakeOptions,
    ) -> Result<Image> {
        let NewLayer { encoded, spool } = new;
        config.rootfs.diff_ids.push(encoded.diff_id);
        let layer_type = format!("{}{}", media_type::OCI_LAYER, COMPRESSION.suffix());
        layers.push(Descriptor::new(layer_type, encoded.digest.clone(), encoded.size));
        let config_bytes = json(&config)?;
        let config_descriptor = Descriptor::of(media_type::OCI_CONFIG, &config_bytes);
        let config_digest = config_descriptor.digest.clone();
        let manifest_bytes = json(&Manifest::new(config_descriptor, layers))?;
        let target = Descriptor::of(media_type::OCI_MANIFEST, &manifest_bytes);
        let reference = match options.name()? {
            Some(reference) => reference,
            None => untitled(&target.digest)?,
        };
        let manifest_digest = target.digest.clone();
        let mut source = Local::new(target, |_: &Digest| None);
        source.add(manifest_digest, Content::Bytes(manifest_bytes.into()));
        source.add(config_digest, Content::Bytes(config_bytes.into()));
        source.add(encoded.digest, spool.content()?);
        let options = PullOptions { progress: options.progress.clone(), ..PullOptions::default() };
        pull::pull(&self.store, &source, &self.machine(), &reference, &options)
    }

    pub(super) fn spool(&self) -> Result<Spool> {
        self.prepare()?;
        Spool::new(&self.store.spool_directory()?)
    }

    /// Keeps an image's parts from being removed.
    fn keep(&self, digests: &[Digest]) -> Result<Arc<super::store::Lease>> {
        let lease = self.store.lease()?;
        lease.add(digests)?;
        Ok(Arc::new(lease))
    }
}

/// The name of an image that has none.
pub(super) fn untitled(digest: &Digest) -> Result<Reference> {
    Ok(parse_reference(UNTITLED)?.with_digest(digest.clone()))
}

pub(super) fn json(document: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document)
        .map_err(|error| Error::new(ErrorKind::Other, "write a document of the image").with_source(error))
}
