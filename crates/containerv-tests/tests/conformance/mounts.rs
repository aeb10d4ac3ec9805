//! Directories of the host in a container.

use std::fs;

use containerv::spec::OsText;
use containerv::spec::request::{Mount, MountOptions, MountSource};
use containerv::{Container, ErrorKind};
use containerv_tests::Bed;
use containerv_tests::inside::{self, command, said};

use crate::assert_error;

fn bind(bed: &Bed, name: &str, target: &str) -> Mount {
    let path = OsText::from(bed.path(name).to_str().unwrap());
    let source = MountSource::Bind { path, recursive: true };
    let options = MountOptions { create_target: true, ..MountOptions::default() };
    Mount { source, target: inside::path(target).as_str().into(), read_only: false, options }
}

#[test]
fn a_bound_directory_is_written_through() {
    let bed = Bed::with_program();
    let data = bed.make_directory("data");
    fs::write(data.join("in"), "from the host").unwrap();
    let mount = bind(&bed, "data", "mnt");
    let container = bed.keeper(|request| request.mounts.push(mount));
    assert_eq!(said(command(&container, &format!("read {}", inside::path("mnt/in")))), "from the host");
    said(command(&container, &format!("write {} back", inside::path("mnt/out"))));
    assert_eq!(fs::read_to_string(data.join("out")).unwrap(), "back");
    container.delete(true).unwrap();
    assert_eq!(fs::read_to_string(data.join("in")).unwrap(), "from the host");
}

#[test]
fn read_only_is_enforced() {
    let bed = Bed::with_program();
    let data = bed.make_directory("data/below");
    fs::write(data.join("in"), "seen").unwrap();
    let (mut read_only, writable) = (bind(&bed, "data", "ro"), bind(&bed, "data", "rw"));
    read_only.read_only = true;
    let container = bed.keeper(|request| request.mounts.extend([read_only, writable]));
    assert_eq!(said(command(&container, &format!("read {}", inside::path("ro/below/in")))), "seen");
    for words in ["write ro/below/out x", "append ro/below/in x", "remove ro/below/in", "mkdir ro/new"] {
        let (verb, rest) = words.split_once(' ').unwrap();
        let (path, text) = rest.split_once(' ').map_or((rest, ""), |(path, _)| (path, " x"));
        let words = format!("{verb} {}{text}", inside::path(path));
        let succeeded = command(&container, &words).output().unwrap().status.success();
        // Wine says that what it could not remove is removed.
        assert!(!succeeded || (cfg!(windows) && verb == "remove"), "{words}");
    }
    said(command(&container, &format!("write {} x", inside::path("rw/new"))));
    assert_eq!(fs::read_to_string(data.join("in")).unwrap(), "seen");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    assert_eq!(fs::read_dir(bed.path("data")).unwrap().count(), 2);
}

#[test]
fn a_missing_source_is_an_error_that_names_it() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.mounts.push(bind(&bed, "absent", "mnt"));
    let error = Container::create(bed.host(), request).unwrap_err();
    assert_error(&error, ErrorKind::NotFound, "absent");
    bed.assert_nothing_left("after a failed creation");
    assert!(!bed.path("absent").exists());
}

#[test]
fn a_missing_source_is_made_when_asked_for() {
    let bed = Bed::with_program();
    let mut mount = bind(&bed, "new/deep", "mnt");
    mount.options.create_source = true;
    let container = bed.keeper(|request| request.mounts.push(mount));
    said(command(&container, &format!("write {} kept", inside::path("mnt/x"))));
    container.delete(true).unwrap();
    assert_eq!(fs::read_to_string(bed.path("new/deep/x")).unwrap(), "kept");
}

#[test]
fn several_containers_share_a_directory() {
    let bed = Bed::with_program();
    bed.make_directory("data");
    let mount = bind(&bed, "data", "shared");
    let containers: Vec<Container> =
        (0..3).map(|_| bed.keeper(|request| request.mounts.push(mount.clone()))).collect();
    for (number, container) in containers.iter().enumerate() {
        said(command(container, &format!("write {} {number}", inside::path(&format!("shared/{number}")))));
    }
    for container in &containers {
        let seen = said(command(container, &format!("tree {}", inside::path("shared"))));
        assert_eq!(seen.lines().count(), 3, "{seen}");
    }
}

/// What is stored of the mounts of a container.
fn stored(bed: &Bed, container: &Container) -> Vec<Mount> {
    bed.host().container(container.id().as_str()).unwrap().request().mounts.clone()
}

fn reads(container: &Container, path: &str) -> bool {
    command(container, &format!("read {}", inside::path(path))).output().unwrap().status.success()
}

