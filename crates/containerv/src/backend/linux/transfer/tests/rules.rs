//! Where a copy lands and what it refuses: the rules of `docker cp`, and of the C interface.

use std::os::unix::fs::symlink;

use super::*;
use crate::copy::CopyProgress;

/// A root with a directory, a file and links, and a source with a file and a directory.
fn stage() -> (Scratch, Opened) {
    let scratch = Scratch::new("rules");
    scratch.file("host/file", b"content");
    scratch.file("host/tree/inner", b"inner");
    scratch.dir("root/dir");
    scratch.file("root/old", b"old content");
    symlink("/dir", scratch.path("root/to-dir")).unwrap();
    symlink("../../../dir/made", scratch.path("root/to-missing")).unwrap();
    scratch.file("outside/secret", b"of the host");
    symlink(scratch.path("outside/secret"), scratch.path("root/to-host")).unwrap();
    symlink("file", scratch.path("host/link")).unwrap();
    let opened = Opened::at(&scratch.path("root"));
    (scratch, opened)
}

#[test]
fn a_copy_lands_where_docker_puts_it() {
    let cases: &[(&str, &str, &str)] = &[
        ("file", "/new", "new"),
        ("file", "new", "new"),
        ("file", "/dir", "dir/file"),
        ("file", "/dir/", "dir/file"),
        ("file", "/dir/.", "dir/file"),
        ("file", "/", "file"),
        ("file", "", "file"),
        ("file", "/old", "old"),
        ("file", "/to-dir", "dir/file"),
        ("file", "/to-missing", "dir/made"),
        ("file", "/../../new", "new"),
        ("file", "/dir/../../../new", "new"),
        ("tree", "/new", "new/inner"),
        ("tree", "/new/", "new/inner"),
        ("tree", "/dir", "dir/tree/inner"),
        ("tree/", "/dir", "dir/tree/inner"),
        ("tree/.", "/dir", "dir/inner"),
        ("tree/.", "/new", "new/inner"),
        ("tree", "/to-dir", "dir/tree/inner"),
        ("tree/.", "/", "inner"),
    ];
    for (from, to, lands) in cases {
        let (scratch, root) = stage();
        upload(&root.root(), &scratch.path("host").join(from), &text(to), &CopyOptions::default())
            .unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
        let found = fs::read(scratch.path("root").join(lands));
        let wanted: &[u8] = if from.starts_with("file") { b"content" } else { b"inner" };
        assert_eq!(found.unwrap_or_else(|error| panic!("{from} to {to}: {error}")), wanted);
    }
}

#[test]
fn what_docker_refuses_is_refused_with_its_words() {
    let cases: &[(&str, &str, &str)] = &[
        ("file", "/missing/", "No such file or directory"),
        ("file", "/missing/new", "open the directory `/missing` in the container"),
        ("file", "/old/", "Not a directory"),
        ("file", "/old/new", "Not a directory"),
        ("file/", "/new", "Not a directory"),
        ("file/.", "/new", "Not a directory"),
        ("tree", "/old", "cannot overwrite non-directory `/old` in the container with directory"),
        ("tree", "/missing/new", "open the directory `/missing` in the container"),
        ("absent", "/new", "find `"),
        ("file", "/to-host", "/outside` in the container"),
        ("file", "/dir\0x", "NUL"),
    ];
    for (from, to, words) in cases {
        let (scratch, root) = stage();
        let before = fingerprint(&scratch.path("root"));
        let error =
            upload(&root.root(), &scratch.path("host").join(from), &text(to), &CopyOptions::default())
                .expect_err(to);
        assert!(error.to_string().contains(words), "{from} to {to}: {error}");
        assert_eq!(fingerprint(&scratch.path("root")), before, "{from} to {to}");
    }
}

#[test]
fn types_that_differ_are_refused_and_files_replaced() {
    let (scratch, root) = stage();
    scratch.dir("root/dir/file");
    let error = upload(&root.root(), &scratch.path("host/file"), &text("/dir"), &archive()).unwrap_err();
    assert!(error.to_string().contains("cannot overwrite directory `/dir/file`"), "{error}");
    scratch.file("root/dir/tree", b"");
    let error = upload(&root.root(), &scratch.path("host/tree"), &text("/dir"), &archive()).unwrap_err();
    assert!(error.to_string().contains("cannot overwrite non-directory `/dir/tree`"), "{error}");

    // Nothing is written through a link or into the other names of what is replaced.
    let other = scratch.path("other");
    fs::write(&other, "canary").unwrap();
    scratch.dir("root/links");
    symlink(&other, scratch.path("root/links/inner")).unwrap();
    upload(&root.root(), &scratch.path("host/tree/."), &text("/links"), &archive()).unwrap();
    fs::hard_link(&other, scratch.path("root/dir/inner")).unwrap();
    upload(&root.root(), &scratch.path("host/tree/."), &text("/dir"), &archive()).unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"canary");
    assert_eq!(fs::read(scratch.path("root/dir/inner")).unwrap(), b"inner");
    assert!(fs::symlink_metadata(scratch.path("root/links/inner")).unwrap().is_file());
}

