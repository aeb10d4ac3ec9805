//! Layers that are unpacked and packed again.

use std::fs;

use containerv_spec::image::Digest;
use proptest::prelude::*;

use super::super::{pack, unpack};
use super::{M, Scratch, archive, base, upper};
use crate::ErrorKind;

fn round(bytes: &[u8], base: bool) {
    let scratch = Scratch::new();
    let unpacked = unpack(bytes, &scratch.0, base).unwrap();
    assert_eq!(unpacked.size, bytes.len() as u64);
    assert_eq!(unpacked.diff_id, Digest::of(bytes));
    let mut again = Vec::new();
    assert_eq!(pack(&scratch.0, &mut again).unwrap(), unpacked);
    assert!(again == bytes, "{} bytes became {}", bytes.len(), again.len());
}

#[test]
fn layers_are_written_byte_for_byte_as_they_were_read() {
    round(&archive(&base()), true);
    round(&archive(&upper()), false);
    round(&archive(&[]), true);
}

#[test]
fn every_byte_that_is_no_content_is_kept() {
    let bytes = archive(&base());
    // No end, one that is cut short, one that is padded, and one with something behind it.
    let end = bytes.len() - 1024;
    round(&bytes[..end], true);
    round(&bytes[..end + 512], true);
    round(&[&bytes[..], &[0; 9000]].concat(), true);
    round(&[&bytes[..], b"something else"].concat(), true);
    // Padding that is not zeros.
    let members = [M::directory("Files"), M::file("Files/a", b"abc"), M::file("Files/b", b"abc")];
    let mut bytes = archive(&members);
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|&at| &bytes[at..at + 4] == b"abc\0").collect();
    assert_eq!(places.len(), 2);
    for at in places {
        bytes[at + 100] = b'x';
        round(&bytes, true);
    }
}

#[test]
fn the_folder_has_no_name_of_the_layer() {
    let scratch = Scratch::new();
    unpack(&archive(&base())[..], &scratch.0, true).unwrap();
    let mut files = Vec::new();
    let mut pending = vec![scratch.0.clone()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                pending.push(path)
            } else {
                files.push(entry.file_name().into_string().unwrap())
            }
        }
    }
    files.retain(|name| name != "entries.gz");
    let hexadecimal = |name: &String| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(files.iter().all(hexadecimal), "{files:?}");
    // `hello`, twice, and `regf` are there once each.
    assert_eq!(files.len(), 8, "{files:?}");
}

#[test]
fn damage_is_found() {
    let scratch = Scratch::new();
    unpack(&archive(&base())[..], &scratch.0, true).unwrap();
    let content = scratch.0.join("content");
    let first = fs::read_dir(&content).unwrap().flatten().next().unwrap().path();
    let file = fs::read_dir(first).unwrap().flatten().next().unwrap().path();
    let good = fs::read(&file).unwrap();
    for bad in [[&good[..], b"x"].concat(), good[1..].to_vec(), vec![b'?'; good.len()]] {
        fs::write(&file, bad).unwrap();
        assert_eq!(pack(&scratch.0, std::io::sink()).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(pack(&scratch.0, std::io::sink()).unwrap_err().kind(), ErrorKind::NotFound);
    fs::write(&file, good).unwrap();
    pack(&scratch.0, std::io::sink()).unwrap();
    let entries = scratch.0.join("entries.gz");
    let good = fs::read(&entries).unwrap();
    for end in [0, 10, good.len() / 2, good.len() - 1] {
        fs::write(&entries, &good[..end]).unwrap();
        assert_eq!(pack(&scratch.0, std::io::sink()).unwrap_err().kind(), ErrorKind::Corrupt, "{end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_archive_is_refused_or_comes_back(
        at in any::<prop::sample::Index>(), value in any::<u8>(), cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = archive(&upper());
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let scratch = Scratch::new();
        if let Ok(unpacked) = unpack(&bytes[..], &scratch.0, false) {
            let mut again = Vec::new();
            prop_assert_eq!(pack(&scratch.0, &mut again).unwrap(), unpacked);
            prop_assert!(again == bytes);
        }
    }
}
