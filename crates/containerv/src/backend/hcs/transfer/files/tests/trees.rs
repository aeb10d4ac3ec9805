//! Whole trees in and out, by the rules of `docker cp`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::copy::CopyProgress;

fn varied_tree(scratch: &Scratch, below: &str) -> PathBuf {
    let top = scratch.dir(below);
    scratch.file(&format!("{below}/a"), b"first");
    scratch.file(&format!("{below}/empty"), b"");
    scratch.file(&format!("{below}/Deep/er/file with a blank.txt"), b"deep");
    scratch.file(&format!("{below}/Deep/zé𝄞"), &vec![7; 3 << 20]);
    scratch.dir(&format!("{below}/nothing"));
    for (name, attributes) in [("a", relative::READ_ONLY), ("Deep/er/file with a blank.txt", 2), ("empty", 0)]
    {
        mark(&top.join(name), attributes);
    }
    for name in ["Deep/er", "Deep", "nothing"] {
        mark(&top.join(name), 0);
    }
    top
}

#[test]
fn a_tree_goes_in_and_out_unchanged() {
    let scratch = Scratch::new();
    let source = varied_tree(&scratch, "source/tree");
    let root = scratch.root();
    let summary = up(&root, &source, "C:\\").unwrap();
    assert_eq!((summary.files, summary.directories, summary.symlinks), (4, 4, 0));
    assert_eq!((summary.bytes, summary.skipped_count), ((3 << 20) + 9, 0));
    assert_eq!(fingerprint(&scratch.path("root/tree")), fingerprint(&source));
    let again = down(&root, "/tree", &scratch.path("back")).unwrap();
    assert_eq!(again, summary);
    assert_eq!(fingerprint(&scratch.path("back")), fingerprint(&source));
    // Once more over itself: read-only files are replaced.
    assert_eq!(up(&root, &source, "C:\\").unwrap(), summary);
    let files = |top: PathBuf| {
        let mut found = fingerprint(&top);
        found.retain(|name, _| top.join(name).is_file());
        found
    };
    assert_eq!(files(scratch.path("root/tree")), files(source));
}

