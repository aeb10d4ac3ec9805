//! Copies into and out of containers that fight back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use containerv::spec::request::Share;
use containerv::{Container, CopyOptions};
use containerv_tests::Bed;
use containerv_tests::machine::is_root;
use rustix::fs::inotify;

use crate::{Attacker, canary, fingerprint};

fn assert_not_of_the_host(top: &Path) {
    if !top.exists() {
        return;
    }
    for (path, line) in fingerprint(top) {
        assert!(!line.contains(&format!("{:?}", b"of the host")), "{}", path.display());
    }
}

/// Copies in both directions while names on the way are swapped for links to the canary.
fn contest(bed: &Bed, container: &Container, canary: &Path, rounds: usize) -> usize {
    let before = fingerprint(canary);
    let source = bed.path("source");
    let target = bed.path("target");
    fs::create_dir_all(source.join("sub")).unwrap();
    fs::write(source.join("file"), "uploaded").unwrap();
    fs::write(source.join("sub/file"), "uploaded").unwrap();
    let mut done = 0;
    for round in 0..rounds {
        let options = CopyOptions { follow_links: round % 3 == 0, ..CopyOptions::default() };
        let (from, to) = match round % 3 {
            0 => (source.join("."), "/tmp/a/victim"),
            1 => (source.join("file"), "/tmp/a/victim/file"),
            _ => (source.join("sub"), "/tmp/a/victim/sub/.."),
        };
        done += usize::from(container.upload(from, to, &options).is_ok());
        let from = ["/tmp/a/victim", "/tmp/a/victim/file", "/tmp/a/victim/sub/../file"][round % 3];
        done += usize::from(container.download(from, &target, &options).is_ok());
        assert_not_of_the_host(&target);
        let _ = fs::remove_dir_all(&target).or_else(|_| fs::remove_file(&target));
    }
    assert_eq!(fingerprint(canary), before);
    done
}

#[test]
fn cve_2018_15664_copies_against_a_swapper_stay_in_running_and_stopped_containers() {
    let bed = Bed::new();
    let canary = canary(&bed);
    for name in ["tmp/a/victim/sub", "tmp/b"] {
        fs::create_dir_all(bed.in_root(name)).unwrap();
    }
    for name in ["file", "sub/file"] {
        fs::write(bed.in_root("tmp/a/victim").join(name), "harmless").unwrap();
    }
    symlink(&canary, bed.in_root("tmp/b/link")).unwrap();
    symlink(canary.join("file"), bed.in_root("tmp/b/file")).unwrap();
    let running = bed.keeper(|_| {});
    // It has the same root, and does not run.
    let stopped = bed.keeper(|_| {});
    stopped.stop(None).unwrap();
    let pairs = ["/tmp/a/victim", "/tmp/b/link", "/tmp/a/victim/file", "/tmp/b/file"];
    let swapper = Attacker::start(&bed, &running, &[&["swap"], &pairs[..]].concat());
    let done = (contest(&bed, &running, &canary, 300), contest(&bed, &stopped, &canary, 60));
    swapper.stop();
    println!("{done:?} copies succeeded");
    assert!(done.0 > 0 && done.1 > 0, "{done:?}");
}

#[test]
fn magic_links_of_a_container_with_the_hosts_processes_lead_no_copy_to_the_host() {
    let bed = Bed::new();
    let canary = canary(&bed);
    let before = fingerprint(&canary);
    let container = bed.keeper(|request| request.namespaces.pid = Share::Host);
    let own = std::process::id();
    let file = canary.join("file");
    symlink(format!("/proc/{own}/root{}", canary.display()), bed.in_root("mnt/link")).unwrap();
    symlink(format!("/proc/{own}/cwd"), bed.in_root("mnt/cwd")).unwrap();
    let (options, target) =
        (CopyOptions { follow_links: true, ..CopyOptions::default() }, bed.path("target"));
    for from in [format!("/proc/{own}/root{}", file.display()), "/mnt/link/file".into(), "/mnt/link/.".into()]
    {
        assert!(container.download(from.as_str(), &target, &options).is_err(), "{from}");
        assert_not_of_the_host(&target);
    }
    for to in [format!("/proc/{own}/root{}", file.display()), "/mnt/link/file".into(), "/mnt/link".into()] {
        assert!(container.upload(&file, to.as_str(), &options).is_err(), "{to}");
    }
    assert!(container.download("/mnt/cwd/.", &target, &options).is_err());
    assert_eq!(fingerprint(&canary), before);
}

/// Files of a container that a host's program might load or execute by name.
const LURES: [&str; 10] = [
    "lib/x86_64-linux-gnu/libnss_files.so.2",
    "lib/x86_64-linux-gnu/libnss_compat.so.2",
    "usr/lib/x86_64-linux-gnu/libnss_systemd.so.2",
    "lib64/libnss_files.so.2",
    "usr/bin/xz",
    "usr/bin/gzip",
    "usr/bin/unpigz",
    "usr/bin/tar",
    "usr/sbin/newuidmap",
    "etc/nsswitch.conf",
];

#[test]
fn cve_2019_14271_nothing_of_the_container_is_loaded_or_executed_by_copies_and_lookups() {
    let bed = Bed::new();
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).unwrap();
    for lure in LURES {
        let path = bed.in_root(lure);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy("/usr/bin/busybox", &path).unwrap();
        inotify::add_watch(&watch, &path, inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS).unwrap();
    }
    let opened = || {
        let mut space = [std::mem::MaybeUninit::uninit(); 4096];
        inotify::Reader::new(&watch, &mut space).next().is_ok()
    };
    let container = bed.keeper(|_| {});
    let stopped = bed.keeper(|_| {});
    stopped.stop(None).unwrap();
    let source = bed.make_directory("source");
    fs::write(source.join("file"), "uploaded").unwrap();
    let options = CopyOptions { keep_owner: is_root(), ..CopyOptions::default() };
    for container in [&container, &stopped] {
        container.upload(&source, "/mnt", &options).unwrap();
        container.download("/mnt/source", bed.path("got"), &options).unwrap();
        let mut archive = Vec::new();
        container.download_tar("/mnt", &mut archive, &options).unwrap();
        container.upload_tar(&archive[..], "/tmp", &options).unwrap();
        // A compressed archive is not handed to a program that it names.
        for magic in [&b"\x1f\x8b\x08"[..], b"\xfd7zXZ\0", b"BZh9", b"\x28\xb5\x2f\xfd"] {
            assert!(container.upload_tar(&[magic, &[0; 1024]].concat()[..], "/tmp", &options).is_err());
        }
        fs::remove_dir_all(bed.path("got")).unwrap();
    }
    for user in ["alice", "alice:audio", "1000", "nobody"] {
        assert!(container.command("true").user(user).status().unwrap().success());
    }
    assert!(container.command("true").user("mallory").status().is_err());
    for line in [&["cp", "-", "/tmp/x"][..], &["top"], &["stats", "--no-stream"], &["inspect"]] {
        cv_on(&bed, &container, line, &source);
    }
    assert!(!opened(), "something was opened");
    fs::read(bed.in_root(LURES[0])).unwrap();
    assert!(opened(), "the watch does not work");
}

/// Runs a verb of `cv` on a container; the copy gets its place.
fn cv_on(bed: &Bed, container: &Container, line: &[&str], source: &Path) {
    let id = container.id().short();
    let place = format!("{id}:/tmp/x");
    let words = match line[0] {
        "cp" => vec!["cp", source.to_str().unwrap(), &place],
        _ => [line, &[id]].concat(),
    };
    if let Some(output) = crate::cv(bed, &words) {
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
}
