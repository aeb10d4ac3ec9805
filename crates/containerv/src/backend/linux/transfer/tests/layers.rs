//! Differences of overlays, and removing trees.

use std::sync::Barrier;

use super::super::changes::changes;
use super::super::remove::remove_tree;
use super::*;

/// Mounts an overlay, runs `edit` in it, unmounts it and returns what `changes` lists.
fn differences(scratch: &Scratch, lowers: &[&str], edit: &str) -> Vec<String> {
    let (upper, work, merged) = (scratch.dir("upper"), scratch.dir("work"), scratch.dir("merged"));
    let lower: Vec<_> = lowers.iter().map(|name| scratch.path(name)).collect();
    let joined = lower.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>().join(":");
    let options =
        format!("lowerdir={joined},upperdir={},workdir={},redirect_dir=off", upper.display(), work.display());
    run("mount", &[&"-t", &"overlay", &"overlay", &"-o", &options, &merged]);
    let script = format!("cd '{}' && {edit}", merged.display());
    let edited = Command::new("sh").arg("-ec").arg(&script).status().unwrap();
    run("umount", &[&merged]);
    assert!(edited.success(), "{script}");
    listed(scratch, lowers)
}

fn listed(scratch: &Scratch, lowers: &[&str]) -> Vec<String> {
    let lower: Vec<_> = lowers.iter().map(|name| Opened::at(&scratch.path(name))).collect();
    let lower: Vec<_> = lower.iter().map(|opened| opened.0.as_fd()).collect();
    let upper = Opened::at(&scratch.path("upper"));
    let points = ["/proc", "/etc/hosts", "/mnt/data", "/var/log", "/etc/motd"].map(OsText::from);
    let changes = changes(&lower, upper.0.as_fd(), &points).unwrap();
    changes.iter().map(ToString::to_string).collect()
}

fn layers() -> Scratch {
    let scratch = Scratch::new("layers");
    for name in ["base/etc/passwd", "base/etc/group", "base/usr/bin/sh", "base/var/log/a", "base/var/log/b"] {
        scratch.file(name, name.as_bytes());
    }
    scratch.file("second/etc/motd", b"second");
    scratch.file("second/usr/bin/sh", b"second");
    scratch
}

#[test]
fn what_was_only_made_to_be_mounted_on_is_no_difference() {
    if not_root() {
        return;
    }
    let scratch = layers();
    let made = "mkdir proc mnt mnt/data; : > etc/hosts";
    assert_eq!(differences(&scratch, &["second", "base"], made), ["A /mnt"]);
    let scratch = layers();
    let used = "mkdir proc; echo x > proc/x; echo x > etc/hosts; : > etc/motd; rm -r var/log; mkdir var/log";
    let wanted = [
        "C /etc",
        "A /etc/hosts",
        "C /etc/motd",
        "A /proc",
        "A /proc/x",
        "C /var",
        "C /var/log",
        "D /var/log/a",
        "D /var/log/b",
    ];
    assert_eq!(differences(&scratch, &["second", "base"], used), wanted);
}

#[test]
fn an_overlay_tells_what_was_added_modified_and_deleted() {
    if not_root() {
        return;
    }
    let scratch = layers();
    let edit = "echo x > etc/passwd; rm etc/motd; mkdir -p new/deep; echo y > new/deep/file; chmod 700 usr/bin; \
                touch untouched; rm untouched; ln -s a var/link; rm -r var/log; mkdir var/log; echo > var/log/b";
    let wanted = [
        "C /etc",
        "D /etc/motd",
        "C /etc/passwd",
        "A /new",
        "A /new/deep",
        "A /new/deep/file",
        "C /usr",
        "C /usr/bin",
        "C /var",
        "A /var/link",
        "C /var/log",
        "D /var/log/a",
        "C /var/log/b",
    ];
    assert_eq!(differences(&scratch, &["second", "base"], edit), wanted);
}

#[test]
fn an_unchanged_overlay_has_no_changes() {
    if not_root() {
        return;
    }
    let scratch = layers();
    assert_eq!(differences(&scratch, &["second", "base"], "cat etc/motd > /dev/null"), [""; 0]);
}

