//! Layers of images that are unpacked over others.

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use containerv::fuzzing::{remove_tree, unpack_layer};

use crate::archive::{mended, outside};
use crate::invariant;
use crate::scratch::Scratch;

/// Entries and bytes that a layer may have here.
const LIMITS: (u64, u64) = (20_000, 64 << 20);

thread_local! {
    static BED: RefCell<Bed> = RefCell::new(Bed::new());
}

/// Nothing outside of the layer changes, whatever the archive says, and of one that is refused nothing is
/// left. The archive is taken as it is, and once more with its checksums set right.
pub fn target(data: &[u8]) {
    BED.with_borrow(|bed| {
        bed.unpack(data);
        let mended = mended(data);
        if mended != data {
            bed.unpack(&mended);
        }
    });
}

/// Two layers, of which one hides parts of the other, with links that lead out of them.
struct Bed {
    scratch: Scratch,
    outside: Vec<String>,
}

impl Bed {
    fn new() -> Self {
        let scratch = Scratch::new("layer");
        let at = |below: &str| scratch.path().join("canary").join(below);
        for directory in ["deep", "low/dir/sub", "low/other", "high/dir"] {
            fs::create_dir_all(at(directory)).expect("directories are made");
        }
        for name in ["file", "deep/file", "low/file", "low/dir/file", "low/dir/sub/file", "high/dir/file"] {
            fs::write(at(name), b"canary").expect("files are made");
        }
        for layer in ["low", "high"] {
            symlink("../../canary", at(layer).join("out")).expect("links are made");
            symlink(scratch.path(), at(layer).join("absolute")).expect("links are made");
        }
        fs::write(scratch.path().join("file"), b"canary").expect("files are made");
        let outside = outside(scratch.path());
        Self { scratch, outside }
    }

    fn below(&self) -> [PathBuf; 2] {
        ["canary/high", "canary/low"].map(|name| self.scratch.path().join(name))
    }

    fn unpack(&self, archive: &[u8]) {
        let path = self.scratch.path().join("new");
        fs::create_dir(&path).expect("a directory is made");
        let target = File::open(&path).expect("the directory is opened");
        let below = self.below();
        let parents = if archive.len().is_multiple_of(3) { &below[..0] } else { &below[..] };
        if let Err(error) = unpack_layer(target.as_fd(), archive, parents, LIMITS) {
            invariant::error(&error);
            assert!(is_empty(&path), "something is left after {error}");
        }
        drop(target);
        let scratch = File::open(self.scratch.path()).expect("the directory is opened");
        if let Err(error) = remove_tree(scratch.as_fd(), &"new".into()) {
            panic!("{error}");
        }
        assert_eq!(outside(self.scratch.path()), self.outside);
    }
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).expect("the directory is listed").next().is_none()
}
