//! What copies for Windows read: paths in a container, links, records of archives, lists of layers.

use containerv::fuzzing::windows_files::{
    base_64, container_path, is_plain_name, link_text, reparse_data, tombstones,
};

/// What is read as a path or link leads through plain names alone; what is written is read the same.
pub fn target(data: &[u8]) {
    if let Some((names, asks_directory, content)) = container_path(data) {
        names.iter().for_each(|name| plain(name));
        assert!(asks_directory || !content);
        assert!(content || !names.is_empty());
        let whole: Vec<String> = names.iter().map(|name| String::from_utf16_lossy(name)).collect();
        let again = container_path(format!("C:\\{}", whole.join("\\")).as_bytes());
        assert_eq!(again.map(|again| again.0), Some(names));
    }
    if let Some((written, names)) = reparse_data(data) {
        names.iter().for_each(|name| plain(name));
        if let Some(written) = written {
            assert_eq!(reparse_data(&written), Some((Some(written.clone()), names)));
        }
    }
    for junction in [false, true] {
        if let Some((names, text)) = link_text(data, junction) {
            names.iter().for_each(|name| plain(name));
            let text = text.expect("a link of an archive can be written to one");
            assert_eq!(link_text(text.as_bytes(), junction), Some((names, Some(text))));
        }
    }
    if let Some(text) = base_64(data) {
        // What is left over in the last digit is not looked at.
        assert_eq!(text.len(), data.len());
        assert_eq!(base_64(text.as_bytes()), Some(text));
    }
    for path in tombstones(data).unwrap_or_default() {
        assert!(!path.is_empty() && !path.starts_with('\\'));
    }
}

/// A single name, that Windows reads as nothing else.
fn plain(name: &[u16]) {
    assert!(is_plain_name(name));
    let text = String::from_utf16_lossy(name);
    assert!(!text.is_empty() && text != "." && text != "..");
    assert!(!text.contains(['\\', '/', ':', '\0', '*', '?']) && !text.ends_with(['.', ' ']), "{text:?}");
}
