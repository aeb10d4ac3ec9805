//! What becomes of layers.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::backend::linux::transfer::tests::{add_what_root_makes, run, varied_tree};
use crate::backend::linux::transfer::{self, tests};

fn inode(path: PathBuf) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

#[test]
fn one_of_everything_is_as_it_was() {
    let mut bed = Bed::new();
    let scratch = Scratch::new("varied");
    let tree = varied_tree(&scratch, "tree");
    if is_root() {
        add_what_root_makes(&tree);
    }
    let mut expected = fingerprint(&tree);
    if !is_root() {
        // Owners of an ordinary user's layer are all that user.
        tests::stamp(&tree, 1);
        expected = fingerprint(&tree);
    }
    let mut archive = Vec::new();
    let opened = tests::Opened::at(&tree);
    let options = crate::CopyOptions::default();
    transfer::download_tar(&opened.root(), &OsText::from("/."), &mut archive, &options).unwrap();
    let unpacked = bed.add(&archive).unwrap();
    assert_eq!(fingerprint(&bed.layers[0]), expected);
    assert_eq!(unpacked.size, archive.len() as u64);
    assert_eq!(unpacked.diff_id, containerv_spec::image::Digest::of(&archive));
    assert_eq!(unpacked.summary.skipped, []);

    // The formats of GNU tar: long names, sparse files by old headers and records, and extended attributes.
    for format in [&["--format=gnu", "--sparse"][..], &["--format=posix", "--xattrs", "--sparse"]] {
        let path = scratch.path("archive.tar");
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = Vec::new();
        arguments.extend(format.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
        if !is_root() {
            // What another's program does with its owner's rights, an ordinary user's layer does not have.
            arguments.extend([&"--owner=0" as &dyn AsRef<std::ffi::OsStr>, &"--group=0"]);
        }
        arguments.extend([
            &"--xattrs-include=*" as &dyn AsRef<std::ffi::OsStr>,
            &"-cf",
            &path,
            &"-C",
            &tree,
            &".",
        ]);
        run("tar", &arguments);
        bed.layers.clear();
        bed.add(&fs::read(&path).unwrap()).unwrap();
        let found = fingerprint(&bed.layers[0]);
        let exact = format[0] == "--format=posix";
        for (name, line) in &expected {
            // Old headers have no attributes, and whole seconds.
            let comparable = |line: &str| match exact {
                true => line.to_owned(),
                false => line.split(" (").next().unwrap().to_owned() + line.split(')').nth(2).unwrap_or(""),
            };
            let cut = |line: &str| comparable(line).split(" [").next().unwrap().to_owned();
            let line_found = &found[name];
            match exact {
                true => assert_eq!(line_found, line, "{}", name.escape_ascii()),
                false => assert_eq!(cut(line_found), cut(line), "{}", name.escape_ascii()),
            }
        }
        assert_eq!(found.len(), expected.len());
    }
}

#[test]
fn removals_hide_what_is_below_and_nothing_of_their_own_layer() {
    let mut bed = Bed::new();
    let base = [directory("d/"), file("d/low"), directory("e/"), file("e/low"), file("f"), file("g")];
    // Nothing is below the first layer that could be removed.
    bed.add(&pack(&[&base[..], &[file(".wh.x"), file("e/.wh..wh..opq")]].concat())).unwrap();
    assert_eq!(bed.listing(), ["d/", "d/low", "e/", "e/low", "f", "g"]);
    let marks = [file(".wh.f"), file("d/.wh.low"), file("e/.wh..wh..opq"), file("e/high")];
    let removed = ["d/", "d/low removed", "e/ opaque", "e/high", "f removed"];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0]] {
        bed.add(&pack(&order.map(|index| marks[index].clone()))).unwrap();
        assert_eq!(bed.listing(), removed);
        bed.layers.remove(0);
    }
    // What the layer itself has wins over its own removal, and hides what was below.
    let both = [file(".wh.f"), file("f"), file(".wh.d"), directory("d/"), file("d/new"), file(".wh.e")];
    let both = [&both[..], &[file("e/implied"), file("g/.wh.x")]].concat();
    let error = bed.add(&pack(&[file("g"), both[7].clone()])).unwrap_err().to_string();
    assert!(error.contains("`g/.wh.x` has a parent that is no directory"), "{error}");
    let mut reversed = both[..7].to_vec();
    for members in [both[..7].to_vec(), {
        reversed.reverse();
        reversed
    }] {
        bed.add(&pack(&members)).unwrap();
        assert_eq!(bed.listing(), ["d/ opaque", "d/new", "e/ opaque", "e/implied", "f"]);
        bed.layers.remove(0);
    }
    // A device 0:0 is what overlayfs has for a removal.
    if is_root() {
        bed.add(&pack(&[Raw { kind: b'3', ..file("f").with("GNU.sparse.x", "") }])).unwrap_err();
    }
}

