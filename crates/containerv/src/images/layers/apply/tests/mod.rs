//! Layers that are unpacked beside files that must not change.

mod hostile;
mod results;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use tar::EntryType;

use super::*;
use crate::backend::linux::transfer::tests::hostile::{Raw, pack};
use crate::backend::linux::transfer::tests::{Scratch, describe, fingerprint};
use crate::images::layers::decode::Compression;
use crate::images::layers::{Limits, Unpacked, unpack};

/// Layers of one test, the lowest first, and canaries beside them.
struct Bed {
    scratch: Scratch,
    /// The topmost first.
    layers: Vec<PathBuf>,
    outside: BTreeMap<Vec<u8>, String>,
    made: usize,
}

impl Bed {
    fn new() -> Self {
        let scratch = Scratch::quick("layers");
        for name in ["canary/file", "canary/deep/file", "file"] {
            scratch.file(name, b"canary");
        }
        let mut bed = Self { scratch, layers: Vec::new(), outside: BTreeMap::new(), made: 0 };
        bed.outside = bed.outside_now();
        bed
    }

    fn outside_now(&self) -> BTreeMap<Vec<u8>, String> {
        let mut found = fingerprint(&self.scratch.path("canary"));
        found.insert(b"../file".to_vec(), describe(&self.scratch.path("file")));
        found
    }

    /// Unpacks an archive on top of the layers so far, which it joins.
    fn add(&mut self, archive: &[u8]) -> Result<Unpacked> {
        self.add_within(archive, Limits::default())
    }

    fn add_within(&mut self, archive: &[u8], limits: Limits) -> Result<Unpacked> {
        self.made += 1;
        let path = self.scratch.dir(&format!("layer-{}", self.made));
        let below: Vec<_> = self.layers.iter().map(|layer| (layer.clone(), fingerprint(layer))).collect();
        let unpacked = self.unpack(archive, &path, limits);
        for (layer, before) in below {
            assert_eq!(fingerprint(&layer), before, "a layer below was changed");
        }
        assert_eq!(self.outside_now(), self.outside, "something outside was changed: {unpacked:?}");
        match &unpacked {
            Ok(_) => self.layers.insert(0, path),
            Err(_) => {
                assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "something was left");
                fs::remove_dir(path).unwrap();
            }
        }
        unpacked
    }

    fn unpack(&self, archive: &[u8], path: &std::path::Path, limits: Limits) -> Result<Unpacked> {
        let target = fs::File::open(path).unwrap();
        unpack(
            archive,
            Some(Compression::None),
            target.as_fd(),
            Parents::at(&self.layers),
            limits,
            None,
            None,
        )
    }

    /// A path in the topmost layer.
    fn at(&self, below: &str) -> PathBuf {
        self.layers[0].join(below)
    }

    /// The name, and for what overlayfs reads its mark, of each entry of the topmost layer.
    fn listing(&self) -> Vec<String> {
        let mut found = Vec::new();
        for path in fingerprint(&self.layers[0]).into_keys().filter(|path| !path.is_empty()) {
            let path = OsText::from_bytes(path);
            let whole = self.at(path.to_str().unwrap());
            let node = Node::at(rustix::fs::CWD, &whole).unwrap();
            let opened = rustix::fs::open(&whole, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).unwrap();
            let mark = match node.kind {
                _ if is_whiteout(&node) => " removed",
                FileType::Directory if below::is_opaque(&opened).unwrap() => "/ opaque",
                FileType::Directory => "/",
                FileType::Symlink => " ->",
                _ => "",
            };
            found.push(format!("{path}{mark}"));
        }
        found
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.outside_now(), self.outside);
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn directory(name: &str) -> Raw {
    Raw::new(EntryType::Directory, name.as_bytes(), b"")
}

fn symlink(name: &str, target: &str) -> Raw {
    Raw::new(EntryType::Symlink, name.as_bytes(), target.as_bytes())
}

fn link(name: &str, target: &str) -> Raw {
    Raw::new(EntryType::Link, name.as_bytes(), target.as_bytes())
}

fn file(name: &str) -> Raw {
    Raw::file(name)
}
