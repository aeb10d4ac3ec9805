//! Manifests and indexes, and what refers to them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Digest, Platform};

/// Most bytes of a manifest or an index (distribution-spec, "Pushing Manifests").
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;
/// Most layers of an image. Neither overlay nor Windows takes as many.
pub const MAX_LAYERS: usize = 1000;

/// Media types of documents and of the content that they refer to.
pub mod media_type {
    /// image-spec's manifest.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// image-spec's index.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// image-spec's configuration.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer as it is.
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A layer compressed by gzip.
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer compressed by zstd.
    pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// A layer that not everybody may give away.
    pub const OCI_FOREIGN_LAYER: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    /// The same, compressed by gzip.
    pub const OCI_FOREIGN_LAYER_GZIP: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    /// Docker's manifest, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's index.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Docker's layer, compressed by gzip.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// Docker's layer as it is.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    /// Docker's layer that not everybody may give away: base layers of Windows.
    pub const DOCKER_FOREIGN_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

    /// Says whether it names a manifest.
    pub fn is_manifest(media_type: &str) -> bool {
        matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
    }

    /// Says whether it names an index.
    pub fn is_index(media_type: &str) -> bool {
        matches!(media_type, OCI_INDEX | DOCKER_INDEX)
    }

    /// Says whether it names a layer that registries need not have.
    pub fn is_foreign_layer(media_type: &str) -> bool {
        matches!(media_type, OCI_FOREIGN_LAYER | OCI_FOREIGN_LAYER_GZIP | DOCKER_FOREIGN_LAYER_GZIP)
    }
}

/// Where content is, and what it has to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where else it can be had.
    #[serde(default, deserialize_with = "super::nullable", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Notes.
    #[serde(default, deserialize_with = "super::nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What it runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What else was there.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Descriptor {
    /// Content of this type, digest and size in bytes.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            extra: Map::new(),
        }
    }

    /// Describes these bytes.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}

/// An image for one platform, or another artifact: a configuration, and layers of which the lowest is the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u64,
    /// Its own media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// What it is a remark on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Notes.
    #[serde(default, deserialize_with = "super::nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What else was there.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Manifest {
    /// An image of image-spec.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
            extra: Map::new(),
        }
    }
}

/// A list of manifests, usually of one image for several platforms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u64,
    /// Its own media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// What it is a remark on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Notes.
    #[serde(default, deserialize_with = "super::nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What else was there.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Index {
    /// An index of image-spec.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::OCI_INDEX.to_owned()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
            extra: Map::new(),
        }
    }
}

/// A manifest or an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// One image.
    Manifest(Box<Manifest>),
    /// Several.
    Index(Box<Index>),
}

impl Document {
    /// Reads a document that came with this `Content-Type` (or a descriptor's media type; empty if there is none).
    ///
    /// # Errors
    ///
    /// For a document that is too large or malformed, of Docker's schema 1, or that can be read in more than one
    /// way (CVE-2021-41190): with the members of both kinds, with a member twice or also in other letters, or of
    /// another kind than it or its `Content-Type` says.
    pub fn parse(bytes: &[u8], content_type: &str) -> Result<Self, InvalidDocument> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(InvalidDocument(format!("it is larger than {MAX_DOCUMENT_BYTES} bytes")));
        }
        let members = serde_json::from_slice::<Members>(bytes).map_err(malformed)?.0;
        let kind = Kind::of(&members, content_type)?;
        let document = match kind {
            Kind::Manifest => Self::Manifest(serde_json::from_slice(bytes).map_err(malformed)?),
            Kind::Index => Self::Index(serde_json::from_slice(bytes).map_err(malformed)?),
        };
        document.check()?;
        Ok(document)
    }

    /// The media type that it has or, if it says none, that image-spec gives it.
    pub fn media_type(&self) -> &str {
        let (own, usual) = match self {
            Self::Manifest(manifest) => (&manifest.media_type, media_type::OCI_MANIFEST),
            Self::Index(index) => (&index.media_type, media_type::OCI_INDEX),
        };
        own.as_deref().unwrap_or(usual)
    }

    fn check(&self) -> Result<(), InvalidDocument> {
        let (version, descriptors) = match self {
            Self::Manifest(manifest) => (manifest.schema_version, &manifest.layers),
            Self::Index(index) => (index.schema_version, &index.manifests),
        };
        if version != 2 {
            return Err(InvalidDocument(format!("its `schemaVersion` is {version}, which has to be 2")));
        }
        if matches!(self, Self::Manifest(_)) && descriptors.len() > MAX_LAYERS {
            return Err(InvalidDocument(format!("it has more than {MAX_LAYERS} layers")));
        }
        let total = descriptors.iter().try_fold(0u64, |sum, descriptor| sum.checked_add(descriptor.size));
        match total.filter(|total| i64::try_from(*total).is_ok()) {
            Some(_) => Ok(()),
            None => Err(InvalidDocument("the sizes that it names are too large".to_owned())),
        }
    }
}

