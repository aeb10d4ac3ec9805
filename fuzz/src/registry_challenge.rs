//! What registries ask for, and what authorization servers answer.

use containerv::fuzzing::registries::{challenges, join, token};

/// Challenges are bounded, a token fits into a header, and an answer leads to a web server or nowhere.
pub fn target(data: &[u8]) {
    if let Ok(token) = token(data) {
        assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found = challenges(text);
    assert!(found.len() <= 32);
    for (scheme, parameters) in &found {
        assert!(!scheme.is_empty() && parameters.len() <= 32);
        assert!(parameters.iter().all(|(name, _)| !name.is_empty() && text.to_ascii_lowercase().contains(name)));
    }
    if let Some(url) = join("https://registry.example:5000/v2/a/blobs/uploads/", text) {
        assert!(url.starts_with("https://") || url.starts_with("http://"), "{url}");
        assert!(!url.contains(['\r', '\n', ' ', '@']) || url.split('/').nth(2).is_some_and(|host| !host.contains('@')));
        assert_eq!(join(&url, &url).as_deref(), Some(&*url), "what it leads to leads to itself");
    }
}
