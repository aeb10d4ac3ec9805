//! Identifiers and names of containers.

use std::path::{Component, Path};

use containerv_spec::ContainerId;
use containerv_spec::id::is_valid_name;

use crate::invariant::{document, written};

/// An identifier is 64 digits and nothing else; a name is one component of a path.
pub fn target(data: &[u8]) {
    if let Some(bytes) = data.first_chunk() {
        let id = ContainerId::from_random(*bytes);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        written(&id);
    }
    if let Some(id) = document::<ContainerId>(data) {
        assert_eq!(id.as_str().len(), 64);
    }
    let text = String::from_utf8_lossy(data);
    let digits = text.len() == 64 && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    assert_eq!(text.parse::<ContainerId>().is_ok(), digits, "{text}");
    if is_valid_name(&text) {
        let components: Vec<Component<'_>> = Path::new(&*text).components().collect();
        assert_eq!(components, [Component::Normal(text.as_ref().as_ref())]);
        assert!(text.is_ascii() && !text.contains(|c: char| c.is_ascii_control() || c == ' '));
        assert!(!text.starts_with(['-', '.']) && (2..=128).contains(&text.len()));
    }
}