enum Kind {
    Manifest,
    Index,
}

/// Members that decide how a document is read.
const DECIDING: [&str; 9] = [
    "schemaVersion",
    "mediaType",
    "manifests",
    "config",
    "layers",
    "fsLayers",
    "signatures",
    "subject",
    "artifactType",
];

impl Kind {
    fn of(members: &BTreeMap<String, Option<String>>, content_type: &str) -> Result<Self, InvalidDocument> {
        let refuse = |why: String| Err(InvalidDocument(why));
        let has = |name: &str| members.contains_key(name);
        for name in members.keys() {
            let known = DECIDING.iter().find(|known| known.eq_ignore_ascii_case(name));
            if let Some(known) = known.filter(|known| **known != name) {
                return refuse(format!("its member `{name}` could be read as `{known}`"));
            }
        }
        let own = members.get("mediaType").cloned().flatten();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let schema_1 = |name: &str| name.starts_with("application/vnd.docker.distribution.manifest.v1+");
        if has("fsLayers") || has("signatures") || schema_1(essence) || own.as_deref().is_some_and(schema_1) {
            return refuse(
                "it is of Docker's schema 1, which has no digests of its content; push the image again with a tool of today"
                    .to_owned(),
            );
        }
        if has("manifests") && (has("config") || has("layers")) {
            return refuse("it is a manifest and an index at once".to_owned());
        }
        let known = |name: &str| media_type::is_manifest(name) || media_type::is_index(name);
        match own.as_deref() {
            Some(own) if !known(own) => return refuse(format!("its media type is `{own}`")),
            Some(own) if known(essence) && own != essence => {
                return refuse(format!("it says that it is `{own}`, and came as `{essence}`"));
            }
            _ => {}
        }
        let said = own.as_deref().or(Some(essence).filter(|essence| known(essence)));
        let kind = match (has("manifests"), has("config") && has("layers")) {
            (true, _) => Self::Index,
            (_, true) => Self::Manifest,
            _ => return refuse("it is neither a manifest nor an index".to_owned()),
        };
        match (&kind, said) {
            (Self::Manifest, Some(said)) if !media_type::is_manifest(said) => {
                refuse(format!("it has the members of a manifest, and says that it is `{said}`"))
            }
            (Self::Index, Some(said)) if !media_type::is_index(said) => {
                refuse(format!("it has the members of an index, and says that it is `{said}`"))
            }
            _ => Ok(kind),
        }
    }
}

/// The names of an object's members, and those of their values that are texts. A name may come once.
struct Members(BTreeMap<String, Option<String>>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let text = map.next_value::<TextOrOther>()?.0;
                    if members.contains_key(&name) {
                        return Err(serde::de::Error::custom(format_args!(
                            "the member `{name}` is there twice"
                        )));
                    }
                    members.insert(name, text);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A text; anything else is read over.
struct TextOrOther(Option<String>);

impl<'de> Deserialize<'de> for TextOrOther {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Other(serde::de::IgnoredAny),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Text(text) => Some(text),
            Either::Other(_) => None,
        }))
    }
}

fn malformed(error: serde_json::Error) -> InvalidDocument {
    InvalidDocument(error.to_string())
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDocument(pub(super) String);

impl fmt::Display for InvalidDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidDocument {}

#[cfg(test)]
mod tests;
