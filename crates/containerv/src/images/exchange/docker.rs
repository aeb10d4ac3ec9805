//! Docker's list of images in an archive (`docker save`, image-spec v1.2 of Docker).

use std::collections::HashMap;
use std::io::Read;

use containerv_spec::image::digest::{Algorithm, Hasher};
use containerv_spec::image::document::media_type;
use containerv_spec::image::{Descriptor, Digest, Manifest, Reference};
use serde::{Deserialize, Serialize};

use super::DOCKER_MANIFEST;
use super::place::Place;
use crate::images::layers::decode::Compression;
use crate::images::local::{Content, Local};
use crate::{Error, ErrorKind, Result};

/// Most images of one archive.
const MOST_IMAGES: usize = 1000;

/// One image of the list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    /// File of the configuration.
    pub(super) config: String,
    /// Names with tags.
    #[serde(default)]
    pub(super) repo_tags: Option<Vec<String>>,
    /// Files of the layers, the lowest first.
    pub(super) layers: Vec<String>,
}

/// Reads the list; `None` if there is none.
pub(super) fn images(place: &Place) -> Result<Option<Vec<Listed>>> {
    let Some(list) = place.find(DOCKER_MANIFEST) else { return Ok(None) };
    let damaged = |reason: String| {
        Error::new(ErrorKind::Corrupt, format!("`{DOCKER_MANIFEST}` of the archive is damaged: {reason}"))
    };
    let list: Vec<Listed> =
        serde_json::from_slice(&list.document()?).map_err(|error| damaged(error.to_string()))?;
    match list.len() {
        0..=MOST_IMAGES => Ok(Some(list)),
        count => Err(damaged(format!("it has {count} images"))),
    }
}

impl Listed {
    /// The names that it has.
    pub(super) fn names(&self) -> Result<Vec<Reference>> {
        let tags = self.repo_tags.iter().flatten();
        tags.map(|tag| crate::images::parse_reference(tag)).collect()
    }

    /// The image with a manifest of ours: the archive has none. Layers that were digested for another image of
    /// the archive are not digested again.
    pub(super) fn open<'a>(
        &self,
        place: &'a Place,
        digested: &mut HashMap<String, Descriptor>,
    ) -> Result<(Descriptor, Local<'a>)> {
        let find = |name: &str| {
            place.find(name).ok_or_else(|| {
                let message = format!("the archive has no `{name}`, which its `{DOCKER_MANIFEST}` names");
                Error::new(ErrorKind::Corrupt, message)
            })
        };
        let config = find(&self.config)?.document()?;
        let config_descriptor = Descriptor::of(media_type::OCI_CONFIG, &config);
        let mut parts = vec![(config_descriptor.digest.clone(), Content::Bytes(config.into()))];
        let mut layers = Vec::new();
        for name in &self.layers {
            let content = find(name)?;
            let descriptor = match digested.get(name) {
                Some(descriptor) => descriptor.clone(),
                None => {
                    let descriptor = describe(&content)
                        .map_err(|error| error.context(format!("cannot read `{name}` of the archive")))?;
                    digested.insert(name.clone(), descriptor.clone());
                    descriptor
                }
            };
            parts.push((descriptor.digest.clone(), content));
            layers.push(descriptor);
        }
        let manifest = Manifest::new(config_descriptor, layers);
        let manifest = serde_json::to_vec(&manifest)
            .map_err(|error| Error::new(ErrorKind::Other, "write a manifest").with_source(error))?;
        let target = Descriptor::of(media_type::OCI_MANIFEST, &manifest);
        parts.push((target.digest.clone(), Content::Bytes(manifest.into())));
        let mut local = Local::new(target.clone(), |_: &Digest| None);
        parts.into_iter().for_each(|(digest, content)| local.add(digest, content));
        Ok((target, local))
    }
}

/// Digests a layer, and looks how it is compressed.
fn describe(content: &Content) -> Result<Descriptor> {
    let mut stream = content.open(0)?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let (mut first, mut size) = (Vec::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                if first.is_empty() {
                    first = buffer[..count.min(16)].to_vec();
                }
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(error, "read the layer")),
        }
    }
    let compression = Compression::detect(&first, None)?;
    let media_type = format!("{}{}", media_type::OCI_LAYER, compression.suffix());
    Ok(Descriptor::new(media_type, hasher.finish(), size))
}
