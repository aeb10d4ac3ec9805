use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use containerv_spec::image::Digest;

use super::*;
use crate::backend::linux::transfer::tests::{self, Scratch, fingerprint, varied_tree};
use crate::images::layers::{Limits, Parents, unpack};

fn pack_tree(top: &Path, form: Form<'_>, compression: Compression) -> Result<(Vec<u8>, Encoded)> {
    let opened = tests::Opened::at(top);
    let mut bytes = Vec::new();
    let (_, encoded) = pack(&opened.root(), form, compression, &mut bytes, None)?;
    assert_eq!((encoded.size, &encoded.digest), (bytes.len() as u64, &Digest::of(&bytes)));
    Ok((bytes, encoded))
}

fn unpack_over(bytes: &[u8], target: &Path, parents: &[std::path::PathBuf]) -> Digest {
    fs::create_dir(target).unwrap();
    let opened = fs::File::open(target).unwrap();
    unpack(bytes, None, opened.as_fd(), Parents::at(parents), Limits::default(), None, None).unwrap().diff_id
}

#[test]
fn a_root_is_packed_and_unpacked_as_it_is_and_always_to_the_same_bytes() {
    let scratch = Scratch::new("pack");
    let tree = varied_tree(&scratch, "tree");
    if rustix::process::geteuid().is_root() {
        tests::add_what_root_makes(&tree);
    }
    let whole = Form::Whole { mounts: &[] };
    for (index, compression) in
        [Compression::None, Compression::Gzip, Compression::Zstd].into_iter().enumerate()
    {
        let (bytes, encoded) = pack_tree(&tree, whole, compression).unwrap();
        let target = scratch.path(&format!("copy-{index}"));
        assert_eq!(unpack_over(&bytes, &target, &[]), encoded.diff_id);
        assert_eq!(fingerprint(&target), fingerprint(&tree));
        // The copy has other inode numbers, and another order in its directories.
        assert!(pack_tree(&target, whole, compression).unwrap().0 == bytes);
    }
}

#[test]
fn marks_of_an_overlay_become_names_and_back() {
    let scratch = Scratch::quick("pack");
    let base = scratch.path("base");
    scratch.file("base/gone", b"1");
    scratch.file("base/kept/low", b"2");
    scratch.file("base/hidden/low", b"3");
    let upper = scratch.dir("upper");
    scratch.file("upper/hidden/high", b"4");
    scratch.file("upper/kept/new", b"5");
    let opaque = if rustix::process::geteuid().is_root() { "trusted" } else { "user" };
    // Memory may have no attributes for ordinary users.
    let mark = format!("{opaque}.overlay.opaque");
    let marked = rustix::fs::setxattr(upper.join("hidden"), &*mark, b"y", rustix::fs::XattrFlags::empty());
    if marked.is_err() {
        println!("skipped: this file system has no extended attributes for ordinary users");
        return;
    }
    for name in ["gone", "kept/low"] {
        let whiteout = rustix::fs::FileType::CharacterDevice;
        rustix::fs::mknodat(rustix::fs::CWD, upper.join(name), whiteout, Mode::empty(), 0).unwrap();
    }
    let (bytes, _) = pack_tree(&upper, Form::Changes { left_out: &[] }, Compression::None).unwrap();
    let archive = scratch.file("layer.tar", &bytes);
    let listed = std::process::Command::new("tar").arg("-tf").arg(archive).output().unwrap();
    assert_eq!(
        String::from_utf8(listed.stdout).unwrap(),
        "./\n.wh.gone\nhidden/\nhidden/.wh..wh..opq\nhidden/high\nkept/\nkept/.wh.low\nkept/new\n"
    );
    let copy = scratch.path("copy");
    unpack_over(&bytes, &copy, &[base]);
    let marks_apart = |top: &Path| {
        let mut found = fingerprint(top);
        // A removal has no owner, mode and time of its own.
        ["gone", "kept/low"].iter().for_each(|name| drop(found.remove(name.as_bytes())));
        found
    };
    assert_eq!(marks_apart(&copy), marks_apart(&upper));
    for name in ["gone", "kept/low"] {
        assert!(crate::backend::linux::transfer::changes::is_whiteout(
            &Node::at(rustix::fs::CWD, copy.join(name)).unwrap()
        ));
    }
    assert!(pack_tree(&copy, Form::Changes { left_out: &[] }, Compression::None).is_ok());
}

#[test]
fn names_that_stand_for_removals_are_refused_in_a_layer_alone() {
    let scratch = Scratch::quick("pack");
    let tree = scratch.dir("tree");
    scratch.file("tree/a/.wh.file", b"1");
    let error = pack_tree(&tree, Form::Changes { left_out: &[] }, Compression::None).unwrap_err().to_string();
    assert_eq!(error, "`/a/.wh.file` cannot be in a layer, where such a name stands for a removal");
    pack_tree(&tree, Form::Whole { mounts: &[] }, Compression::None).unwrap();
}