#[test]
fn a_device_is_not_replaced_by_a_file() {
    if not_root() {
        return;
    }
    let (scratch, root) = stage();
    let null = scratch.path("root/null");
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(CWD, &null, FileType::CharacterDevice, mode, rustix::fs::makedev(1, 3)).unwrap();
    for plain in [false, true] {
        let options = CopyOptions { plain, ..CopyOptions::default() };
        let error = upload(&root.root(), &scratch.path("host/file"), &text("/null"), &options).unwrap_err();
        assert!(error.to_string().contains("cannot overwrite device `/null`"), "{error}");
        let error = download(&root.root(), &text("/old"), &null, &options).unwrap_err();
        assert!(error.to_string().contains("cannot overwrite device"), "{error}");
    }
    scratch.dir("host/devices");
    run("cp", &[&"-a", &null, &scratch.path("host/devices/null")]);
    let summary = upload(&root.root(), &scratch.path("host/devices/."), &text("/"), &archive()).unwrap();
    assert_eq!((summary.special, fs::symlink_metadata(&null).unwrap().rdev()), (1, 259));
}

#[test]
fn a_directory_in_the_tree_is_not_written_through_a_link() {
    let (scratch, root) = stage();
    let outside = scratch.dir("elsewhere");
    scratch.file("host/tree/sub/file", b"x");
    scratch.dir("root/dir/tree");
    symlink(&outside, scratch.path("root/dir/tree/sub")).unwrap();
    upload(&root.root(), &scratch.path("host/tree"), &text("/dir"), &archive()).unwrap_err();
    scratch.file("root/out/sub/file", b"x");
    scratch.dir("target/out");
    symlink(&outside, scratch.path("target/out/sub")).unwrap();
    download(&root.root(), &text("/out"), &scratch.path("target"), &archive()).unwrap_err();
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}

#[test]
fn a_link_is_copied_as_one_unless_asked_to_follow() {
    let (scratch, root) = stage();
    upload(&root.root(), &scratch.path("host/link"), &text("/dir"), &CopyOptions::default()).unwrap();
    assert_eq!(fs::read_link(scratch.path("root/dir/link")).unwrap(), Path::new("file"));
    let follow = CopyOptions { follow_links: true, ..CopyOptions::default() };
    upload(&root.root(), &scratch.path("host/link"), &text("/dir"), &follow).unwrap();
    assert_eq!(fs::read(scratch.path("root/dir/link")).unwrap(), b"content");
    // Followed, a link of the container ends inside: this one names a file that only the host has.
    let error = download(&root.root(), &text("/to-host"), &scratch.path("stolen"), &follow).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    download(&root.root(), &text("/to-host"), &scratch.path("link"), &CopyOptions::default()).unwrap();
    assert_eq!(fs::read_link(scratch.path("link")).unwrap(), scratch.path("outside/secret"));
}

#[test]
fn directories_that_exist_keep_their_attributes() {
    let (scratch, root) = stage();
    let sticky = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(scratch.path("root/dir"), sticky).unwrap();
    fs::set_permissions(scratch.path("host/tree"), fs::Permissions::from_mode(0o700)).unwrap();
    upload(&root.root(), &scratch.path("host/tree/."), &text("/dir"), &archive()).unwrap();
    assert_eq!(fs::metadata(scratch.path("root/dir")).unwrap().mode() & 0o7777, 0o1777);
}

#[test]
fn plain_copies_one_file_to_one_path() {
    let (scratch, root) = stage();
    let plain = CopyOptions { plain: true, ..CopyOptions::default() };
    let program = scratch.path("host/file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4777)).unwrap();
    upload(&root.root(), &program, &text("old"), &plain).unwrap();
    let umask = fs::metadata(scratch.dir("root/umask")).unwrap().mode() & 0o777;
    let made = fs::metadata(scratch.path("root/old")).unwrap();
    assert_eq!((made.mode() & 0o7777, made.len()), (umask, 7));
    upload(&root.root(), &scratch.path("host/link"), &text("/to-missing"), &plain).unwrap();
    assert_eq!(fs::read(scratch.path("root/dir/made")).unwrap(), b"content");
    let back = download(&root.root(), &text("to-missing"), &scratch.path("back"), &plain).unwrap();
    assert_eq!((back.files, back.bytes), (1, 7));
    for (from, to) in
        [("tree", "/x"), ("file", "/dir"), ("file", "/missing/x"), ("file", "/x/"), ("none", "/x")]
    {
        upload(&root.root(), &scratch.path("host").join(from), &text(to), &plain).expect_err(to);
    }
    let fifo = scratch.path("host/fifo");
    rustix::fs::mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
    let error = upload(&root.root(), &fifo, &text("/x"), &plain).unwrap_err();
    assert!(error.to_string().ends_with("is not a regular file"), "{error}");
    assert!(!scratch.path("root/x").exists());
}

#[test]
fn progress_is_reported_and_ends_with_the_summary() {
    let (scratch, root) = stage();
    scratch.file("host/tree/large", &vec![1; 5 << 20]);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = seen.clone();
    let progress = CopyProgress::new(move |summary| noted.lock().unwrap().push(summary.clone()));
    let options = CopyOptions { progress: Some(progress), ..CopyOptions::default() };
    let summary = upload(&root.root(), &scratch.path("host/tree"), &text("/new"), &options).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.last(), Some(&summary));
    assert!(seen.len() > 6 && seen.is_sorted_by_key(|summary| summary.bytes));
}
