//! Everything that a tree has, as text.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

/// Lines by path. Times of directories that an archive does not name are nobody's, so `untimed` names those.
pub(crate) fn listing(top: &Path, untimed: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec![top.to_owned()];
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(path) = pending.pop() {
        let below = path.strip_prefix(top).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.nlink() > 1 {
            names.insert(below.clone(), metadata.ino());
        }
        let timed = !untimed.contains(&below.as_str());
        found.insert(below, line(&path, &metadata, timed));
    }
    let mut groups: HashMap<u64, Vec<String>> = HashMap::new();
    for (below, inode) in names {
        groups.entry(inode).or_default().push(below);
    }
    // Further names may be those of a layer that others hide.
    for group in groups.values().filter(|group| group.len() > 1) {
        for below in group {
            found.get_mut(below).unwrap().push_str(&format!(" same as {}", group[0]));
        }
    }
    found
}

fn line(path: &PathBuf, metadata: &fs::Metadata, timed: bool) -> String {
    let content = match FileType::from_raw_mode(metadata.mode()) {
        FileType::RegularFile => {
            let mut hasher = DefaultHasher::new();
            fs::read(path).unwrap().hash(&mut hasher);
            format!("{} bytes {:x}", metadata.len(), hasher.finish())
        }
        FileType::Symlink => format!("-> {:?}", fs::read_link(path).unwrap()),
        FileType::CharacterDevice | FileType::BlockDevice => format!("device {}", metadata.rdev()),
        _ => String::new(),
    };
    let time =
        if timed { format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec()) } else { "any time".into() };
    let (mode, uid, gid) = (metadata.mode(), metadata.uid(), metadata.gid());
    format!("{mode:o} {uid}:{gid} {time} {content}{}", attributes(path))
}

/// Attributes that layers carry; the rest is of the file system or of the machine.
fn attributes(path: &Path) -> String {
    let mut names = vec![0u8; 65536];
    let count = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut found: Vec<String> = Vec::new();
    for name in names[..count].split(|&byte| byte == 0) {
        let wanted = name == b"security.capability" || name.starts_with(b"user.");
        // umoci's own note for ordinary users.
        if wanted && !name.starts_with(b"user.rootlesscontainers") && !name.starts_with(b"user.overlay.") {
            let mut value = vec![0u8; 65536];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            found.push(format!(" {}={}", name.escape_ascii(), value[..length].escape_ascii()));
        }
    }
    found.sort();
    found.concat()
}
