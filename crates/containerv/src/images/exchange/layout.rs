//! The index of an image layout.

use containerv_spec::image::document::media_type;
use containerv_spec::image::{Descriptor, Digest, Document, Reference};

use super::place::Place;
use super::{IMAGE_NAME, INDEX, MARKER, REF_NAME};
use crate::images::documents;
use crate::images::local::Content;
use crate::{Error, ErrorKind, Result};

/// One image of a layout.
pub(super) struct Found {
    pub(super) descriptor: Descriptor,
    /// The names that it has there.
    pub(super) names: Vec<Reference>,
}

/// Lists the images of a layout; `None` if it is none.
pub(super) fn images(place: &Place) -> Result<Option<Vec<Found>>> {
    let (Some(marker), Some(index)) = (place.find(MARKER), place.find(INDEX)) else { return Ok(None) };
    let marker: serde_json::Value = serde_json::from_slice(&marker.document()?).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("`{MARKER}` is damaged")).with_source(error)
    })?;
    let version = marker["imageLayoutVersion"].as_str().unwrap_or_default();
    if !version.starts_with("1.") {
        let message = format!("an image layout of version `{version}`");
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint("versions 1.* are known"));
    }
    let bytes = index.document()?;
    let document = documents::document(&bytes, media_type::OCI_INDEX, &Digest::of(&bytes))?;
    let Document::Index(index) = document else { return Ok(None) };
    let mut found: Vec<Found> = Vec::new();
    for descriptor in index.manifests {
        let known =
            media_type::is_manifest(&descriptor.media_type) || media_type::is_index(&descriptor.media_type);
        let attestation = descriptor.platform.as_ref().is_some_and(|platform| platform.os == "unknown");
        if !known || attestation {
            continue;
        }
        let name = name_of(&descriptor);
        match found.iter_mut().find(|other| other.descriptor.digest == descriptor.digest) {
            Some(other) => other.names.extend(name),
            None => found.push(Found { descriptor, names: name.into_iter().collect() }),
        }
    }
    Ok(Some(found))
}

/// The whole name of an image; a tag alone is none.
fn name_of(descriptor: &Descriptor) -> Option<Reference> {
    let annotation = |key: &str| descriptor.annotations.get(key);
    let whole =
        annotation(IMAGE_NAME).or_else(|| annotation(REF_NAME).filter(|name| name.contains([':', '/'])));
    whole?.parse::<Reference>().ok().filter(|reference| reference.tag().is_some())
}

/// The file of a blob.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The content of a blob.
pub(super) fn blob(place: &Place, digest: &Digest) -> Option<Content> {
    place.find(&blob_name(digest))
}