fn writes(container: &Container, path: &str) -> bool {
    command(container, &format!("write {} x", inside::path(path))).output().unwrap().status.success()
}

#[test]
fn directories_come_and_go_while_a_container_runs() {
    let bed = Bed::with_program();
    for name in ["one", "two"] {
        fs::write(bed.make_directory(name).join("in"), name).unwrap();
    }
    let container = bed.keeper(|_| {});
    let (one, mut two) = (bind(&bed, "one", "new/one"), bind(&bed, "two", "new/two"));
    two.read_only = true;
    container.add_mount(&one).unwrap();
    container.add_mount(&two).unwrap();
    assert_eq!(stored(&bed, &container), [one.clone(), two.clone()]);
    assert_eq!(said(command(&container, &format!("read {}", inside::path("new/two/in")))), "two");
    assert!(writes(&container, "new/one/out") && !writes(&container, "new/two/out"));
    assert_eq!(fs::read_to_string(bed.path("one/out")).unwrap(), "x");
    container.remove_mount(one.target.clone()).unwrap();
    assert!(!reads(&container, "new/one/in") && reads(&container, "new/two/in"));
    assert_eq!(stored(&bed, &container), [two]);
    // The next start has what is stored.
    container.stop(None).unwrap();
    container.start().unwrap();
    assert!(!reads(&container, "new/one/in") && reads(&container, "new/two/in"));
    assert!(!writes(&container, "new/two/out"));
    container.delete(true).unwrap();
    assert_eq!(fs::read_dir(bed.path("two")).unwrap().count(), 1);
}

#[test]
fn what_a_start_has_mounted_goes_too_and_comes_again() {
    let bed = Bed::with_program();
    fs::write(bed.make_directory("data").join("in"), "seen").unwrap();
    fs::write(bed.path("file"), "a file").unwrap();
    let (data, file) = (bind(&bed, "data", "mnt"), bind(&bed, "file", "single.txt"));
    let mounts = vec![data.clone(), file.clone()];
    let container = bed.keeper(|request| request.mounts = mounts);
    for mount in [&data, &file] {
        container.remove_mount(mount.target.clone()).unwrap();
    }
    assert!(!reads(&container, "mnt/in"));
    assert_ne!(
        command(&container, &format!("read {}", inside::path("single.txt"))).output().unwrap().stdout,
        b"a file"
    );
    for mount in [&file, &data] {
        container.add_mount(mount).unwrap();
    }
    assert_eq!(said(command(&container, &format!("read {}", inside::path("single.txt")))), "a file");
    assert!(reads(&container, "mnt/in"));
    assert_eq!(stored(&bed, &container), [file, data]);
}

#[test]
fn mounts_of_a_container_that_does_not_run_come_with_its_next_start() {
    let bed = Bed::with_program();
    bed.make_directory("data");
    let container = bed.keeper(|_| {});
    container.stop(None).unwrap();
    let mount = bind(&bed, "data", "mnt");
    container.add_mount(&mount).unwrap();
    assert_eq!(stored(&bed, &container), std::slice::from_ref(&mount));
    container.start().unwrap();
    said(command(&container, &format!("write {} x", inside::path("mnt/out"))));
    container.stop(None).unwrap();
    container.remove_mount(mount.target).unwrap();
    container.start().unwrap();
    assert!(!reads(&container, "mnt/out") && bed.path("data/out").is_file());
}

#[test]
fn a_change_of_mounts_that_fails_leaves_nothing() {
    let bed = Bed::with_program();
    bed.make_directory("data");
    let container = bed.keeper(|request| request.mounts.push(bind(&bed, "data", "mnt")));
    let before = stored(&bed, &container);
    let refuse = |mount: &Mount, kind, text: &str| {
        assert_error(&container.add_mount(mount).unwrap_err(), kind, text);
        assert_eq!(stored(&bed, &container), before);
    };
    refuse(&bind(&bed, "absent", "new"), ErrorKind::NotFound, "absent");
    refuse(&bind(&bed, "data", "mnt"), ErrorKind::InvalidArgument, "mnt");
    let tmpfs = MountSource::Tmpfs { size: None, mode: None };
    let memory = Mount { source: tmpfs, ..bind(&bed, "data", "memory") };
    refuse(&memory, ErrorKind::Unsupported, "memory");
    for target in [inside::path("absent"), inside::path("mnt/below"), "relative".to_owned()] {
        let error = container.remove_mount(target.as_str()).unwrap_err();
        assert_error(&error, ErrorKind::NotFound, &target);
    }
    assert_eq!(stored(&bed, &container), before);
    assert!(writes(&container, "mnt/out") && !bed.path("absent").exists());
}
