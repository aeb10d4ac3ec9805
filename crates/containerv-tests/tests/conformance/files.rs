//! Files copied into containers and out of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use containerv::spec::request::Overlay;
use containerv::{Container, CopyOptions, ErrorKind};
use containerv_tests::Bed;
use containerv_tests::differences::has;
use containerv_tests::inside::{self, command, doing, said};

use crate::streams::block;
use crate::{assert_error, prepared};

/// A tree with what trees have on both systems.
fn make_tree(directory: &Path) {
    for name in ["deep/er/still", "empty", "names"] {
        fs::create_dir_all(directory.join(name)).unwrap();
    }
    let blocks: Vec<u8> = (0..3).flat_map(block).collect();
    let files: [(&str, &[u8]); 6] = [
        ("top.txt", b"top\r\n"),
        ("none", b""),
        ("deep/er/still/block", &blocks),
        ("deep/one", b"1"),
        ("names/\u{e9}\u{1f600} b", b"unicode"),
        ("names/.hidden", b"dot"),
    ];
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).unwrap();
    }
    for number in 0..40 {
        fs::write(directory.join(format!("deep/er/{number}")), number.to_string()).unwrap();
    }
}

/// The directories and files below a directory, with slashes.
fn read_tree(directory: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![(directory.to_owned(), String::new())];
    while let Some((directory, prefix)) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                waiting.push((entry.path(), format!("{name}/")));
                found.insert(name, None);
            } else {
                found.insert(name, Some(fs::read(entry.path()).unwrap()));
            }
        }
    }
    found
}

fn options() -> CopyOptions {
    CopyOptions::default()
}

/// A tree goes in and comes out again as it was.
fn there_and_back(bed: &Bed, container: &Container, called: &str) {
    let tree = bed.make_directory(&format!("{called}-out"));
    make_tree(&tree);
    let inside = inside::path(&format!("tmp/{called}"));
    let summary = container.upload(&tree, inside.as_str(), &options()).unwrap();
    assert_eq!((summary.files, summary.skipped_count), (46, 0), "{summary:?}");
    let back = bed.path(&format!("{called}-back"));
    let down = container.download(inside.as_str(), &back, &options()).unwrap();
    assert_eq!(
        (down.files, down.directories, down.bytes),
        (summary.files, summary.directories, summary.bytes)
    );
    assert!(read_tree(&tree) == read_tree(&back), "{called}: {:?}", read_tree(&back).keys());
}

#[test]
fn a_file_goes_into_a_running_container_and_out_again() {
    let bed = Bed::with_program();
    let container = bed.keeper(|request| request.overlay = Overlay::Container);
    let (source, back) = (bed.path("source"), bed.path("back"));
    let file = inside::path("tmp/file");
    fs::write(&source, "one").unwrap();
    assert_eq!(container.upload(&source, file.as_str(), &options()).unwrap().files, 1);
    assert_eq!(said(command(&container, &format!("read {file}"))), "one");
    // One that is there is replaced.
    fs::write(&source, "two").unwrap();
    container.upload(&source, file.as_str(), &options()).unwrap();
    assert_eq!(said(command(&container, &format!("read {file} + append {file} more"))), "two");
    container.download(file.as_str(), &back, &options()).unwrap();
    assert_eq!(fs::read_to_string(&back).unwrap(), "twomore");
    // Into a directory that is there, under its own name.
    container.upload(&source, inside::path("tmp").as_str(), &options()).unwrap();
    assert_eq!(said(command(&container, &format!("read {}", inside::path("tmp/source")))), "two");
}

#[test]
fn a_large_file_comes_back_as_it_was() {
    let bed = Bed::with_program();
    let container = bed.keeper(|request| request.overlay = Overlay::Container);
    let (source, back) = (bed.path("source"), bed.path("back"));
    let bytes: Vec<u8> = (0..20).flat_map(block).collect();
    fs::write(&source, &bytes).unwrap();
    let file = inside::path("tmp/large");
    let summary = container.upload(&source, file.as_str(), &options()).unwrap();
    assert_eq!(summary.bytes, bytes.len() as u64);
    container.download(file.as_str(), &back, &options()).unwrap();
    assert!(fs::read(&back).unwrap() == bytes);
}

#[test]
fn a_tree_goes_into_a_running_container_and_out_again() {
    let bed = Bed::with_program();
    let container = bed.keeper(|request| request.overlay = Overlay::Container);
    there_and_back(&bed, &container, "running");
    let seen = said(command(&container, &format!("tree {}", inside::path("tmp/running"))));
    assert_eq!(seen.lines().count(), 46 + 5, "{seen}");
    assert!(seen.contains("names/\u{e9}\u{1f600} b 7 ") && seen.contains("\nempty/\n"), "{seen}");
}

#[test]
fn a_tree_goes_into_a_container_that_does_not_run_and_out_again() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.overlay = Overlay::Container;
    request.process = Some(doing(&format!("write {} yes", inside::path("tmp/running/written"))));
    let container = Container::create(bed.host(), request).unwrap();
    there_and_back(&bed, &container, "prepared");
    there_and_back(&bed, &container, "running");
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 0, "it sees what was copied in before");
    let back = bed.path("after");
    container.download(inside::path("tmp/running").as_str(), &back, &options()).unwrap();
    assert_eq!(fs::read_to_string(back.join("written")).unwrap(), "yes");
}

#[test]
fn an_archive_goes_in_and_out_as_a_stream() {
    let bed = Bed::with_program();
    let container = bed.keeper(|request| request.overlay = Overlay::Container);
    let tree = bed.make_directory("tree");
    make_tree(&tree);
    container.upload(&tree, inside::path("tmp/one").as_str(), &options()).unwrap();
    let mut archive = Vec::new();
    let out = container.download_tar(inside::path("tmp/one").as_str(), &mut archive, &options()).unwrap();
    assert_eq!(out.files, 46);
    said(command(&container, &format!("mkdir {}", inside::path("tmp/two"))));
    container.upload_tar(archive.as_slice(), inside::path("tmp/two").as_str(), &options()).unwrap();
    let back = bed.path("back");
    container.download(inside::path("tmp/two/one").as_str(), &back, &options()).unwrap();
    assert!(read_tree(&tree) == read_tree(&back));
    let damaged = &archive[..archive.len() / 2];
    let error = container.upload_tar(damaged, inside::path("tmp/two").as_str(), &options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn what_is_not_there_is_named_in_the_error() {
    let bed = Bed::with_program();
    let container = prepared(&bed, doing("exit 0"));
    let absent = bed.path("absent");
    let error = container.upload(&absent, inside::path("tmp").as_str(), &options()).unwrap_err();
    assert_error(&error, ErrorKind::NotFound, "absent");
    let error = container.download(inside::path("nowhere").as_str(), &absent, &options()).unwrap_err();
    assert_error(&error, ErrorKind::NotFound, "nowhere");
    assert!(!absent.exists());
}

#[test]
fn changes_are_listed() {
    let bed = Bed::with_program();
    let container = bed.keeper(|request| request.overlay = Overlay::Container);
    if !has(bed.host(), "changes") {
        return;
    }
    let new = inside::path("tmp/new");
    said(command(&container, &format!("write {new} x")));
    // The layer of a Windows container that runs cannot be looked at from outside.
    container.stop(None).unwrap();
    let changes = container.changes().unwrap();
    let listed: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert!(listed.contains(&format!("A {new}")), "{listed:?}");
    assert!(container.disk_usage().unwrap() > 0);
}
