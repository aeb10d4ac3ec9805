use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::windows::io::AsHandle;
use std::path::PathBuf;

use super::*;
use crate::windows::random;

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("containerv-relative-{}", random::hex::<8>().unwrap()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> OwnedHandle {
        open_path(&self.0, Access::LIST).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn wide(name: &str) -> Vec<u16> {
    name.encode_utf16().collect()
}

#[test]
fn files_are_made_found_and_removed_by_their_directory() {
    let scratch = Scratch::new();
    let top = scratch.open();
    let below = open(top.as_handle(), &wide("Below"), How::new_directory(Access::LIST, false)).unwrap();
    let mut file =
        File::from(open(below.as_handle(), &wide("file.txt"), How::new_file(Access::WRITE, false)).unwrap());
    file.write_all(b"content").unwrap();
    let again = open(below.as_handle(), &wide("FILE.TXT"), How::new_file(Access::WRITE, false)).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    let found = open(below.as_handle(), &wide("FILE.txt"), How::open(Access::READ, true)).unwrap();
    let told = information(found.as_handle()).unwrap();
    assert_eq!((told.size, told.links, told.attributes & DIRECTORY), (7, 1, 0));
    assert_eq!(told.id, information(file.as_handle()).unwrap().id);
    let mut text = String::new();
    File::from(found).read_to_string(&mut text).unwrap();
    assert_eq!(text, "content");
    remove(file.as_handle()).unwrap();
    drop(file);
    let gone = open(below.as_handle(), &wide("file.txt"), How::open(Access::LOOK, false)).unwrap_err();
    assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    let not = open(
        top.as_handle(),
        &wide("below"),
        How { directory: Some(false), ..How::open(Access::LOOK, false) },
    );
    not.unwrap_err();
}

#[test]
fn only_single_names_are_taken() {
    let scratch = Scratch::new();
    fs::write(scratch.0.join("file"), b"x").unwrap();
    let top = scratch.open();
    for name in ["", ".", "..", "a\\b", "a/b", "..\\x", "file:stream", "file::$DATA", "C:", "a\0", "\\", "/"]
    {
        for how in [How::open(Access::LOOK, false), How::new_file(Access::WRITE, false)] {
            let error = open(top.as_handle(), &wide(name), how).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidFilename, "{name:?}");
        }
        let file = open(top.as_handle(), &wide("file"), How::open(Access::WRITE, false)).unwrap();
        hard_link(file.as_handle(), top.as_handle(), &wide(name)).unwrap_err();
        actual_name(top.as_handle(), &wide(name)).unwrap_err();
    }
}

#[test]
fn a_directory_is_listed_in_parts() {
    let scratch = Scratch::new();
    let mut expected: Vec<String> =
        (0..1500).map(|number| format!("some file of a name {number:05}")).collect();
    for name in &expected {
        File::create(scratch.0.join(name)).unwrap();
    }
    fs::create_dir(scratch.0.join("zé𝄞")).unwrap();
    expected.push("zé𝄞".into());
    let top = scratch.open();
    let mut listing = Listing::default();
    let (mut found, mut parts) = (Vec::new(), 0);
    loop {
        let entries = listing.read(top.as_handle()).unwrap();
        if entries.is_empty() {
            break;
        }
        parts += 1;
        found.extend(entries);
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<String> = found.iter().map(|entry| String::from_utf16(&entry.name).unwrap()).collect();
    assert_eq!(names, expected);
    assert!(parts > 1, "{parts}");
    assert_eq!(found.last().unwrap().attributes & DIRECTORY, DIRECTORY);
    assert_eq!(found[0].attributes & (DIRECTORY | REPARSE_POINT), 0);
}

#[test]
fn names_are_told_as_the_directory_has_them() {
    let scratch = Scratch::new();
    fs::write(scratch.0.join("A long Name.text"), b"").unwrap();
    let top = scratch.open();
    let actual = |name: &str| actual_name(top.as_handle(), &wide(name)).unwrap();
    assert_eq!(actual("a LONG name.TEXT"), Some(wide("A long Name.text")));
    assert_eq!(actual("A long Name.text"), Some(wide("A long Name.text")));
    assert_eq!(actual("another"), None);
}

#[test]
fn times_and_attributes_are_set() {
    const SOMETIME: i64 = 132_000_000_000_000_000;
    let scratch = Scratch::new();
    let top = scratch.open();
    let file = open(top.as_handle(), &wide("file"), How::new_file(Access::WRITE, false)).unwrap();
    let before = changed(file.as_handle()).unwrap();
    let times = Times { created: 0, accessed: SOMETIME, modified: SOMETIME + 10_000_000 };
    set_times(file.as_handle(), &times, READ_ONLY | SPARSE).unwrap();
    let told = information(file.as_handle()).unwrap();
    assert_eq!((told.times.accessed, told.times.modified), (SOMETIME, SOMETIME + 10_000_000));
    assert_eq!(told.attributes & READ_ONLY, READ_ONLY);
    assert!(changed(file.as_handle()).unwrap() >= before);
    set_attributes(file.as_handle(), 0).unwrap();
    let told = information(file.as_handle()).unwrap();
    assert_eq!((told.attributes & READ_ONLY, told.times.modified), (0, SOMETIME + 10_000_000));
    set_attributes(file.as_handle(), READ_ONLY).unwrap();
    drop(file);
    let file = open(top.as_handle(), &wide("file"), How::open(Access::REMOVE, false)).unwrap();
    remove(file.as_handle()).unwrap();
    drop(file);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
}

#[test]
fn a_file_gets_a_second_name() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.0.join("d")).unwrap();
    fs::write(scratch.0.join("first"), b"shared").unwrap();
    let top = scratch.open();
    let directory = open(top.as_handle(), &wide("d"), How::directory(Access::LIST, false)).unwrap();
    let file = open(top.as_handle(), &wide("first"), How::open(Access::CHANGE, false)).unwrap();
    hard_link(file.as_handle(), directory.as_handle(), &wide("second")).unwrap();
    assert_eq!(information(file.as_handle()).unwrap().links, 2);
    assert_eq!(fs::read(scratch.0.join("d/second")).unwrap(), b"shared");
    let again = hard_link(file.as_handle(), directory.as_handle(), &wide("second")).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn a_directory_that_is_moved_is_still_the_same() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.0.join("a/b")).unwrap();
    fs::write(scratch.0.join("a/b/file"), b"x").unwrap();
    let top = scratch.open();
    let a = open(top.as_handle(), &wide("a"), How::directory(Access::LIST, false)).unwrap();
    let id = information(a.as_handle()).unwrap().id;
    let b = reopen(a.as_handle(), How::directory(Access::LOOK, false)).unwrap();
    assert_eq!(information(b.as_handle()).unwrap().id, id);
}

#[test]
fn a_plain_file_is_no_reparse_point() {
    let scratch = Scratch::new();
    fs::write(scratch.0.join("file"), b"x").unwrap();
    let top = scratch.open();
    let file = open(top.as_handle(), &wide("file"), How::open(Access::WRITE, false)).unwrap();
    assert_eq!(reparse_tag(file.as_handle()).unwrap(), 0);
    reparse_data(file.as_handle()).unwrap_err();
}

#[test]
fn the_security_descriptor_of_a_file_is_a_whole_one() {
    let scratch = Scratch::new();
    fs::write(scratch.0.join("file"), b"x").unwrap();
    let top = scratch.open();
    let access = Access::CHANGE.and(Access::WRITE_SECURITY);
    let file = open(top.as_handle(), &wide("file"), How::open(access, false)).unwrap();
    let descriptor = security_descriptor(file.as_handle()).unwrap();
    assert!(descriptor.len() > 20, "{descriptor:?}");
    set_security_descriptor(file.as_handle(), &descriptor).unwrap();
    assert_eq!(security_descriptor(file.as_handle()).unwrap(), descriptor);
    for bad in [&descriptor[..19], &[0; 20], b""] {
        assert_eq!(
            set_security_descriptor(file.as_handle(), bad).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
