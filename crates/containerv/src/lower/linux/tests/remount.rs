//! Mounts that come and go.

use containerv_spec::machine::Machine;
use containerv_spec::plan::{Action, Namespace, Phase};
use containerv_spec::request::{Mount, MountOptions, MountSource, Request, Root};

use super::{directory, places, request, root_machine, text, user_machine};
use crate::lower::linux::{add_mount, remove_mount};
use crate::{Error, ErrorKind};

fn bind(path: &str, target: &str) -> Mount {
    let source = MountSource::Bind { path: path.into(), recursive: true };
    let options = MountOptions { create_target: true, ..MountOptions::default() };
    Mount { source, target: target.into(), read_only: false, options }
}

fn memory(target: &str) -> Mount {
    Mount { source: MountSource::Tmpfs { size: None, mode: None }, ..bind("", target) }
}

fn mounted() -> Request {
    let mut request = request(directory());
    let read_only = Mount { read_only: true, ..bind("/srv/data", "/data") };
    request.mounts = vec![read_only, memory("/cache")];
    request
}

#[test]
fn what_comes_is_cloned_before_the_container_is_joined() {
    let mut mount = bind("/srv/more", "/mnt/more");
    mount.options.create_source = true;
    let add = |machine: &Machine| add_mount(&mounted(), &mount, machine, &places(), true).unwrap();
    insta::assert_snapshot!("mount_added_by_root", text(&add(&root_machine()).plan));
    let by_user = add(&user_machine());
    insta::assert_snapshot!("mount_added_by_a_user", text(&by_user.plan));
    assert_eq!(by_user.request.mounts[2], mount);
    // A clone is of the caller's own mounts, and is attached in the container's.
    let steps: Vec<&Action> = by_user.plan.phase(Phase::Inside).map(|(_, action)| action).collect();
    let at = |wanted: fn(&Action) -> bool| steps.iter().position(|action| wanted(action)).unwrap();
    let cloned = at(|action| matches!(action, Action::CloneTree { .. }));
    let joined = at(
        |action| matches!(action, Action::JoinNamespaces { namespaces, .. } if namespaces == &[Namespace::Mount]),
    );
    assert!(cloned < joined && joined < at(|action| matches!(action, Action::Attach { .. })));
}

#[test]
fn what_goes_is_compared_with_its_source() {
    let remove = |machine: &Machine| {
        let removed = remove_mount(&mounted(), &"//data/".into(), machine, &places(), true).unwrap();
        assert_eq!(removed.request.mounts, [memory("/cache")]);
        text(&removed.plan)
    };
    insta::assert_snapshot!("mount_removed_by_root", remove(&root_machine()));
    insta::assert_snapshot!("mount_removed_by_a_user", remove(&user_machine()));
}

#[test]
fn what_cannot_come_or_go_is_refused_by_name() {
    let mut said = String::new();
    let mut note = |error: Error| {
        let alone = [&error];
        let all: Vec<&Error> = match error.all_problems() {
            [] => alone.to_vec(),
            several => several.iter().collect(),
        };
        for problem in all {
            said += &format!("{problem}\n    {}\n", problem.hint().expect("a hint"));
        }
        error.kind()
    };
    let add = |request: &Request, mount: &Mount, running| {
        add_mount(request, mount, &root_machine(), &places(), running)
    };
    for mount in [
        bind("more", "/more"),
        bind("/more", "more"),
        bind("/more", "/"),
        bind("/more", "/proc/fs"),
        bind("/more", "/a/../../b"),
        bind("/more", "/data/."),
    ] {
        note(add(&mounted(), &mount, true).unwrap_err());
        add(&mounted(), &mount, false).unwrap_err();
    }
    for mount in [bind("/more", "//sys/fs"), memory("/run")] {
        assert_eq!(note(add(&mounted(), &mount, true).unwrap_err()), ErrorKind::Unsupported);
        add(&mounted(), &mount, false).unwrap();
    }
    let mut bare = request(Root::Directory("/srv/root".into()));
    bare.namespaces.mount = false;
    note(add(&bare, &bind("/more", "/more"), true).unwrap_err());
    let remove = |target: &str, running| {
        remove_mount(&mounted(), &target.into(), &root_machine(), &places(), running).map(drop)
    };
    for target in ["/more", "/proc", "/data/below", ""] {
        assert_eq!(note(remove(target, true).unwrap_err()), ErrorKind::NotFound);
    }
    assert_eq!(note(remove("/cache", true).unwrap_err()), ErrorKind::Unsupported);
    remove("/cache", false).unwrap();
    insta::assert_snapshot!("remount_refused", said);
}