#[test]
fn an_opaque_top_removes_each_entry_below() {
    let mut bed = Bed::new();
    bed.add(&pack(&[file("a"), directory("b/"), file("b/low"), file("c")])).unwrap();
    bed.add(&pack(&[file(".wh.c"), file("d")])).unwrap();
    bed.add(&pack(&[file("b/high"), file(".wh..wh..opq")])).unwrap();
    assert_eq!(bed.listing(), ["a removed", "b/ opaque", "b/high", "c removed", "d removed"]);
}

#[test]
fn later_members_win_whatever_they_are() {
    let mut bed = Bed::new();
    let members = [
        file("x"),
        directory("x/"),
        file("x/inside"),
        symlink("x/link", "/y"),
        file("y/z"),
        file("x/link/through"),
        file("x"),
        symlink("x", "y"),
        file("x/w"),
        directory("y/z/"),
        symlink("empty", "nowhere"),
        directory("empty/"),
        file("y/z/deep"),
    ];
    bed.add(&pack(&members)).unwrap();
    assert_eq!(bed.listing(), ["empty/", "x ->", "y/", "y/through", "y/w", "y/z/", "y/z/deep"]);
}

#[test]
fn links_as_parents_stay_in_the_layer() {
    let mut bed = Bed::new();
    let members = [
        symlink("up", "../../../canary"),
        symlink("absolute", "/canary"),
        symlink("dangling", "made/later"),
        symlink("chain", "up/../up"),
        file("up/one"),
        file("absolute/two"),
        file("dangling/three"),
        file("chain/four"),
        link("five", "up/one"),
    ];
    bed.add(&pack(&members)).unwrap();
    let made = ["canary/", "canary/four", "canary/one", "canary/two", "five", "made/", "made/later/"];
    let listing = bed.listing();
    for name in made.iter().chain(&["made/later/three", "up ->"]) {
        assert!(listing.iter().any(|line| line == name), "{name}: {listing:?}");
    }
    assert_eq!(inode(bed.at("five")), inode(bed.at("canary/one")));
    let circle = [symlink("a", "b"), symlink("b", "a"), file("a/x")];
    let error = bed.add(&pack(&circle)).unwrap_err().to_string();
    assert!(error.contains("`a/x` has a parent that is reached by too many symbolic links"), "{error}");
    // A link of a lower layer is not followed: the directory hides it, as in overlayfs.
    bed.add(&pack(&[file("up/new")])).unwrap();
    assert_eq!(bed.listing(), ["up/", "up/new"]);
}

