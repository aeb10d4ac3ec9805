//! Paths of Windows: what is confined stays inside, by a model of how Windows reads a path.

use containerv_spec::hcs::path::{confined, in_container, on_host, pipe_name};

/// A confined path names, below any directory, what its text says, and nothing else.
pub fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(path) = confined(&text) {
        assert_eq!(confined(&path).as_ref(), Ok(&path), "{text:?}");
        assert_eq!(as_windows_reads(&format!(r"C:\root\{text}")), format!(r"C:\root\{path}"), "{text:?}");
        assert_eq!(in_container(&format!(r"c:\{path}")), Ok(format!(r"C:\{path}")));
        for component in path.split('\\') {
            // Only one file has this name: no stream, no device, no dropped end.
            let base = component.split('.').next().unwrap_or_default().trim_end().to_lowercase();
            assert!(!["con", "nul", "aux", "prn", "com1", "lpt1"].contains(&base.as_str()), "{text:?}");
            assert!(!component.contains([':', '/', '\0', '*', '?']), "{text:?}");
        }
    }
    if let Ok(path) = in_container(&text) {
        assert_eq!(as_windows_reads(&text).trim_end_matches('\\'), path.trim_end_matches('\\'), "{text:?}");
        assert_eq!(in_container(&path).as_ref(), Ok(&path));
    }
    if let Ok(path) = on_host(&text) {
        assert_eq!(on_host(&path).as_ref(), Ok(&path));
        assert!(!path.split('\\').any(|component| component == ".."), "{text:?}");
        assert!(path.starts_with(r"\\") || path[1..].starts_with(r":\"), "{text:?}");
    }
    if let Some(name) = pipe_name(&text) {
        assert_eq!(pipe_name(&format!(r"\\.\pipe\{name}")), Some(name));
    }
}

/// What Windows makes of an absolute path: separators are one, dots and blanks at the end of a component
/// are dropped, `..` climbs.
fn as_windows_reads(path: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    for component in path.split(['\\', '/']) {
        match component {
            "" | "." => {}
            ".." => _ = components.pop(),
            other => components.push(other.trim_end_matches(['.', ' '])),
        }
    }
    let whole = components.join("\\");
    let (drive, rest) = whole.split_at(whole.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}", drive.to_uppercase())
}