#[test]
fn the_rules_of_docker_cp_hold() {
    let scratch = Scratch::new();
    let (file, tree) = (scratch.file("file", b"x"), scratch.dir("tree"));
    scratch.file("tree/in", b"y");
    scratch.dir("root/there");
    scratch.file("root/plain", b"old");
    let root = scratch.root();
    let content = |path: &str| fs::read(scratch.path(path)).unwrap();
    up(&root, &file, "/there").unwrap();
    up(&root, &file, "/there/new").unwrap();
    up(&root, &file, "plain").unwrap();
    assert_eq!(
        [content("root/there/file"), content("root/there/new"), content("root/plain")],
        [b"x", b"x", b"x"]
    );
    up(&root, &tree, "C:\\there").unwrap();
    up(&root, &tree, "C:\\another").unwrap();
    up(&root, &tree.join("."), "C:\\there\\").unwrap();
    assert_eq!(content("root/there/tree/in"), content("root/another/in"));
    assert_eq!(content("root/there/in"), b"y");
    for (from, to, words) in [
        (&file, "/none/x", "must exist"),
        (&file, "/none/", "make it, or leave out"),
        (&tree, "/plain", "cannot copy a directory to a file"),
    ] {
        let error = up(&root, from, to).unwrap_err();
        assert!(error.hint().unwrap_or_default().contains(words), "{to}: {error:?}");
    }
    let error = up(&root, &scratch.path("absent"), "/there").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = down(&root, "/absent", &scratch.path("")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    // A directory does not become a file, and a file no directory.
    scratch.dir("root/there/deep/file");
    let error = up(&root, &file, "/there/deep").unwrap_err();
    assert!(error.to_string().contains("cannot overwrite directory"), "{error}");
    scratch.dir("other/plain");
    let error = up(&root, &scratch.path("other/."), "/").unwrap_err();
    assert!(error.to_string().contains("cannot overwrite non-directory"), "{error}");
    assert_eq!(content("root/plain"), b"x");
    let error = down(&root, "/plain/", &scratch.path("out")).unwrap_err();
    assert!(error.to_string().contains("not a directory"), "{error}");
}

#[test]
fn directories_that_are_there_keep_what_they_have() {
    let scratch = Scratch::new();
    scratch.file("tree/sub/file", b"x");
    scratch.dir("root/tree/sub");
    mark(&scratch.path("root/tree/sub"), 2);
    up(&scratch.root(), &scratch.path("tree"), "/").unwrap();
    let metadata = fs::metadata(scratch.path("root/tree/sub")).unwrap();
    assert_eq!(metadata.file_attributes() & 2, 2);
    assert!(scratch.path("root/tree/sub/file").is_file());
}

#[test]
fn files_with_several_names_stay_one() {
    let scratch = Scratch::new();
    scratch.file("tree/a", b"shared");
    scratch.dir("tree/d");
    fs::hard_link(scratch.path("tree/a"), scratch.path("tree/d/b")).unwrap();
    fs::hard_link(scratch.path("tree/a"), scratch.path("tree/z")).unwrap();
    let root = scratch.root();
    let summary = up(&root, &scratch.path("tree"), "/").unwrap();
    assert_eq!((summary.files, summary.bytes), (3, 6));
    let id = |path: &str| {
        let file = relative::open_path(&scratch.path(path), Access::LOOK).unwrap();
        let information = relative::information(file.as_handle()).unwrap();
        (information.id, information.links)
    };
    assert_eq!(id("root/tree/a"), id("root/tree/d/b"));
    assert_eq!(id("root/tree/a").1, 3);
    // The name of one file alone is another file.
    up(&root, &scratch.path("tree/a"), "/single").unwrap();
    assert_eq!(id("root/single").1, 1);
}

#[test]
fn a_directory_is_not_copied_into_itself() {
    let scratch = Scratch::new();
    scratch.file("root/tree/file", b"x");
    let error = up(&scratch.root(), &scratch.path("root/tree"), "/tree/again").unwrap_err();
    assert!(error.to_string().contains("into itself"), "{error}");
}

#[test]
fn wide_and_deep_trees_are_copied_whole() {
    let scratch = Scratch::new();
    for number in 0..1200 {
        scratch.file(&format!("tree/wide/number {number}"), b"");
        if number % 10 == 0 {
            scratch.dir(&format!("tree/wide/directory {number}"));
        }
    }
    let root = scratch.root();
    let summary = up(&root, &scratch.path("tree"), "/").unwrap();
    assert_eq!((summary.files, summary.directories), (1200, 122));
    // Deeper than paths may be for most functions of Windows.
    let mut deep =
        Opened::of(relative::open_path(&scratch.dir("tree/deep"), Access::LIST).unwrap(), node::look(false))
            .unwrap();
    let name: Name = "a name of some length".encode_utf16().collect();
    let making = Making { backup: false, security: false, began: i64::MAX };
    for _ in 0..40 {
        let made = make::directory(making, deep.file.as_handle(), &name).unwrap();
        deep = Opened { file: made.file, node: made.node };
    }
    drop(make::file(making, deep.file.as_handle(), &name).unwrap());
    drop(deep);
    let summary = up(&root, &scratch.path("tree/deep"), "/").unwrap();
    assert_eq!((summary.files, summary.directories), (1, 41));
    let summary = down(&root, "/deep", &scratch.path("out")).unwrap();
    assert_eq!((summary.files, summary.directories), (1, 41));
}

#[test]
fn progress_is_told() {
    let scratch = Scratch::new();
    let file = scratch.file("large", &vec![1; 5 << 20]);
    let (calls, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counted, seen) = (calls.clone(), most.clone());
    let progress = CopyProgress::new(move |summary| {
        counted.fetch_add(1, Ordering::Relaxed);
        seen.fetch_max(summary.bytes, Ordering::Relaxed);
    });
    let options = CopyOptions { progress: Some(progress), ..plain() };
    upload(&scratch.root(), &file, &"/large".into(), &options).unwrap();
    assert!(calls.load(Ordering::Relaxed) >= 5);
    assert_eq!(most.load(Ordering::Relaxed), 5 << 20);
}

#[test]
fn one_file_goes_to_exactly_one_path() {
    let scratch = Scratch::new();
    let file = scratch.file("file", b"new");
    scratch.file("root/there", b"old");
    scratch.dir("root/directory");
    let root = scratch.root();
    let options = CopyOptions { plain: true, ..plain() };
    let exactly = |to: &str| upload(&root, &file, &to.into(), &options);
    assert_eq!(exactly("/there").unwrap().files, 1);
    assert_eq!(fs::read(scratch.path("root/there")).unwrap(), b"new");
    exactly("/directory").unwrap_err();
    exactly("/directory/").unwrap_err();
    exactly("/none/file").unwrap_err();
    upload(&root, &scratch.path("root"), &"/x".into(), &options).unwrap_err();
    let out = download(&root, &"/there".into(), &scratch.path("out"), &options).unwrap();
    assert_eq!((out.files, out.bytes), (1, 3));
}

#[test]
fn what_is_mapped_from_the_host_is_copied_there() {
    let scratch = Scratch::new();
    for shadowed in ["root/data/shadowed", "root/tree/map/shadowed", "root/tree/config.txt"] {
        scratch.file(shadowed, b"shadowed");
    }
    scratch.file("root/tree/own", b"x");
    scratch.file("host/seen", b"seen");
    scratch.file("two/inner/seen", b"seen");
    scratch.file("fixed/seen", b"seen");
    scratch.file("config.txt", b"seen");
    let file = scratch.file("file", b"new");
    let root = scratch.root_with(&[
        ("C:\\data", "host"),
        ("C:\\tree\\map", "two"),
        ("C:\\tree\\fixed", "fixed:ro"),
        ("C:\\tree\\config.txt", "config.txt"),
    ]);
    up(&root, &file, "/DATA").unwrap();
    up(&root, &file, "C:\\tree\\map\\inner\\..\\renamed").unwrap();
    assert!(scratch.path("host/file").is_file() && scratch.path("two/renamed").is_file());
    assert_eq!(fs::read_dir(scratch.path("root/data")).unwrap().count(), 1);
    down(&root, "/data/seen", &scratch.path("one")).unwrap();
    assert_eq!(down(&root, "/data", &scratch.path("some")).unwrap().files, 2);
    // A tree is as the container sees it, whichever way it goes.
    let summary = down(&root, "/", &scratch.path("all")).unwrap();
    assert_eq!((summary.files, summary.directories, summary.skipped_count), (7, 6, 0));
    let seen = fs::read(scratch.path("all/tree/config.txt")).unwrap();
    assert_eq!((seen, scratch.path("all/tree/map/shadowed").exists()), (b"seen".to_vec(), false));
    let mut bytes = Vec::new();
    assert_eq!(download_tar(&root, &"/tree".into(), &mut bytes, &plain()).unwrap().files, 5);
    scratch.file("more/data/sub/uploaded", b"x");
    up(&root, &scratch.path("more/."), "C:\\").unwrap();
    assert!(scratch.path("host/sub/uploaded").is_file() && !scratch.path("root/data/sub").exists());
    upload_tar(&root, &bytes[..], &"/data".into(), &plain()).unwrap();
    assert!(scratch.path("host/tree/map/inner/seen").is_file());
    // What is read-only, or one file, is not replaced.
    for (from, to, kind, words) in [
        ("file", "/tree/fixed", ErrorKind::PermissionDenied, "read-only"),
        ("file", "/tree/fixed/new", ErrorKind::PermissionDenied, "read-only"),
        ("file", "/tree/config.txt", ErrorKind::InvalidArgument, "mapped from the host"),
        ("all/tree", "/", ErrorKind::InvalidArgument, "mapped from the host"),
        ("all/tree/fixed", "/tree", ErrorKind::PermissionDenied, "read-only"),
    ] {
        let error = up(&root, &scratch.path(from), to).unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains(words), "{to}: {error}");
        assert!(error.hint().unwrap_or_default().contains("on the host"), "{error:?}");
    }
    upload_tar(&root, &bytes[..], &"/".into(), &plain()).unwrap_err();
    assert_eq!(fs::read(scratch.path("config.txt")).unwrap(), b"seen");
    assert_eq!(fs::read_dir(scratch.path("fixed")).unwrap().count(), 1);
}

