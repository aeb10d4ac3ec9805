//! Manifests, indexes and configurations of images.

use containerv_spec::image::document::MAX_LAYERS;
use containerv_spec::image::{Document, ImageConfig, document::media_type};
use serde_json::Value;

/// A document that is read is of one kind, whoever reads it, and keeps what is not known of it.
pub fn target(data: &[u8]) {
    let (content_type, bytes) = data.iter().position(|byte| *byte == b'\n').map_or((&b""[..], data), |end| {
        (&data[..end], &data[end + 1..])
    });
    let content_type = String::from_utf8_lossy(content_type);
    match Document::parse(bytes, &content_type) {
        Ok(document) => {
            let value: Value = serde_json::from_slice(bytes).expect("what is read is JSON");
            let index = matches!(document, Document::Index(_));
            assert_eq!(value.get("manifests").is_some(), index);
            assert_eq!(value.get("layers").is_some(), !index);
            assert_eq!(value["schemaVersion"], 2);
            let kind = document.media_type();
            assert!(if index { media_type::is_index(kind) } else { media_type::is_manifest(kind) }, "{kind}");
            if let Document::Manifest(manifest) = &document {
                assert!(manifest.layers.len() <= MAX_LAYERS);
                let again = serde_json::to_vec(manifest).expect("it can be written");
                assert_eq!(Document::parse(&again, kind).as_ref(), Ok(&document));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(config) = ImageConfig::parse(bytes) {
        let again = serde_json::to_vec(&config).expect("it can be written");
        assert_eq!(ImageConfig::parse(&again).as_ref(), Ok(&config));
    }
}
