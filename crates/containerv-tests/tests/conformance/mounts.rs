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
