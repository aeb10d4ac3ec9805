//! References and platforms of images.

use containerv_spec::image::{Platform, Reference};

/// What is read is shown in a long and a short form that mean the same, and leads nowhere else than to a repository.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Reference>() {
        Ok(reference) => {
            assert_eq!(reference.to_string().parse().as_ref(), Ok(&reference), "{text}");
            assert_eq!(reference.familiar().parse().as_ref(), Ok(&reference), "{text}");
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
            assert!(reference.repository().chars().all(plain), "{text}");
            assert!(reference.repository().split('/').all(|part| !part.is_empty() && part != ".."), "{text}");
            assert!(reference.tag().is_some() || reference.digest().is_some(), "{text}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse(), Ok(platform), "{text}");
    }
}
