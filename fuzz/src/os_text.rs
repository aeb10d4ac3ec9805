//! Text that need not be UTF-8.

use containerv_spec::OsText;

use crate::invariant::{document, harmless, written};

/// Any bytes without NUL survive JSON; what is shown does not steer a terminal; paths are joined
/// with one slash.
pub fn target(data: &[u8]) {
    if let Some(text) = document::<OsText>(data) {
        assert!(!text.contains_nul());
    }
    let text = OsText::from_bytes(data);
    harmless(&text.to_string());
    if text.contains_nul() {
        let json = serde_json::to_string(&text).expect("text is written");
        assert!(serde_json::from_str::<OsText>(&json).is_err(), "NUL is refused when read");
        return;
    }
    written(&text);
    let (path, name) = data.split_at(data.len() / 2);
    joined(path, name);
}

fn joined(path: &[u8], name: &[u8]) {
    let joined = OsText::from_bytes(path).join(name);
    let (path, name) = (path.strip_suffix(b"/").unwrap_or(path), name.strip_prefix(b"/").unwrap_or(name));
    assert_eq!(joined.as_bytes(), [path, b"/", name].concat());
}
