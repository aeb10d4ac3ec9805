//! Where a root file system comes from, and what becomes of writes to it.

use std::fs;

use containerv::spec::request::{Mount, MountOptions, MountSource, Overlay, Request, Root};
use containerv::spec::state::Status;
use containerv::{Container, ErrorKind};
use containerv_tests::Bed;

fn text(container: &Container, script: &str) -> String {
    let output = container.command("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_directory_is_used_in_place() {
    let bed = Bed::new();
    bed.text(|_| {}, "echo changed > /etc/motd");
    assert_eq!(fs::read_to_string(bed.in_root("etc/motd")).unwrap(), "changed\n");
}

#[test]
fn a_read_only_root_refuses_writes_but_its_mounts_do_not() {
    let bed = Bed::new();
    let read_only = |request: &mut Request| {
        request.read_only = true;
        request.mounts.push(Mount {
            source: MountSource::Tmpfs { size: None, mode: None },
            target: "/tmp".into(),
            read_only: false,
            options: MountOptions::default(),
        });
    };
    let script = "for f in /x /etc/passwd /var/x; do (: >> $f) 2>&1 | grep -o Read-only; done; \
                  echo y > /tmp/x; cat /tmp/x; echo y > /dev/shm/x; echo y > /dev/null; \
                  mount -o remount,rw / 2>/dev/null || echo kept";
    assert_eq!(bed.text(read_only, script), "Read-only\nRead-only\nRead-only\ny\nkept");
    assert!(!bed.in_root("x").exists());
    let container = bed.keeper(read_only);
    assert!(!container.command("touch").arg("/x").status().unwrap().success());
}

#[test]
fn an_overlay_of_the_container_goes_with_it() {
    let bed = Bed::new();
    let container = bed.keeper(|request| request.overlay = Overlay::Container);
    text(&container, "echo changed > /etc/motd; rm /etc/group; rm /bin/yes; echo a > /new");
    assert_eq!(text(&container, "cat /etc/motd /new"), "changed\na");
    assert!(!bed.in_root("etc/motd").exists() && !bed.in_root("new").exists());
    assert!(bed.in_root("etc/group").exists() && bed.in_root("bin/busybox").exists());
}

#[test]
fn an_overlay_of_the_container_is_there_when_it_runs_again() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.overlay = Overlay::Container;
    request.process = Some(containerv_tests::shell("echo x >> /count; exit $(wc -l < /count)"));
    let container = Container::run_detached(bed.host(), request).unwrap();
    assert_eq!(container.wait().unwrap().code, 1);
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 2);
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 3);
    assert_eq!(container.state().unwrap().status, Status::Exited);
}

#[test]
fn an_overlay_in_memory_is_gone_when_it_runs_again() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.overlay = Overlay::Memory;
    request.process = Some(containerv_tests::shell("echo x >> /count; exit $(wc -l < /count)"));
    let container = Container::run_detached(bed.host(), request).unwrap();
    assert_eq!(container.wait().unwrap().code, 1);
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 1);
    assert!(!bed.in_root("count").exists());
}

#[test]
fn a_kept_overlay_outlives_the_container_and_can_be_used_again() {
    let bed = Bed::new();
    let layer = bed.path("layer");
    let kept = |request: &mut Request| request.overlay = Overlay::Kept(layer.to_str().unwrap().into());
    bed.text(kept, "echo first > /note; rm /etc/group");
    assert_eq!(bed.text(kept, "cat /note; ls /etc"), "first\npasswd");
    assert!(layer.is_dir());
    assert!(!bed.in_root("note").exists() && bed.in_root("etc/group").exists());
}

#[test]
fn a_read_only_root_over_an_overlay_is_read_only() {
    let bed = Bed::new();
    let both = |request: &mut Request| {
        request.overlay = Overlay::Container;
        request.read_only = true;
    };
    assert_eq!(bed.text(both, "(: > /x) 2>&1 | grep -o Read-only"), "Read-only");
}

#[test]
fn a_root_that_is_missing_or_no_directory_is_an_error_that_names_it() {
    let bed = Bed::new();
    fs::write(bed.path("file"), "").unwrap();
    for name in ["absent", "file"] {
        let path = bed.path(name);
        let mut request = bed.request();
        request.root = Root::Directory(path.to_str().unwrap().into());
        request.process = Some(containerv_tests::shell("true"));
        let error = Container::run_detached(bed.host(), request).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        bed.assert_nothing_left("after a failed creation");
    }
}

#[test]
fn the_hosts_root_is_refused() {
    let bed = Bed::new();
    for root in ["/", "//", "relative", ""] {
        let mut request = bed.request();
        request.root = Root::Directory(root.into());
        let error = Container::create(bed.host(), request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{root}");
        assert!(error.to_string().contains("`--rootfs"), "{error}");
    }
}

#[test]
fn nothing_of_the_old_root_can_be_reached() {
    let bed = Bed::new();
    let mounts = bed.text(|_| {}, "cut -d' ' -f5 /proc/self/mountinfo");
    let odd: Vec<&str> = mounts
        .lines()
        .filter(|at| *at != "/" && !["/proc", "/sys", "/dev"].iter().any(|top| at.starts_with(top)))
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    // The root's parent is the root, for a process that has chroot as well.
    let script = "cd /; ls -d ../../../../bin; readlink /proc/1/root; readlink /proc/self/cwd";
    assert_eq!(bed.text(|_| {}, script), "../../../../bin\n/\n/");
}
