//! Layers as Windows exports them: folders in transport format.

use std::fs;
use std::path::{Path, PathBuf};

use containerv::fuzzing::windows_exported::write;
use containerv::images::windows::{View, summary, unpack};

use crate::invariant;
use crate::scratch::Scratch;
use crate::windows_layer::plain;

/// The layer below.
const BELOW: &[u8] = include_bytes!("../seeds/windows_layer/base");

/// What a line that begins a part of the input says, and which file the part is.
const PLACES: [(&str, &str); 5] = [
    ("== top", "Files.$wcidirs$"),
    ("== directory", "Files/directory.$wcidirs$"),
    ("== below", "Files/directory/below"),
    ("== gone", "tombstones.txt"),
    ("== hive", "Hives/System_Delta"),
];
/// `FILE_ATTRIBUTE_DIRECTORY`, which is all that the companion of a directory needs.
const DIRECTORY: [u8; 4] = [0x10, 0, 0, 0];

thread_local! {
    static CAGE: Scratch = Scratch::new("windows-exported");
}

/// What is written of a folder is taken as a layer, with as many files and links, and what is seen of it are plain names.
pub fn target(data: &[u8]) {
    CAGE.with(|cage| {
        let folder = fresh(cage, "exported");
        make(&folder, data);
        let mut archive = Vec::new();
        let written = match write(&folder, &mut archive) {
            Ok(written) => written,
            Err(error) => return invariant::error(&error),
        };
        let layer = fresh(cage, "layer");
        if let Err(error) = unpack(&archive[..], &layer, false) {
            panic!("what was written is taken: {error}");
        }
        let found = summary(&layer).expect("a layer that was taken is read");
        assert_eq!((found.files, found.links), (written.files, written.symlinks));
        let view = View::of(&[below(cage), layer]).expect("the layer is put on another");
        view.entries().for_each(|entry| plain(&entry.path));
    });
}

fn fresh(cage: &Scratch, name: &str) -> PathBuf {
    let path = cage.path().join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir(&path).expect("a directory is made");
    path
}

fn below(cage: &Scratch) -> PathBuf {
    let path = cage.path().join("below");
    if !path.exists() {
        fs::create_dir(&path).expect("a directory is made");
        unpack(BELOW, &path, true).expect("the layer is one");
    }
    path
}

/// Makes the folder. What comes before the first part is the file `Files/file`.
fn make(folder: &Path, data: &[u8]) {
    fs::create_dir_all(folder.join("Files/directory")).expect("directories are made");
    for name in ["Files.$wcidirs$", "Files/directory.$wcidirs$"] {
        fs::write(folder.join(name), DIRECTORY).expect("files are made");
    }
    let (mut place, mut content) = ("Files/file", Vec::new());
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let word = std::str::from_utf8(line).unwrap_or_default().strip_suffix('\n');
        match PLACES.into_iter().find(|(mark, _)| Some(*mark) == word) {
            Some((_, next)) => {
                // The mark is on a line of its own.
                content.pop();
                put(folder, place, &content);
                (place, content) = (next, Vec::new());
            }
            None => content.extend_from_slice(line),
        }
    }
    put(folder, place, &content);
}

fn put(folder: &Path, place: &str, content: &[u8]) {
    if place.starts_with("Hives/") {
        fs::create_dir_all(folder.join("Hives")).expect("a directory is made");
    }
    if !content.is_empty() {
        fs::write(folder.join(place), content).expect("a file is made");
    }
}
