//! A root that consists of an image's layers.

use serde::{Deserialize, Serialize};

use crate::OsText;
use crate::image::Digest;
use crate::image::config::Healthcheck;

/// Layers of an image, unpacked into folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layers {
    /// Absolute paths of the folders, the topmost first, the base layer last.
    pub folders: Vec<OsText>,
    /// Version of Windows that the base layer is of, as an image has it: `10.0.20348.2527`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// The image that they are of, if it is one of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Box<ImageName>>,
}

/// What a container keeps of its image. Nothing of it steers anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageName {
    /// The reference that it was asked for by, as people write it: `debian:bookworm`.
    pub reference: String,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Its ID: the digest of its configuration.
    pub id: Digest,
    /// How many words of the container's command are its entrypoint.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entrypoint_words: usize,
    /// Ports that it says it listens on: `80/tcp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposed_ports: Vec<String>,
    /// How it says it is found to be well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