#[test]
fn owners_are_kept_where_that_is_asked_for() {
    let scratch = Scratch::new();
    scratch.file("tree/sub/file", b"x");
    scratch.file("tree/read-only", b"x");
    mark(&scratch.path("tree/read-only"), relative::READ_ONLY);
    let descriptor = |path: &str| {
        let access = Access::LOOK.and(Access::READ_SECURITY);
        let file = relative::open_path(&scratch.path(path), access).unwrap();
        relative::security_descriptor(file.as_handle()).unwrap()
    };
    let root = scratch.root();
    let options = CopyOptions { keep_owner: true, ..plain() };
    upload(&root, &scratch.path("tree"), &"/".into(), &options).unwrap();
    let mut archive = Vec::new();
    download_tar(&root, &"/tree".into(), &mut archive, &options).unwrap();
    scratch.dir("root/again");
    upload_tar(&root, &archive[..], &"/again".into(), &options).unwrap();
    let records = String::from_utf8_lossy(&archive).matches("MSWINDOWS.rawsd=").count();
    assert_eq!(records, 4);
    for name in ["tree", "tree/sub", "tree/sub/file", "tree/read-only"] {
        assert_eq!(descriptor(&format!("root/{name}")), descriptor(name), "{name}");
        assert_eq!(descriptor(&format!("root/again/{name}")), descriptor(name), "{name}");
    }
    assert_eq!(fingerprint(&scratch.path("root/again/tree")), fingerprint(&scratch.path("tree")));
}