#[test]
fn hard_links_reach_files_of_the_layers_below() {
    let mut bed = Bed::new();
    bed.add(&pack(&[file("d/a"), file("d/gone"), symlink("d/s", "a"), directory("dir/"), file("o/hidden")]))
        .unwrap();
    bed.add(&pack(&[file("d/.wh.gone"), file("o/.wh..wh..opq")])).unwrap();
    let lower = bed.layers[1].join("d/a");
    fs::set_permissions(&lower, fs::Permissions::from_mode(0o4711)).unwrap();
    tests::set_attribute(&lower, "user.note", b"kept");
    bed.add(&pack(&[link("b", "d/a"), link("c", "/d/a"), link("t", "d/s"), link("d", "d/../x")]))
        .unwrap_err();
    bed.add(&pack(&[link("b", "d/a"), link("c", "/d/a"), link("t", "d/s")])).unwrap();
    assert_eq!(bed.listing(), ["b", "c", "d/", "d/a", "d/s ->", "t ->"]);
    assert_eq!(inode(bed.at("b")), inode(bed.at("d/a")));
    assert_eq!(inode(bed.at("c")), inode(bed.at("d/a")));
    let cut = |path: PathBuf| describe(&path);
    assert_eq!(cut(bed.at("d/a")), cut(lower));
    for target in ["d/gone", "o/hidden", "absent", "d/a/below"] {
        let error = bed.add(&pack(&[link("b", target)])).unwrap_err().to_string();
        assert!(error.contains("`b` has as link target what is neither"), "{target}: {error}");
    }
    let error = bed.add(&pack(&[file("d/.wh.a"), link("b", "d/a")])).unwrap_err().to_string();
    assert!(error.contains("neither in this layer nor below"), "{error}");
    let error = bed.add(&pack(&[link("b", "dir")])).unwrap_err().to_string();
    assert!(error.contains("a hard link to a directory"), "{error}");
    let error = bed.add(&pack(&[file("x/y"), link("x", "x/y")])).unwrap_err().to_string();
    assert!(error.contains("a hard link to what it replaces"), "{error}");
}

#[test]
fn directories_that_are_not_named_are_as_below() {
    let mut bed = Bed::new();
    let owner = |name: &str| directory(name).with("uid", "0").with("mtime", "1000.5");
    bed.add(&pack(&[owner("./").with("mtime", "77"), owner("a/"), owner("a/b/"), owner("hidden/")])).unwrap();
    let base = bed.layers[0].clone();
    tests::set_attribute(&base.join("a"), "user.note", b"kept");
    let before = fingerprint(&base);
    bed.add(&pack(&[file("a/b/c"), file("new/file"), file(".wh.hidden"), file("hidden/x")])).unwrap();
    let after = fingerprint(&bed.layers[0]);
    for name in [&b""[..], b"a", b"a/b"] {
        assert_eq!(after[name], before[name], "{}", name.escape_ascii());
    }
    let new = fs::metadata(bed.at("new")).unwrap();
    assert_eq!((new.mode() & 0o7777, new.mtime()), (0o755, 0));
    // Removed and made anew: nothing is inherited.
    assert_eq!(fs::metadata(bed.at("hidden")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn directories_get_their_times_at_the_end_however_many_they_are() {
    let mut bed = Bed::new();
    let mut members = vec![directory("top/").with("mtime", "5")];
    // More than are remembered at once.
    let long = "n".repeat(200);
    for number in 0..3000 {
        members.push(directory(&format!("top/{number}-{}/", &long[..60])).with("mtime", "7"));
        if number % 1000 == 0 {
            members.push(file(&format!("top/0-{}/{number}", &long[..60])));
        }
    }
    bed.add(&pack(&members)).unwrap();
    let time = |path: PathBuf| fs::metadata(path).unwrap().mtime();
    assert_eq!(time(bed.at("top")), 5);
    assert_eq!(time(bed.at(&format!("top/0-{}", &long[..60]))), 7);
    assert_eq!(time(bed.at(&format!("top/2999-{}", &long[..60]))), 7);
}

#[test]
fn an_ordinary_user_is_told_what_could_not_be_kept() {
    if is_root() {
        println!("skipped: needs an ordinary user");
        return;
    }
    let mut bed = Bed::new();
    let device = Raw { kind: b'4', ..directory("sda") };
    let setuid = file("other").with("uid", "33").with("SCHILY.xattr.security.capability", "x");
    let unpacked = bed.add(&pack(&[file("own"), setuid, device])).unwrap();
    let mode = |name: &str| fs::metadata(bed.at(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("own"), mode("other")), (0o4777, 0o777));
    let skipped: Vec<_> = unpacked.summary.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(skipped.len(), 3, "{skipped:?}");
    assert!(skipped[1].starts_with("`other`: made with another owner"), "{skipped:?}");
    assert!(skipped[2].starts_with("`sda`: left out: a device node"), "{skipped:?}");
}
