//! Archives that arrive as they were packed, compared with GNU tar.

use std::io::Cursor;

use super::*;

/// Gives everything below `top` times of whole seconds, which is all that old formats hold.
fn stamp_whole_seconds(top: &Path) {
    let paths: Vec<_> = fingerprint(top).into_keys().collect();
    for below in paths.iter().rev() {
        let path = top.join(std::ffi::OsStr::from_bytes(below));
        let time = rustix::fs::Timespec { tv_sec: 1_234_567_890, tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, &path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

#[test]
fn archives_of_gnu_tar_are_unpacked_as_packed() {
    if not_root() {
        return;
    }
    for (format, flags) in [
        ("posix", "--xattrs"),
        ("posix", "--sparse-version=0.0"),
        ("posix", "--sparse-version=0.1"),
        ("gnu", "-S"),
    ] {
        let scratch = Scratch::new("unpack");
        let source = varied_tree(&scratch, "source/tree");
        add_what_root_makes(&source);
        let long = "long-name-".repeat(20);
        scratch.file(&format!("source/tree/{long}/{long}/{long}"), b"long");
        std::os::unix::fs::symlink(&long, source.join("long")).unwrap();
        if format == "gnu" {
            stamp_whole_seconds(&source);
        }
        let archive_path = scratch.path("archive.tar");
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
            vec![&"-c", &"-S", &flags, &"--format", &format];
        if format == "posix" {
            arguments.extend([&"--xattrs" as &dyn AsRef<_>, &"--xattrs-include=*"]);
        }
        let directory = scratch.path("source");
        arguments.extend([&"-f" as &dyn AsRef<_>, &archive_path, &"-C", &directory, &"tree"]);
        run("tar", &arguments);
        if format == "gnu" {
            // Which holds no extended attributes.
            for (path, name) in
                [("bin/script", "user.note"), ("a", "user.directory"), ("able", "security.capability")]
            {
                rustix::fs::removexattr(source.join(path), name).unwrap();
            }
        }
        let root = Opened::at(&scratch.dir("root"));
        let stream = fs::File::open(&archive_path).unwrap();
        let summary = upload_tar(&root.root(), stream, &text("/"), &archive()).unwrap();
        assert_eq!(fingerprint(&scratch.path("root/tree")), fingerprint(&source), "{format} {flags}");
        assert_eq!((summary.files, summary.directories, summary.symlinks, summary.special), (9, 7, 4, 2));
    }
}

#[test]
fn gnu_tar_unpacks_our_archives_as_packed_and_so_do_we() {
    if not_root() {
        return;
    }
    let scratch = Scratch::new("pack");
    let source = varied_tree(&scratch, "root/tree");
    add_what_root_makes(&source);
    let long = "long-name-".repeat(20);
    scratch.file(&format!("root/tree/{long}/{long}"), b"long");
    std::os::unix::fs::symlink(&long, source.join("long")).unwrap();
    let root = Opened::at(&scratch.path("root"));
    let mut bytes = Vec::new();
    let packed = download_tar(&root.root(), &text("/tree"), &mut bytes, &archive()).unwrap();
    assert!(bytes.len() < 8 << 20, "holes were not kept: {} bytes", bytes.len());
    let path = scratch.file("archive.tar", &bytes);
    let out = scratch.dir("out");
    run(
        "tar",
        &[&"-x", &"-p", &"--same-owner", &"--xattrs", &"--xattrs-include=*", &"-f", &path, &"-C", &out],
    );
    assert_eq!(fingerprint(&out.join("tree")), fingerprint(&source));

    let again = Opened::at(&scratch.dir("again"));
    let unpacked = upload_tar(&again.root(), &bytes[..], &text("/"), &archive()).unwrap();
    assert_eq!(fingerprint(&scratch.path("again/tree")), fingerprint(&source));
    assert_eq!(
        (unpacked.files, unpacked.special, unpacked.symlinks),
        (packed.files, packed.special, packed.symlinks)
    );
}

#[test]
fn members_are_named_after_the_source() {
    let scratch = Scratch::new("named");
    scratch.file("root/dir/file", b"x");
    std::os::unix::fs::symlink("dir/file", scratch.path("root/link")).unwrap();
    let root = Opened::at(&scratch.path("root"));
    let cases: &[(&str, bool, &[&str])] = &[
        ("/dir", false, &["dir/", "dir/file"]),
        ("dir/", false, &["dir/", "dir/file"]),
        ("/dir/.", false, &["./", "./file"]),
        ("/dir/file", false, &["file"]),
        ("/link", false, &["link -> dir/file"]),
        ("/link", true, &["link"]),
    ];
    for (from, follow_links, wanted) in cases {
        let options = CopyOptions { follow_links: *follow_links, ..CopyOptions::default() };
        let mut bytes = Vec::new();
        download_tar(&root.root(), &text(from), &mut bytes, &options).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let names = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            match entry.link_name().unwrap() {
                Some(target) => format!("{name} -> {}", target.display()),
                None => name,
            }
        });
        assert_eq!(&names.collect::<Vec<_>>(), wanted, "{from}");
    }
}

#[test]
fn owners_in_archives_are_those_inside_the_container() {
    if not_root() {
        return;
    }
    let scratch = Scratch::new("tar-owners");
    let file = scratch.file("root/file", b"x");
    std::os::unix::fs::lchown(&file, Some(5003), Some(5000)).unwrap();
    let ids = [IdRange { inside: 0, outside: 5000, count: 10 }];
    let opened = Opened::at(&scratch.path("root"));
    let root = Root { uids: &ids, gids: &ids, ..opened.root() };
    let mut bytes = Vec::new();
    download_tar(&root, &text("/file"), &mut bytes, &CopyOptions::default()).unwrap();
    let header = tar::Header::from_byte_slice(&bytes[bytes.len() - 2048..][..512]);
    assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (3, 0));
    scratch.dir("root/kept");
    scratch.dir("root/given");
    upload_tar(&root, &bytes[..], &text("/kept"), &archive()).unwrap();
    upload_tar(&root, &bytes[..], &text("/given"), &CopyOptions::default()).unwrap();
    assert_eq!(fs::metadata(scratch.path("root/kept/file")).unwrap().uid(), 5003);
    assert_eq!(fs::metadata(scratch.path("root/given/file")).unwrap().uid(), 5000);
}

