//! Transfers between real directories; one of them stands for a container's root.

mod archives;
pub(crate) mod hostile;
mod layers;
mod race;
mod rules;
mod trees;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags};

use super::*;

/// A directory of one test, removed at its end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        Self::below(&std::env::temp_dir(), name)
    }

    /// Makes one in memory where the machine has that: for tests that make very many entries.
    pub(crate) fn quick(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::below(memory, name) } else { Self::new(name) }
    }

    fn below(parent: &Path, name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("containerv-{name}-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        if below.is_empty() { self.0.clone() } else { self.0.join(below) }
    }

    pub(crate) fn dir(&self, below: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn file(&self, below: &str, content: &[u8]) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A root whose ids are those of the host, or whose only user is the caller if that is not root.
pub(crate) struct Opened(OwnedFd, Vec<IdRange>, Vec<IdRange>);

impl Opened {
    pub(crate) fn at(path: &Path) -> Self {
        let mapping = |outside: u32| match outside {
            0 => Vec::new(),
            _ => vec![IdRange { inside: 0, outside, count: 1 }],
        };
        let directory = rustix::fs::open(path, LOOK, Mode::empty()).unwrap();
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Self(directory, mapping(uid.as_raw()), mapping(gid.as_raw()))
    }

    pub(crate) fn root(&self) -> Root<'_> {
        Root { directory: self.0.as_fd(), uids: &self.1, gids: &self.2 }
    }
}

/// Keeps all that the caller may keep.
pub(crate) fn archive() -> CopyOptions {
    let is_root = rustix::process::geteuid().is_root();
    CopyOptions { keep_owner: is_root, devices: is_root, ..CopyOptions::default() }
}

pub(crate) fn text(text: &str) -> OsText {
    OsText::from(text)
}

/// Says why the rest of a test cannot run, where it needs root.
pub(crate) fn not_root() -> bool {
    let missing = !rustix::process::geteuid().is_root();
    if missing {
        println!("skipped: needs root");
    }
    missing
}

pub(crate) fn run(program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) {
    let mut command = Command::new(program);
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn set_attribute(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn attributes_of(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0u8; 65536];
    let count = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut found = Vec::new();
    for name in names[..count].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0u8; 65536];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        found.push((String::from_utf8_lossy(name).into_owned(), value[..length].to_vec()));
    }
    found.sort();
    found
}

/// Everything that a faithful copy of a tree keeps, by path.
pub(crate) fn fingerprint(top: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    let mut first_names = HashMap::new();
    let mut pending = vec![top.to_path_buf()];
    while let Some(path) = pending.pop() {
        let below = path.strip_prefix(top).unwrap().as_os_str().as_bytes().to_vec();
        found.insert(below, describe(&path));
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    let mut groups = Vec::new();
    for below in found.keys() {
        let metadata = fs::symlink_metadata(top.join(std::ffi::OsStr::from_bytes(below))).unwrap();
        if !metadata.is_dir() && metadata.nlink() > 1 {
            let first = first_names.entry(metadata.ino()).or_insert_with(|| below.clone()).clone();
            groups.push((below.clone(), first));
        }
    }
    for (below, first) in groups {
        let line = found.get_mut(&below).unwrap();
        line.push_str(&format!(" same as {}", OsText::from_bytes(first)));
    }
    found
}

pub(crate) fn describe(path: &Path) -> String {
    let metadata = fs::symlink_metadata(path).unwrap();
    let kind = FileType::from_raw_mode(metadata.mode());
    let content = match kind {
        FileType::RegularFile => {
            let mut hasher = DefaultHasher::new();
            fs::read(path).unwrap().hash(&mut hasher);
            // Half of an allocation more or less is the file system's business.
            let sparse = metadata.blocks() * 512 + (1 << 16) < metadata.len();
            format!("{} bytes {:x} sparse {sparse}", metadata.len(), hasher.finish())
        }
        FileType::Symlink => format!("-> {:?}", fs::read_link(path).unwrap()),
        _ => format!("device {}", metadata.rdev()),
    };
    let times = (metadata.mtime(), metadata.mtime_nsec());
    let (mode, owner) = (metadata.mode(), (metadata.uid(), metadata.gid()));
    format!("{mode:o} {owner:?} {times:?} {content} {:?}", attributes_of(path))
}

/// A tree with one of everything.
pub(crate) fn varied_tree(scratch: &Scratch, below: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let top = scratch.dir(below);
    let at = |name: &str| format!("{below}/{name}");
    scratch.file(&at("empty"), b"");
    let script = scratch.file(&at("bin/script"), b"#!/bin/sh\n");
    let mut large = Vec::new();
    for number in 0..700_000u32 {
        large.extend_from_slice(&number.to_le_bytes());
    }
    scratch.file(&at("bin/large"), &large);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o6755)).unwrap();
    fs::hard_link(&script, top.join("bin/same")).unwrap();
    fs::hard_link(&script, scratch.dir(&at("a/b/c")).join("same")).unwrap();
    for (name, target) in [("relative", "bin/script"), ("absolute", "/etc/passwd"), ("dangling", "no/where")]
    {
        std::os::unix::fs::symlink(target, top.join(name)).unwrap();
    }
    let odd = std::ffi::OsString::from_vec(b"odd \xff\n name".to_vec());
    fs::write(top.join(&odd), b"odd").unwrap();
    rustix::fs::mknodat(CWD, top.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    sparse_file(&top.join("sparse"));
    set_attribute(&script, "user.note", b"kept\0too");
    set_attribute(&top.join("a"), "user.directory", b"yes");
    fs::set_permissions(top.join("a/b"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(top.join("bin/large"), fs::Permissions::from_mode(0o400)).unwrap();
    for (name, seconds) in [("bin/script", 1_000_000_001), ("a/b", 12), ("empty", -5), ("bin", 1_600_000_000)]
    {
        stamp(&top.join(name), seconds);
    }
    top
}

/// Adds what only root can make.
pub(crate) fn add_what_root_makes(top: &Path) {
    let device = rustix::fs::makedev(1, 3);
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(CWD, top.join("null"), FileType::CharacterDevice, mode, device).unwrap();
    let able = top.join("able");
    fs::write(&able, b"program").unwrap();
    std::os::unix::fs::lchown(&able, Some(0), Some(44)).unwrap();
    // cap_net_bind_service+ep in version 2 of struct vfs_cap_data, linux/capability.h.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set_attribute(&able, "security.capability", &capability);
    std::os::unix::fs::lchown(top.join("a"), Some(1234), Some(5678)).unwrap();
    std::os::unix::fs::lchown(top.join("relative"), Some(99), Some(98)).unwrap();
    std::os::unix::fs::lchown(top.join("bin/large"), Some(4_000_000_000), Some(7)).unwrap();
}

pub(crate) fn sparse_file(path: &Path) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::create(path).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(b"begin", 3 << 20).unwrap();
    file.write_all_at(&vec![7; 300_000], 40 << 20).unwrap();
}

pub(crate) fn stamp(path: &Path, seconds: i64) {
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 123_456_789 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}
