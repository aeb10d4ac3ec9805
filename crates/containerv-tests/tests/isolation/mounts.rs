//! Mounts that a request asks for.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use containerv::spec::OsText;
use containerv::spec::request::{Mount, MountOptions, MountSource, Propagation, Request};
use containerv::{Container, ErrorKind};
use containerv_tests::Bed;

fn bind(bed: &Bed, name: &str, target: &str) -> Mount {
    let path = OsText::from(bed.path(name).to_str().unwrap());
    let source = MountSource::Bind { path, recursive: true };
    Mount { source, target: target.into(), read_only: false, options: MountOptions::default() }
}

fn tmpfs(target: &str, size: Option<u64>, mode: Option<u32>) -> Mount {
    let source = MountSource::Tmpfs { size, mode };
    Mount { source, target: target.into(), read_only: false, options: MountOptions::default() }
}

fn text(container: &Container, script: &str) -> String {
    let output = container.command("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_single_file_can_be_bound() {
    let bed = Bed::new();
    fs::write(bed.path("file"), "one").unwrap();
    let mut mount = bind(&bed, "file", "/etc/settings");
    mount.options.create_target = true;
    mount.read_only = true;
    assert_eq!(bed.text(|request| request.mounts.push(mount), "cat /etc/settings"), "one");
}

#[test]
fn read_only_means_every_mount_below_as_well() {
    let bed = Bed::new();
    let data = bed.make_directory("data/sub");
    let _sub = bed.mount(&["-t", "tmpfs", "none"], &data);
    fs::write(data.join("x"), "seen").unwrap();
    let mut mount = bind(&bed, "data", "/mnt");
    mount.read_only = true;
    let script =
        "cat /mnt/sub/x; for f in /mnt/y /mnt/sub/y /mnt/sub/x; do (: > $f) 2>&1 | grep -o Read-only; done";
    let seen = bed.text(|request| request.mounts.push(mount), script);
    assert_eq!(seen, "seenRead-only\nRead-only\nRead-only");
    let names: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["x"]);
    assert_eq!(fs::read_to_string(data.join("x")).unwrap(), "seen");
}

#[test]
fn root_inside_cannot_make_a_read_only_bind_writable_again() {
    let bed = Bed::new();
    bed.make_directory("data");
    let mut mount = bind(&bed, "data", "/mnt");
    mount.read_only = true;
    let output = bed.run(|request| request.mounts.push(mount), "mount -o remount,rw,bind /mnt || : > /mnt/y");
    assert!(!output.status.success());
    assert_eq!(fs::read_dir(bed.path("data")).unwrap().count(), 0);
}

#[test]
fn mounts_below_stay_away_unless_asked_for() {
    let bed = Bed::new();
    let data = bed.make_directory("data/sub");
    let _sub = bed.mount(&["-t", "tmpfs", "none"], &data);
    fs::write(data.join("x"), "").unwrap();
    let mut mount = bind(&bed, "data", "/mnt");
    let path = OsText::from(bed.path("data").to_str().unwrap());
    mount.source = MountSource::Bind { path, recursive: false };
    assert_eq!(bed.text(|request| request.mounts.push(mount), "ls /mnt /mnt/sub"), "/mnt:\nsub\n\n/mnt/sub:");
}

#[test]
fn a_tmpfs_has_the_size_and_mode_that_were_asked_for() {
    let bed = Bed::new();
    let seen = bed.text(
        |request| request.mounts.push(tmpfs("/mnt", Some(1 << 20), Some(0o750))),
        "stat -c %a /mnt; stat -f -c %T /mnt; dd if=/dev/zero of=/mnt/x bs=1M count=2 2>&1 | grep -c 'No space'; stat -c %s /mnt/x",
    );
    assert_eq!(seen, "750\ntmpfs\n1\n1048576");
}

#[test]
fn options_of_a_mount_are_in_effect() {
    let bed = Bed::new();
    let data = bed.make_directory("data");
    containerv_tests::machine::run("cp", &["/usr/bin/busybox", data.join("true").to_str().unwrap()]);
    let plain = bind(&bed, "data", "/mnt");
    let mut noexec = plain.clone();
    noexec.options.noexec = true;
    assert!(bed.run(|request| request.mounts.push(plain), "/mnt/true").status.success());
    assert_eq!(bed.run(|request| request.mounts.push(noexec), "/mnt/true").status.code(), Some(126));
    let options = bed.text(
        |request| request.mounts.push(tmpfs("/mnt", None, None)),
        "grep ' /mnt ' /proc/self/mountinfo | cut -d' ' -f6",
    );
    assert_eq!(options, "rw,nosuid,nodev,relatime");
}

