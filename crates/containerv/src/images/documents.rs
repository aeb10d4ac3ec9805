//! Reading documents of images, with the library's errors.

use containerv_spec::image::document::InvalidDocument;
use containerv_spec::image::{Digest, Document, ImageConfig, Manifest};

use crate::{Error, ErrorKind, Result};

/// Reads a manifest or an index.
pub(crate) fn document(bytes: &[u8], media_type: &str, digest: &Digest) -> Result<Document> {
    Document::parse(bytes, media_type).map_err(|error| invalid("document", digest, &error))
}

/// Reads a manifest that has to be one.
pub(crate) fn manifest(bytes: &[u8], media_type: &str, digest: &Digest) -> Result<Manifest> {
    match document(bytes, media_type, digest)? {
        Document::Manifest(manifest) => Ok(*manifest),
        Document::Index(_) => {
            let message = format!("the document {digest} is an index in another index");
            Err(Error::new(ErrorKind::Unsupported, message).with_hint("pull one of its images by digest"))
        }
    }
}

/// Reads a configuration.
pub(crate) fn config(bytes: &[u8], digest: &Digest) -> Result<ImageConfig> {
    ImageConfig::parse(bytes).map_err(|error| invalid("configuration", digest, &error))
}

fn invalid(what: &str, digest: &Digest, error: &InvalidDocument) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the image's {what} {digest}: {error}"))
        .with_hint("the image is not one that can be used here; ask whoever made it")
}
