//! What a container changed, from its writable layer in transport format.
//!
//! `ExportLayer` writes what the layer holds into `Files` of a folder, and what is gone into
//! `tombstones.txt`. A directory has a companion file with its attributes.

use std::collections::BTreeMap;

use containerv_spec::OsText;

use crate::copy::{Change, ChangeKind};

/// What the companion of a directory is called behind the directory's name.
pub(crate) const COMPANION: &str = ".$wcidirs$";
/// The largest list of what is gone, in bytes.
pub(crate) const MOST_TOMBSTONES: u64 = 64 << 20;

/// Changes by path from the root, with backslashes.
#[derive(Debug, Default)]
pub(crate) struct Changes(BTreeMap<String, ChangeKind>);

impl Changes {
    pub(crate) fn add(&mut self, path: String, kind: ChangeKind) {
        self.0.insert(path, kind);
    }

    /// All changes, sorted by path. A directory above a change counts as modified, as with `docker diff`.
    pub(crate) fn finish(mut self) -> Vec<Change> {
        for mut path in self.0.keys().cloned().collect::<Vec<_>>() {
            while let Some(cut) = path.rfind('\\') {
                path.truncate(cut);
                if self.0.contains_key(&path) {
                    break;
                }
                self.0.insert(path.clone(), ChangeKind::Modified);
            }
        }
        let absolute = |path: &str| OsText::from(format!("C:\\{path}"));
        self.0.iter().map(|(path, kind)| Change { path: absolute(path), kind: *kind }).collect()
    }
}

/// Reads the list of what is gone: paths below `Files`.
///
/// # Errors
///
/// It is of another version, or no list, or too large; in words.
pub(crate) fn tombstones(content: &[u8]) -> Result<Vec<String>, String> {
    if content.len() as u64 > MOST_TOMBSTONES {
        return Err(format!("it has more than {MOST_TOMBSTONES} bytes"));
    }
    let text = std::str::from_utf8(content).map_err(|_| "it is not UTF-8")?;
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    match lines.next() {
        Some("Version 1.0") => {}
        first => return Err(format!("its first line is `{}`", first.unwrap_or_default().escape_debug())),
    }
    let paths = lines.map(|line| line.trim_matches('\\')).filter(|line| !line.is_empty());
    Ok(paths.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_a_change_is_modified() {
        let mut changes = Changes::default();
        changes.add("data\\new".into(), ChangeKind::Added);
        changes.add("data\\new\\file".into(), ChangeKind::Added);
        changes.add("Windows\\Temp\\x".into(), ChangeKind::Deleted);
        let told: Vec<String> = changes.finish().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "C C:\\Windows",
                "C C:\\Windows\\Temp",
                "D C:\\Windows\\Temp\\x",
                "C C:\\data",
                "A C:\\data\\new",
                "A C:\\data\\new\\file"
            ]
        );
    }

    #[test]
    fn tombstones_are_read() {
        let list = "\u{feff}Version 1.0\r\n\\Users\\a\r\n\\b c\\d\r\n\r\n";
        assert_eq!(tombstones(list.as_bytes()).unwrap(), ["Users\\a", "b c\\d"]);
        assert_eq!(tombstones(b"Version 1.0").unwrap(), Vec::<String>::new());
        for bad in [&b""[..], b"Version 2.0\n", b"\\a\n", b"Version 1.0\n\xff"] {
            assert!(tombstones(bad).is_err());
        }
    }
}
