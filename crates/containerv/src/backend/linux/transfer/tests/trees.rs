//! Trees arrive as they left, compared with `cp -a`.

use std::os::unix::fs::symlink;

use super::*;
use crate::copy::CopyProgress;

#[test]
fn a_tree_goes_in_and_out_as_cp_would_copy_it() {
    if not_root() {
        return;
    }
    let scratch = Scratch::new("varied");
    let source = varied_tree(&scratch, "source");
    add_what_root_makes(&source);
    stamp(&source, 77);
    let expected = scratch.path("expected");
    run("cp", &[&"-a", &source, &expected]);
    let root = Opened::at(&scratch.dir("root"));

    let summary = upload(&root.root(), &source, &text("/tree"), &archive()).unwrap();
    let wanted = fingerprint(&expected);
    assert_eq!(fingerprint(&scratch.path("root/tree")), wanted);
    let back = scratch.path("back");
    let down = download(&root.root(), &text("tree"), &back, &archive()).unwrap();
    assert_eq!(fingerprint(&back), wanted);
    assert_eq!(summary, down);
    assert_eq!((summary.files, summary.directories, summary.symlinks, summary.special), (8, 5, 3, 2));
    assert_eq!(summary.skipped_count, 0);
}

#[test]
fn without_keeping_owners_files_belong_to_the_other_side() {
    if not_root() {
        return;
    }
    let scratch = Scratch::new("owners");
    let source = scratch.dir("source");
    let program = scratch.file("source/program", b"x");
    std::os::unix::fs::lchown(&program, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o6755)).unwrap();
    let uids = [IdRange { inside: 0, outside: 5000, count: 10 }];
    let opened = Opened::at(&scratch.dir("root"));
    let root = Root { uids: &uids, gids: &uids, ..opened.root() };

    upload(&root, &source, &text("/in"), &CopyOptions::default()).unwrap();
    let inside = fs::metadata(scratch.path("root/in/program")).unwrap();
    assert_eq!((inside.uid(), inside.gid(), inside.mode() & 0o7777), (5000, 5000, 0o755));

    std::os::unix::fs::lchown(scratch.path("root/in/program"), Some(5007), Some(5009)).unwrap();
    fs::set_permissions(scratch.path("root/in/program"), fs::Permissions::from_mode(0o4711)).unwrap();
    download(&root, &text("/in"), &scratch.path("mine"), &CopyOptions::default()).unwrap();
    let mine = fs::metadata(scratch.path("mine/program")).unwrap();
    assert_eq!((mine.uid(), mine.gid(), mine.mode() & 0o7777), (0, 0, 0o711));
    download(&root, &text("/in"), &scratch.path("kept"), &archive()).unwrap();
    let kept = fs::metadata(scratch.path("kept/program")).unwrap();
    assert_eq!((kept.uid(), kept.gid(), kept.mode() & 0o7777), (7, 9, 0o711));

    let error = upload(&root, &source, &text("/no"), &archive()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("id 1000 is not in the container's mapping"), "{error}");
}

