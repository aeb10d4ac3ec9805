//! A large tree out of a container and in again.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Debian, utf8};

/// Lists what is compared, in a shell. How large a directory is, and how many links it has, is the file
/// system's business.
const LIST: &str =
    "find . -type d -printf '%p %y %m %U %G %T@\\n' -o -printf '%p %y %m %U %G %T@ %n %s %l\\n' | sort";

#[test]
fn a_large_tree_goes_out_and_in_again() {
    let Some(debian) = Debian::of_root() else { return };
    // In memory: the end of an overlay on a disk is not told before all of it has been written there.
    debian.background("box", &["--overlay", "memory"]);
    let out = debian.bed.path("out");
    debian.cv(&["cp", "-aq", "box:/usr", utf8(&out)]);
    let (original, copy) = (entries(&debian.tree.join("usr")), entries(&out));
    assert!(original.len() > 5000, "{}", original.len());
    assert_same(&original, &copy);

    debian.cv(&["cp", "-aq", utf8(&out), "box:/srv/again"]);
    let script = format!(
        "diff -r --no-dereference /usr /srv/again && cd /usr && {LIST} > /tmp/1 && cd /srv/again && {LIST} > /tmp/2 \
         && diff /tmp/1 /tmp/2 && wc -l < /tmp/1"
    );
    let lines = debian.cv(&["exec", "box", "bash", "-c", &script]);
    assert_eq!(lines, original.len().to_string());

    debian.cv(&["rm", "-f", "box"]);
}

/// An entry of a tree: what is compared, and where its content is.
#[derive(Debug)]
struct Entry {
    facts: String,
    path: PathBuf,
    is_file: bool,
}

/// Every entry below a directory, and itself, by its path in there.
fn entries(top: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    let mut left = vec![top.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            // Some are root's alone.
            left.extend(fs::read_dir(&path).into_iter().flatten().map(|entry| entry.unwrap().path()));
        }
        let (facts, is_file) = (facts(&path, &metadata), metadata.is_file());
        found.insert(path.strip_prefix(top).unwrap().to_owned(), Entry { facts, path, is_file });
    }
    found
}

/// A line for each entry below a directory that may be looked at.
pub(crate) fn listing(top: &Path) -> Vec<String> {
    entries(top).iter().map(|(name, entry)| format!("{}: {}", name.display(), entry.facts)).collect()
}

fn facts(path: &Path, metadata: &Metadata) -> String {
    let target = fs::read_link(path).unwrap_or_default();
    let (size, links) = if metadata.is_dir() { (0, 0) } else { (metadata.len(), metadata.nlink()) };
    format!(
        "mode {:o}, owner {}:{}, size {size}, links {links}, time {}.{}, target {target:?}",
        metadata.mode(),
        metadata.uid(),
        metadata.gid(),
        metadata.mtime(),
        metadata.mtime_nsec()
    )
}

#[track_caller]
fn assert_same(original: &BTreeMap<PathBuf, Entry>, copy: &BTreeMap<PathBuf, Entry>) {
    let mut wrong = Vec::new();
    for (name, entry) in original {
        match copy.get(name) {
            None => wrong.push(format!("{}: missing", name.display())),
            Some(copied) if copied.facts != entry.facts => {
                wrong.push(format!("{}: {}, and the copy: {}", name.display(), entry.facts, copied.facts));
            }
            Some(copied)
                if entry.is_file && fs::read(&entry.path).unwrap() != fs::read(&copied.path).unwrap() =>
            {
                wrong.push(format!("{}: other content", name.display()));
            }
            Some(_) => {}
        }
    }
    wrong.extend(
        copy.keys()
            .filter(|name| !original.contains_key(*name))
            .map(|name| format!("{}: new", name.display())),
    );
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