#[test]
fn a_device_node_in_a_bound_directory_is_useless() {
    let bed = Bed::new();
    let data = bed.make_directory("data");
    containerv_tests::machine::run("mknod", &[data.join("zero").to_str().unwrap(), "c", "1", "5"]);
    let plain = bind(&bed, "data", "/mnt");
    let mut allowed = plain.clone();
    allowed.options.dev = true;
    let script = "head -c 4 /mnt/zero | wc -c";
    assert_eq!(bed.text(|request| request.mounts.push(plain), script), "0");
    assert_eq!(bed.text(|request| request.mounts.push(allowed), script), "4");
}

#[test]
fn mounts_are_made_in_their_order() {
    let bed = Bed::new();
    let data = bed.make_directory("data");
    fs::write(data.join("x"), "deep").unwrap();
    let mut inner = bind(&bed, "data", "/mnt/a/b");
    inner.options.create_target = true;
    let seen =
        bed.text(|request| request.mounts.extend([tmpfs("/mnt", None, None), inner]), "cat /mnt/a/b/x");
    assert_eq!(seen, "deep");
    assert!(!bed.in_root("mnt/a").exists(), "the mount point belongs into the tmpfs");
}

#[test]
fn a_missing_source_or_target_is_an_error_that_names_it() {
    let bed = Bed::new();
    let failure = |mount: Mount| {
        let mut request = bed.request();
        request.mounts.push(mount);
        let error = Container::create(bed.host(), request).unwrap_err();
        bed.assert_nothing_left("after a failed creation");
        error
    };
    let error = failure(bind(&bed, "absent", "/mnt"));
    assert!(error.to_string().contains(bed.path("absent").to_str().unwrap()), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().is_some(), "{error}");
    let error = failure(tmpfs("/absent", None, None));
    assert!(error.to_string().contains("`/absent`"), "{error}");
    assert!(!bed.in_root("absent").exists());
}

/// A source whose later mounts can spread.
fn shared_source(bed: &Bed) -> containerv_tests::HostMount {
    let source = bed.make_directory("source");
    let mount = bed.mount(&["-t", "tmpfs", "none"], &source);
    containerv_tests::machine::run("mount", &["--make-shared", source.to_str().unwrap()]);
    fs::create_dir(source.join("late")).unwrap();
    mount
}

#[test]
fn a_later_mount_of_the_host_arrives_only_where_propagation_lets_it() {
    let bed = Bed::new();
    let _source = shared_source(&bed);
    let with = |propagation| {
        let mut mount = bind(&bed, "source", "/mnt");
        mount.options.propagation = propagation;
        bed.keeper(|request| request.mounts.push(mount))
    };
    let (private, slave) = (with(Propagation::Private), with(Propagation::Slave));
    let _late = bed.mount(&["-t", "tmpfs", "none"], &bed.path("source/late"));
    fs::write(bed.path("source/late/x"), "").unwrap();
    assert_eq!(text(&private, "ls /mnt/late"), "");
    assert_eq!(text(&slave, "ls /mnt/late"), "x");
}

#[test]
fn a_mount_of_the_container_spreads_only_from_a_shared_target() {
    let bed = Bed::new();
    let _source = shared_source(&bed);
    let late = bed.path("source/late");
    for (propagation, spreads) in [(Propagation::Slave, false), (Propagation::Shared, true)] {
        let mut mount = bind(&bed, "source", "/mnt");
        mount.options.propagation = propagation;
        let privileged = |request: &mut Request| {
            request.mounts.push(mount);
            request.security.privileged = true;
        };
        let container = bed.keeper(privileged);
        text(&container, "mount -t tmpfs none /mnt/late && touch /mnt/late/x");
        assert_eq!(late.join("x").exists(), spreads, "{propagation:?}");
        text(&container, "umount /mnt/late");
        assert!(!late.join("x").exists());
        container.delete(true).unwrap();
    }
}

#[test]
fn shared_memory_has_the_asked_size() {
    let bed = Bed::new();
    let script = "df -k /dev/shm | tail -1 | awk '{print $2}'; stat -c %a /dev/shm";
    assert_eq!(bed.text(|_| {}, script), "65536\n1777");
    let size = 3 << 20;
    assert_eq!(bed.text(|request| request.shm_bytes = Some(size), script), "3072\n1777");
}

#[test]
fn a_made_mount_point_belongs_to_root_with_usual_permissions() {
    let bed = Bed::new();
    bed.make_directory("data");
    let mut mount = bind(&bed, "data", "/made/here");
    mount.options.create_target = true;
    bed.text(|request| request.mounts.push(mount), "true");
    let made = fs::metadata(bed.in_root("made")).unwrap();
    assert_eq!((made.uid(), made.gid(), made.permissions().mode() & 0o7777), (0, 0, 0o755));
}

#[test]
fn targets_that_would_undo_the_protection_are_refused() {
    let bed = Bed::new();
    for target in ["/", "/proc", "/proc/sys", "//proc/1", "/./proc", "/a/../proc", "relative", ""] {
        let mut request = bed.request();
        request.mounts.push(tmpfs(target, None, None));
        let error = Container::create(bed.host(), request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{target}: {error}");
        assert!(error.to_string().contains("mount"), "{error}");
    }
}