#[test]
fn a_tree_may_be_deeper_than_paths_and_descriptors_go() {
    const DEPTH: usize = 3000;
    let scratch = Scratch::quick("deep");
    let mut directory = rustix::fs::open(scratch.dir("source"), LOOK, Mode::empty()).unwrap();
    for level in 0..DEPTH {
        rustix::fs::mkdirat(&directory, "level", Mode::RWXU).unwrap();
        rustix::fs::mkdirat(&directory, "side", Mode::RWXU).unwrap();
        if level % 100 == 0 {
            rustix::fs::symlinkat("x", &directory, "link").unwrap();
        }
        directory = rustix::fs::openat(&directory, "level", LOOK, Mode::empty()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let file = rustix::fs::openat(&directory, "first", flags, Mode::RWXU).unwrap();
    rustix::io::write(&file, b"bottom").unwrap();
    rustix::fs::linkat(&directory, "first", &directory, "second", rustix::fs::AtFlags::empty()).unwrap();

    let root = Opened::at(&scratch.dir("root"));
    let most = std::sync::Arc::new(AtomicU32::new(0));
    let (seen, top) = (most.clone(), scratch.path(""));
    let progress = CopyProgress::new(move |summary| {
        if summary.directories % 500 == 0 {
            seen.fetch_max(descriptors_below(&top), Ordering::Relaxed);
        }
    });
    let options = CopyOptions { progress: Some(progress), ..archive() };
    let summary = upload(&root.root(), &scratch.path("source"), &text("/"), &options).unwrap();
    let most = most.load(Ordering::Relaxed);
    assert!((10..200).contains(&most), "{most} descriptors");
    assert_eq!(summary.directories, 2 * DEPTH as u64 + 1);
    assert_eq!((summary.files, summary.symlinks, summary.bytes), (2, DEPTH as u64 / 100, 6));
    let bottom = vec![b"level".to_vec(); DEPTH].join(&b'/');
    let bottom = place::open_below(root.0.as_fd(), &[b"source/", &bottom[..]].concat()).unwrap();
    let [first, second] = [c"first", c"second"].map(|name| Node::at(&bottom, name).unwrap());
    assert_eq!((first.id, first.links, first.size), (second.id, 2, 6));
    // `remove_dir_all` of the standard library cannot go this deep everywhere.
    run("rm", &[&"-rf", &scratch.path("source"), &scratch.path("root")]);
}

/// Counts open files below a directory, and those whose path is too long to be told.
fn descriptors_below(top: &Path) -> u32 {
    let opened = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.ok());
    let targets = opened.map(|entry| fs::read_link(entry.path()));
    targets.filter(|target| target.as_ref().map_or(true, |path| path.starts_with(top))).count() as u32
}

#[test]
fn a_wide_directory_is_copied_completely() {
    let scratch = Scratch::new("wide");
    let source = scratch.dir("source");
    for number in 0..3000 {
        fs::write(source.join(format!("file-{number}")), number.to_string()).unwrap();
        fs::create_dir(source.join(format!("a-directory-with-a-rather-long-name-{number:0150}"))).unwrap();
    }
    let root = Opened::at(&scratch.dir("root"));
    let summary = upload(&root.root(), &source, &text("/wide"), &archive()).unwrap();
    assert_eq!((summary.files, summary.directories), (3000, 3001));
    assert_eq!(fingerprint(&scratch.path("root/wide")), fingerprint(&source));
}

#[test]
fn sockets_and_devices_are_left_out_and_named() {
    let scratch = Scratch::new("special");
    let source = scratch.dir("source/run");
    let _listener = std::os::unix::net::UnixListener::bind(source.join("s")).unwrap();
    let root = Opened::at(&scratch.dir("root"));
    let summary =
        upload(&root.root(), &scratch.path("source"), &text("/x"), &CopyOptions::default()).unwrap();
    assert_eq!(summary.skipped[0].to_string(), "`run/s`: left out: a socket");
    assert!(!scratch.path("root/x/run/s").exists());
    if not_root() {
        return;
    }
    add_what_root_makes(&varied_tree(&scratch, "root/varied"));
    let out =
        download(&root.root(), &text("/varied"), &scratch.path("out"), &CopyOptions::default()).unwrap();
    assert_eq!((out.skipped.len(), out.skipped[0].reason), (1, SkipReason::Device));
    assert!(!scratch.path("out/null").exists());
    let alone = download(&root.root(), &text("/varied/null"), &scratch.path("n"), &CopyOptions::default());
    assert_eq!(alone.unwrap().skipped_count, 1);
}

#[test]
fn file_systems_of_the_kernel_are_not_copied() {
    let root = Opened::at(Path::new("/"));
    let scratch = Scratch::new("kernel");
    for path in ["/proc", "/proc/self", "/proc/cpuinfo", "/proc/1/mem", "/sys/kernel"] {
        let error =
            download(&root.root(), &text(path), &scratch.path("x"), &CopyOptions::default()).unwrap_err();
        assert!(error.to_string().contains("file system of the kernel"), "{path}: {error}");
        assert!(!scratch.path("x").exists());
    }
    // A name of this process: the least that can be written there.
    let name = format!("/proc/{}/comm", std::process::id());
    let file = scratch.file("file", b"written");
    let link = scratch.path("link");
    symlink(&name, &link).unwrap();
    let before = fs::read(&name).unwrap();
    for plain in [false, true] {
        let options = CopyOptions { plain, ..CopyOptions::default() };
        for target in [&name[..], link.to_str().unwrap(), "/proc/self/new"] {
            upload(&root.root(), &file, &text(target), &options).unwrap_err();
        }
    }
    assert_eq!(fs::read(&name).unwrap(), before);
}

#[test]
fn the_jumping_links_of_procfs_are_not_followed() {
    let root = Opened::at(Path::new("/"));
    let scratch = Scratch::new("magic");
    let pid = std::process::id();
    for path in [format!("/proc/{pid}/root/etc/hostname"), format!("/proc/{pid}/cwd/Cargo.toml")] {
        let error = download(&root.root(), &text(&path), &scratch.path("x"), &CopyOptions::default());
        assert_eq!(error.unwrap_err().raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }
}

#[test]
fn mounts_of_the_kernel_below_a_tree_are_left_out() {
    if not_root() {
        return;
    }
    let scratch = Scratch::new("mounts");
    scratch.file("root/data/keep", b"kept");
    let mounted = scratch.dir("root/data/proc");
    let masked = scratch.file("root/data/masked", b"");
    run("mount", &[&"-t", &"proc", &"proc", &mounted]);
    run("mount", &[&"--bind", &"/proc/cpuinfo", &masked]);
    let root = Opened::at(&scratch.path("root"));
    let result = download(&root.root(), &text("/data"), &scratch.path("out"), &CopyOptions::default());
    let write = upload(&root.root(), &scratch.path("root/data/keep"), &text("/data/masked"), &archive());
    run("umount", &[&mounted]);
    run("umount", &[&masked]);
    let summary = result.unwrap();
    assert_eq!((summary.files, summary.directories, summary.skipped_count), (1, 1, 2));
    assert!(summary.skipped.iter().all(|skipped| skipped.reason == SkipReason::KernelFileSystem));
    assert!(!scratch.path("out/proc").exists() && scratch.path("out/keep").exists());
    assert!(write.unwrap_err().to_string().contains("file system of the kernel"));
}

#[test]
fn a_file_that_is_a_mount_is_written_in_place() {
    if not_root() {
        return;
    }
    let scratch = Scratch::new("bound");
    let behind = scratch.file("behind", b"old and long");
    let target = scratch.file("root/box/hosts", b"");
    run("mount", &[&"--bind", &behind, &target]);
    let root = Opened::at(&scratch.path("root"));
    let new = scratch.file("new", b"new");
    let result = upload(&root.root(), &new, &text("/box/hosts"), &CopyOptions::default());
    run("umount", &[&target]);
    assert_eq!(result.unwrap().bytes, 3);
    assert_eq!(fs::read(behind).unwrap(), b"new");
}

#[test]
fn a_directory_is_not_copied_into_itself() {
    let scratch = Scratch::new("itself");
    scratch.file("tree/a/file", b"x");
    let root = Opened::at(&scratch.path(""));
    for target in ["/tree/a/new", "/tree/a", "/tree"] {
        let error = upload(&root.root(), &scratch.path("tree"), &text(target), &archive()).unwrap_err();
        assert!(error.to_string().contains("into itself"), "{target}: {error}");
    }
}

#[test]
fn access_control_lists_are_kept_with_owners() {
    if not_root() {
        return;
    }
    let scratch = Scratch::new("acl");
    let file = scratch.file("source/file", b"x");
    // user::rw-, user:1000:r--, group::r--, mask::r--, other::---, as linux/posix_acl_xattr.h lays it out.
    let entries =
        [(1u16, 6u16, u32::MAX), (2, 4, 1000), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
    let mut list = vec![2, 0, 0, 0];
    for (tag, permissions, id) in entries {
        list.extend_from_slice(&tag.to_le_bytes());
        list.extend_from_slice(&permissions.to_le_bytes());
        list.extend_from_slice(&id.to_le_bytes());
    }
    set_attribute(&file, "system.posix_acl_access", &list);
    let root = Opened::at(&scratch.dir("root"));
    upload(&root.root(), &scratch.path("source"), &text("/kept"), &archive()).unwrap();
    assert_eq!(fingerprint(&scratch.path("root/kept")), fingerprint(&scratch.path("source")));
    upload(&root.root(), &scratch.path("source"), &text("/bare"), &CopyOptions::default()).unwrap();
    assert_eq!(attributes_of(&scratch.path("root/bare/file")), []);
}