#[test]
fn a_deep_tree_goes_through_an_archive() {
    const DEPTH: usize = 1200;
    let scratch = Scratch::new("tar-deep");
    let mut directory = rustix::fs::open(scratch.dir("root/top"), LOOK, Mode::empty()).unwrap();
    for _ in 0..DEPTH {
        rustix::fs::mkdirat(&directory, "level", Mode::RWXU).unwrap();
        directory = rustix::fs::openat(&directory, "level", LOOK, Mode::empty()).unwrap();
    }
    let file = rustix::fs::openat(&directory, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
    rustix::io::write(&file, b"bottom").unwrap();
    drop((file, directory));
    let root = Opened::at(&scratch.path("root"));
    let mut bytes = Vec::new();
    download_tar(&root.root(), &text("/top"), &mut bytes, &archive()).unwrap();
    scratch.dir("root/new");
    let summary = upload_tar(&root.root(), &bytes[..], &text("/new"), &archive()).unwrap();
    assert_eq!((summary.directories, summary.files, summary.bytes), (DEPTH as u64 + 1, 1, 6));
    for name in ["top", "new"] {
        remove_tree(root.0.as_fd(), &text(name)).unwrap();
    }
}

#[test]
fn parents_that_are_missing_are_made() {
    let scratch = Scratch::new("tar-parents");
    let root = Opened::at(&scratch.dir("root"));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o640);
    builder.append_data(&mut header, "a/b/c/file", &b"x"[..]).unwrap();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    header.set_mode(0o500);
    header.set_mtime(99);
    builder.append_data(&mut header, "a/b", &b""[..]).unwrap();
    let bytes = builder.into_inner().unwrap();
    upload_tar(&root.root(), &bytes[..], &text("/"), &CopyOptions::default()).unwrap();
    let of = |path: &str| fs::metadata(scratch.path("root").join(path)).unwrap();
    assert_eq!((of("a").mode() & 0o7777, of("a/b").mode() & 0o7777, of("a/b").mtime()), (0o755, 0o500, 99));
    assert_eq!((of("a/b/c").mode() & 0o7777, of("a/b/c/file").mode() & 0o7777), (0o755, 0o640));
    for to in ["/missing", "/a/b/c/file"] {
        let error = upload_tar(&root.root(), &bytes[..], &text(to), &CopyOptions::default()).unwrap_err();
        assert!(error.hint().unwrap().contains("a directory that exists"), "{error}");
    }
}

#[test]
fn a_stream_that_breaks_is_reported() {
    let scratch = Scratch::new("tar-broken");
    scratch.file("root/file", &[7; 100_000]);
    let root = Opened::at(&scratch.path("root"));
    let mut room = [0u8; 50_000];
    let error =
        download_tar(&root.root(), &text("/file"), Cursor::new(&mut room[..]), &archive()).unwrap_err();
    assert!(error.to_string().contains("write the archive"), "{error}");
    let mut bytes = Vec::new();
    download_tar(&root.root(), &text("/file"), &mut bytes, &archive()).unwrap();
    scratch.dir("root/new");
    for cut in [100, 700, 1100, 50_000, 100_000] {
        let error = upload_tar(&root.root(), &bytes[..cut], &text("/new"), &archive()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{cut}: {error}");
        assert!(!scratch.path("root/new/file").exists());
    }
}
