//! What is kept of a layer of a Windows image besides content: `entries.gz` of its folder.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use containerv::images::windows::{Unpacked, View, pack, summary, unpack};
use containerv_spec::image::digest::{Algorithm, Hasher};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::invariant;
use crate::scratch::Scratch;
use crate::windows_layer::plain;

/// The layer whose content is there.
const LAYER: &[u8] = include_bytes!("../seeds/windows_layer/base");

thread_local! {
    static CAGE: Cage = Cage::new();
}

/// What is written of a layer is what the entries say that it was, what is seen of it are plain names, and nothing is
/// written in its folder. The input is what the file has once it is decompressed, and once more the file itself.
pub fn target(data: &[u8]) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("memory is written");
    let compressed = encoder.finish().expect("memory is written");
    CAGE.with(|cage| {
        cage.take(&compressed);
        cage.take(data);
    });
}

struct Cage {
    _scratch: Scratch,
    below: PathBuf,
    layer: PathBuf,
    names: Vec<PathBuf>,
}

impl Cage {
    fn new() -> Self {
        let scratch = Scratch::new("windows-entries");
        let folder = |name: &str| {
            let path = scratch.path().join(name);
            fs::create_dir(&path).expect("a directory is made");
            unpack(LAYER, &path, true).expect("the layer is one");
            path
        };
        let (below, layer) = (folder("below"), folder("layer"));
        let mut cage = Self { _scratch: scratch, below, layer, names: Vec::new() };
        cage.names = cage.listed();
        cage
    }

    /// All names below the layer's folder.
    fn listed(&self) -> Vec<PathBuf> {
        let mut names = Vec::new();
        let mut pending = vec![self.layer.clone()];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(directory).expect("a directory is listed").flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    pending.push(entry.path());
                }
                names.push(entry.path());
            }
        }
        names.sort();
        names
    }

    fn take(&self, entries: &[u8]) {
        fs::write(self.layer.join("entries.gz"), entries).expect("a file is written");
        let mut written = Sum { hasher: Hasher::new(Algorithm::Sha256), size: 0 };
        match pack(&self.layer, &mut written) {
            Ok(packed) => {
                assert_eq!(packed, Unpacked { diff_id: written.hasher.finish(), size: written.size });
            }
            Err(error) => invariant::error(&error),
        }
        if let Err(error) = summary(&self.layer) {
            invariant::error(&error);
        }
        self.look(std::slice::from_ref(&self.layer));
        self.look(&[self.below.clone(), self.layer.clone()]);
        assert_eq!(self.listed(), self.names);
    }

    fn look(&self, folders: &[PathBuf]) {
        match View::of(folders) {
            Ok(view) => view.entries().for_each(|entry| {
                plain(&entry.path);
                if let Err(error) = view.read(entry, io::sink()) {
                    invariant::error(&error);
                }
            }),
            Err(error) => invariant::error(&error),
        }
    }
}

/// Counts and hashes what it is given.
struct Sum {
    hasher: Hasher,
    size: u64,
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
