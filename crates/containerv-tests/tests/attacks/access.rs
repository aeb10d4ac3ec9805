//! What other users of the machine can reach.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use containerv::Container;
use containerv::spec::request::{Lifetime, Overlay, Process, Root};
use containerv_tests::machine::{is_root, status_field};
use containerv_tests::{Bed, shell, skip};
use rustix::thread::{Gid, Uid};

use crate::caller;

/// Somebody else.
const FOREIGN: u32 = 65_533;

/// Every path below a directory that belongs to the library, not to a container.
fn paths(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![top.to_owned()];
    let mut pending = vec![top.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            let own = !["rootfs", "root", "upper", "work"]
                .iter()
                .any(|name| entry.file_name().unwrap().to_string_lossy().split('-').next() == Some(name));
            if own && fs::symlink_metadata(&entry).unwrap().is_dir() {
                pending.push(entry.clone());
            }
            found.push(entry);
        }
    }
    found
}

/// A container of each kind, each with everything that one can have, by a caller whose mask lets
/// others do anything.
fn containers(bed: &Bed) -> Vec<Container> {
    let mut made = Vec::new();
    for (operation, root) in [("create", None), ("create", Some(())), ("detached", Some(()))] {
        let mut request = bed.request();
        request.name = Some(format!("c{}", made.len()));
        if root.is_some() {
            request.root = Root::Host;
        }
        request.overlay = Overlay::Container;
        request.lifetime = Lifetime::Detached;
        request.auto_remove = made.len() == 2;
        request.process = Some(Process { open_stdin: true, ..shell("echo x; sleep 1000") });
        let file = bed.path(&format!("{}.json", request.id.short()));
        fs::write(&file, serde_json::to_vec(&request).unwrap()).unwrap();
        let line = format!("umask 0; exec {} {operation} --root \"$1\" --request \"$2\"", caller().display());
        let status = Command::new("sh").args(["-c", &line, "sh"]).arg(bed.state()).arg(file).status();
        assert!(status.unwrap().success());
        made.push(bed.host().container(request.id.as_str()).unwrap());
    }
    made[0].start().unwrap();
    made
}

#[test]
fn cve_2024_25621_no_path_of_ours_is_open_to_others() {
    let bed = Bed::new();
    let made = containers(&bed);
    let own = rustix::process::geteuid().as_raw();
    let directories: Vec<PathBuf> = made.iter().map(|container| container.directory().unwrap()).collect();
    let mut sockets = 0;
    for path in paths(&bed.state()) {
        let data = fs::symlink_metadata(&path).unwrap();
        if data.is_symlink() {
            continue;
        }
        let mode = data.mode() & 0o7777;
        sockets += usize::from(data.file_type().is_socket());
        assert_eq!(data.uid(), own, "{}", path.display());
        assert_eq!(mode & 0o022, 0, "{mode:o} {}", path.display());
        // Below the directory of a container there is what it mounts, for all of its users.
        let below = directories.iter().any(|directory| path.starts_with(directory) && path != *directory);
        assert!(below || mode & 0o077 == 0, "{mode:o} {}", path.display());
        assert!(!data.file_type().is_socket() || mode & 0o077 == 0, "{mode:o} {}", path.display());
    }
    // The monitor's of each, and the gates of the two that were prepared.
    assert_eq!(sockets, made.len() + 2);
    // An abstract socket has no permissions at all.
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let mark = bed.state().display().to_string();
    let names = table.lines().filter(|line| {
        line.contains(" @") && (line.contains(&mark) || line.contains("containerv") || line.contains("cv-"))
    });
    assert_eq!(names.count(), 0);
}

/// Runs something in a thread that is somebody else, without any capability.
fn as_somebody_else<T: Send>(action: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let (uid, gid) = (Uid::from_raw(FOREIGN), Gid::from_raw(FOREIGN));
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
            rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            action()
        });
        thread.join().unwrap()
    })
}

#[test]
fn cve_2020_15257_somebody_else_can_reach_neither_the_sockets_nor_the_monitor() {
    if !is_root() {
        return skip("only root can become somebody else");
    }
    let bed = Bed::new();
    let made = containers(&bed);
    for (container, names) in made.iter().zip([&["control"][..], &["control", "gate"], &["control"]]) {
        let directory = container.directory().unwrap();
        let first = container.state().unwrap().pid.unwrap();
        let monitor = status_field(first, "PPid");
        // The name of a socket must be short.
        let short = bed.path("short");
        symlink(&directory, &short).unwrap();
        for name in names {
            // It takes packets, not a stream; whether one may connect is asked before.
            let own = UnixStream::connect(short.join(name)).unwrap_err();
            assert_eq!(own.raw_os_error(), Some(rustix::io::Errno::PROTOTYPE.raw_os_error()), "{own}");
        }
        let refused = || {
            as_somebody_else(|| {
                let denied = |error: Option<std::io::Error>, what: &str| {
                    let kind = error.map(|error| error.kind());
                    assert_eq!(kind, Some(std::io::ErrorKind::PermissionDenied), "{what}");
                };
                for name in names {
                    denied(UnixStream::connect(short.join(name)).err(), name);
                    denied(fs::write(directory.join(name), "x").err(), name);
                }
                for pid in [monitor.as_str(), &first.to_string()] {
                    denied(fs::read_dir(format!("/proc/{pid}/fd")).err(), "descriptors");
                    denied(fs::read_dir(format!("/proc/{pid}/root/")).err(), "the root");
                    denied(fs::File::open(format!("/proc/{pid}/mem")).err(), "memory");
                    denied(fs::File::open(format!("/proc/{pid}/environ")).err(), "the environment");
                }
            });
        };
        refused();
        // The socket guards itself, should somebody have opened the directories.
        let mut opened = vec![bed.state(), directory.clone()];
        opened.extend(directory.ancestors().skip(1).take_while(|path| *path != bed.state()).map(Into::into));
        for path in &opened {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        refused();
        for path in &opened {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::remove_file(&short).unwrap();
    }
}
