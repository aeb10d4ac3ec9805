//! Transfers between real directories; one of them stands for a container's root.
//!
//! Wine has no reparse points: links are made and followed on Windows only, and the resolver is tested
//! with made-up trees on every system.

mod archives;
mod names;
mod trees;

use std::collections::BTreeMap;
use std::fs;
use std::os::windows::fs::MetadataExt;
use std::path::{Path, PathBuf};

use containerv_sys::windows::random;

use super::*;

/// A directory of one test, with a root below it, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("containerv-copy-{}", random::hex::<8>().unwrap()));
        fs::create_dir_all(path.join("root")).unwrap();
        Self(path)
    }

    fn path(&self, below: &str) -> PathBuf {
        if below.is_empty() { self.0.clone() } else { self.0.join(below) }
    }

    fn dir(&self, below: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn file(&self, below: &str, content: &[u8]) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn root(&self) -> Root {
        Root::open_at(&self.path("root"), Vec::new()).unwrap()
    }

    fn root_with(&self, mapped: &[(&str, &str)]) -> Root {
        let mapping = |(at, host): &(&str, &str)| {
            let names = crate::backend::hcs::transfer::path::parse(&(*at).into()).unwrap().names;
            Mapping { names, host: Some(scratch_path(&self.0, host)), read_only: host.ends_with(":ro") }
        };
        Root::open_at(&self.path("root"), mapped.iter().map(mapping).collect()).unwrap()
    }
}

/// Where something mapped is: `:ro` behind it says that it is read-only.
fn scratch_path(scratch: &Path, host: &str) -> PathBuf {
    scratch.join(host.trim_end_matches(":ro"))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn plain() -> CopyOptions {
    CopyOptions::default()
}

fn up(root: &Root, from: &Path, to: &str) -> Result<CopySummary> {
    upload(root, from, &to.into(), &plain())
}

fn down(root: &Root, from: &str, to: &Path) -> Result<CopySummary> {
    download(root, &from.into(), to, &plain())
}

/// Everything below a directory: content, times and attributes.
fn fingerprint(top: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec![top.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(top).unwrap().to_string_lossy().replace('\\', "/");
            let content = if metadata.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            let attributes = metadata.file_attributes() & (relative::READ_ONLY | 2);
            let what = (metadata.is_dir(), metadata.last_write_time(), attributes, content.len());
            let sum =
                content.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
            found.insert(name, format!("{what:?} {sum}"));
            if metadata.is_dir() {
                pending.push(path);
            }
        }
    }
    found
}

/// Gives a file or directory times long ago, and attributes.
fn mark(path: &Path, attributes: u32) {
    let access = Access::CHANGE;
    let file = relative::open_path(path, access).unwrap();
    let times = relative::Times {
        created: 132_000_000_000_000_000,
        accessed: 132_000_000_010_000_000,
        modified: 132_000_000_020_000_000,
    };
    relative::set_times(file.as_handle(), &times, attributes).unwrap();
}