#[test]
fn what_a_middle_layer_hides_is_not_reported_as_deleted() {
    if not_root() {
        return;
    }
    let scratch = layers();
    fs::remove_file(scratch.path("second/etc/motd")).unwrap();
    let whiteout = |path: &str| {
        let path = scratch.path(path);
        rustix::fs::mknodat(CWD, &path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    };
    whiteout("second/etc/passwd");
    scratch.dir("second/var/log");
    set_attribute(&scratch.path("second/var/log"), "trusted.overlay.opaque", b"y");
    let edit = "echo x > etc/passwd; echo x > var/log/a; rm -r usr";
    let wanted = ["C /etc", "A /etc/passwd", "D /usr", "C /var", "C /var/log", "A /var/log/a"];
    assert_eq!(differences(&scratch, &["second", "base"], edit), wanted);
}

#[test]
fn a_file_in_the_place_of_a_directory_is_modified() {
    if not_root() {
        return;
    }
    let scratch = layers();
    let edit = "rm -r etc; echo x > etc; rm usr/bin/sh; mkdir usr/bin/sh; touch usr/bin/sh/inner";
    let wanted = ["C /etc", "C /usr", "C /usr/bin", "C /usr/bin/sh", "A /usr/bin/sh/inner"];
    assert_eq!(differences(&scratch, &["second", "base"], edit), wanted);
}

#[test]
fn a_tree_is_removed_and_what_its_links_name_is_not() {
    let scratch = Scratch::new("remove");
    varied_tree(&scratch, "state/tree");
    let outside = scratch.file("outside/file", b"canary");
    std::os::unix::fs::symlink(scratch.path("outside"), scratch.path("state/tree/a/out")).unwrap();
    for number in 0..2000 {
        scratch.file(&format!("state/tree/a/{number:0200}"), b"");
    }
    let state = Opened::at(&scratch.path("state"));
    remove_tree(state.0.as_fd(), &text("tree")).unwrap();
    assert_eq!(fs::read_dir(scratch.path("state")).unwrap().count(), 0);
    remove_tree(state.0.as_fd(), &text("tree")).unwrap();
    assert_eq!(fs::read(outside).unwrap(), b"canary");
    std::os::unix::fs::symlink(scratch.path("outside"), scratch.path("state/link")).unwrap();
    remove_tree(state.0.as_fd(), &text("link")).unwrap();
    assert!(scratch.path("outside/file").exists() && !scratch.path("state/link").exists());
    for name in ["", ".", "..", "a/b", "/", "a\0b"] {
        let error = remove_tree(state.0.as_fd(), &text(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name:?}");
    }
}

/// The monitor of a container removes its directory, and so does whoever removes the container.
#[test]
fn two_who_remove_a_tree_at_once_both_find_it_gone() {
    let scratch = Scratch::quick("remove-twice");
    let parent = Opened::at(&scratch.path(""));
    for round in 0..200 {
        for number in 0..=round % 8 {
            scratch.dir(&format!("tree/{number}/below"));
        }
        let start = Barrier::new(2);
        let remove = || {
            start.wait();
            remove_tree(parent.0.as_fd(), &text("tree"))
        };
        let results = std::thread::scope(|scope| [(); 2].map(|()| scope.spawn(remove)).map(|it| it.join()));
        results.into_iter().for_each(|result| result.unwrap().unwrap());
        assert!(!scratch.path("tree").exists());
    }
}

#[test]
fn a_tree_deeper_than_paths_go_is_removed() {
    let scratch = Scratch::quick("remove-deep");
    let mut directory = rustix::fs::open(scratch.dir("top"), LOOK, Mode::empty()).unwrap();
    for _ in 0..4000 {
        for name in ["deeper", "aside"] {
            rustix::fs::mkdirat(&directory, name, Mode::RWXU).unwrap();
        }
        directory = rustix::fs::openat(&directory, "deeper", LOOK, Mode::empty()).unwrap();
    }
    // A directory that somebody has open keeps all names above it in the kernel's cache.
    drop(directory);
    remove_tree(Opened::at(&scratch.path("")).0.as_fd(), &text("top")).unwrap();
    assert!(!scratch.path("top").exists());
}

#[test]
fn a_mount_in_a_tree_is_named_and_left_alone() {
    if not_root() {
        return;
    }
    let scratch = Scratch::new("remove-mount");
    scratch.file("other/canary", b"x");
    let (directory, file) = (scratch.dir("tree/a/b"), scratch.file("tree/c/file", b""));
    let parent = Opened::at(&scratch.path(""));
    for (source, target, named) in [
        (scratch.path("other"), directory, "remove `tree/a/b`: it is a mount point"),
        (scratch.path("other/canary"), file, "remove `tree/c/file`: it is a mount point"),
    ] {
        run("mount", &[&"--bind", &source, &target]);
        let result = remove_tree(parent.0.as_fd(), &text("tree"));
        run("umount", &[&target]);
        assert_eq!(result.unwrap_err().to_string(), named);
        assert_eq!(fs::read(scratch.path("other/canary")).unwrap(), b"x");
    }
    let top = scratch.dir("mounted");
    run("mount", &[&"--bind", &scratch.path("other"), &top]);
    let result = remove_tree(parent.0.as_fd(), &text("mounted"));
    run("umount", &[&top]);
    assert_eq!(result.unwrap_err().to_string(), "remove `mounted`: it is a mount point");
    assert!(scratch.path("other/canary").exists());
    remove_tree(parent.0.as_fd(), &text("tree")).unwrap();
}
