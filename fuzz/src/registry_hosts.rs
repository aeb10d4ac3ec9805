//! `hosts.toml`.

use containerv::fuzzing::registries::hosts;

/// The registry's own server comes last, and others have an address.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match hosts(text) {
        Ok(urls) => {
            let (_, mirrors) = urls.split_last().expect("there is always one");
            assert!(mirrors.len() < 32 && mirrors.iter().all(Option::is_some));
        }
        Err(why) => assert!(!text.is_empty(), "{why}"),
    }
}
