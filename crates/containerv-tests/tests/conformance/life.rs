//! Making, naming, starting, ending and removing containers.

use std::time::Duration;

use containerv::spec::request::Overlay;
use containerv::spec::state::Status;
use containerv::{Container, CopyOptions, ErrorKind, StdioSet};
use containerv_tests::Bed;
use containerv_tests::inside::{self, command, doing, said};

use crate::{assert_error, detached, eventually, prepared};

#[test]
fn a_container_is_made_used_and_removed() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let state = container.state().unwrap();
    assert_eq!((state.status, state.exit), (Status::Running, None));
    assert!(state.started_unix_ns.is_some());
    assert_eq!(said(command(&container, "echo hello")), "hello");
    let listed = bed.host().containers().unwrap();
    assert_eq!(listed.iter().map(Container::id).collect::<Vec<_>>(), [container.id()]);
    assert_eq!(listed[0].request(), container.request());
    assert_error(&container.delete(false).unwrap_err(), ErrorKind::InvalidState, "");
    assert_eq!(container.state().unwrap().status, Status::Running);
    container.delete(true).unwrap();
    for gone in [container.state().map(drop), container.delete(true), container.wait().map(drop)] {
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert!(bed.host().containers().unwrap().is_empty());
    bed.assert_nothing_left("after the removal");
}

#[test]
fn a_container_is_found_by_id_prefix_and_name() {
    let bed = Bed::with_program();
    let container = bed.keeper(|request| request.name = Some("web".into()));
    let other = bed.keeper(|_| {});
    let id = container.id().as_str();
    for reference in [id, &id[..12], "web"] {
        assert_eq!(bed.host().container(reference).unwrap().id(), container.id(), "{reference}");
    }
    // A name that nobody gave follows from the id.
    assert_eq!(bed.host().container(&other.name()).unwrap().id(), other.id());
    assert_error(&bed.host().container("absent").unwrap_err(), ErrorKind::NotFound, "`absent`");
    assert_eq!(bed.host().container("").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn identifiers_are_random_and_of_64_digits() {
    let bed = Bed::new();
    let ids: Vec<String> = (0..100).map(|_| bed.host().new_id().unwrap().as_str().to_owned()).collect();
    let digits = |id: &String| id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    assert!(ids.iter().all(digits), "{ids:?}");
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 100);
}

#[test]
fn a_name_belongs_to_one_container_at_a_time() {
    let bed = Bed::with_program();
    let named = |name: &str| {
        let mut request = bed.request();
        request.name = Some(name.into());
        Container::create(bed.host(), request)
    };
    let first = named("web").unwrap();
    assert_error(&named("web").unwrap_err(), ErrorKind::AlreadyExists, "web");
    assert_eq!(bed.host().containers().unwrap().len(), 1, "the second is not there in part");
    first.rename("old").unwrap();
    let second = named("web").unwrap();
    assert_eq!(bed.host().container("old").unwrap().id(), first.id());
    assert_eq!(bed.host().container("web").unwrap().id(), second.id());
    assert_error(&second.rename("old").unwrap_err(), ErrorKind::AlreadyExists, "old");
    assert_error(&second.rename("no/name").unwrap_err(), ErrorKind::InvalidArgument, "no/name");
    first.delete(true).unwrap();
    second.rename("old").unwrap();
    assert_eq!(bed.host().container("web").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_prepared_command_waits_for_its_start() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.overlay = Overlay::Container;
    request.process = Some(doing(&format!("write {} yes + exit 4", inside::path("tmp/ran"))));
    let container = Container::create(bed.host(), request).unwrap();
    assert_eq!(container.state().unwrap().status, Status::Created);
    assert!(container.state().unwrap().started_unix_ns.is_none());
    std::thread::sleep(Duration::from_millis(100));
    let ran = inside::path("tmp/ran");
    let download = container.download(ran.as_str(), bed.path("ran"), &CopyOptions::default());
    assert_eq!(download.unwrap_err().kind(), ErrorKind::NotFound, "it has run");
    let error = command(&container, "exit 0").spawn().unwrap_err();
    assert_error(&error, ErrorKind::InvalidState, "");
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 4);
    container.download(ran.as_str(), bed.path("ran"), &CopyOptions::default()).unwrap();
    let state = container.state().unwrap();
    assert_eq!((state.status, state.exit.unwrap().code, state.pid), (Status::Exited, 4, None));
    assert!(state.started_unix_ns.is_some());
}

#[test]
fn a_prepared_command_can_be_removed_without_a_start() {
    let bed = Bed::with_program();
    let container = prepared(&bed, doing("exit 0"));
    container.delete(false).unwrap();
    bed.assert_nothing_left("after a prepared container was removed");
}

#[test]
fn a_container_that_has_ended_runs_again_with_its_files() {
    let bed = Bed::with_program();
    let runs = inside::path("tmp/runs");
    let mut request = bed.request();
    request.overlay = Overlay::Container;
    request.process = Some(doing(&format!("append {runs} x + exit-size {runs}")));
    let container = Container::create(bed.host(), request).unwrap();
    for run in 1..=3 {
        container.start().unwrap();
        assert_eq!(container.wait().unwrap().code, run);
        let state = container.state().unwrap();
        assert_eq!((state.status, state.exit.unwrap().code), (Status::Exited, run));
    }
}

#[test]
fn a_keeper_is_stopped_and_started_again() {
    let bed = Bed::with_program();
    let keeper = bed.keeper(|_| {});
    keeper.stop(None).unwrap();
    assert_eq!(keeper.state().unwrap().status, Status::Exited);
    assert_eq!(command(&keeper, "exit 0").spawn().unwrap_err().kind(), ErrorKind::InvalidState);
    // Stopping what has ended is fine.
    keeper.stop(None).unwrap();
    keeper.start().unwrap();
    assert_eq!(keeper.state().unwrap().status, Status::Running);
    assert!(command(&keeper, "exit 0").status().unwrap().success());
    // A second start of what runs changes nothing.
    let before = keeper.state().unwrap();
    keeper.start().unwrap();
    assert_eq!(keeper.state().unwrap(), before);
}

#[test]
fn stop_asks_first_and_ends_what_does_not_hear() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.stop.timeout_seconds = 1;
    // On both systems this program does nothing about what it is asked.
    request.process = Some(doing("sleep 600000"));
    let container = Container::run_detached(bed.host(), request).unwrap();
    container.stop(None).unwrap();
    let state = container.state().unwrap();
    assert_eq!(state.status, Status::Exited);
    assert_ne!(state.exit.unwrap().code, 0);
    assert_eq!(container.wait().unwrap(), container.state().unwrap().exit.unwrap());
}

#[test]
fn killing_a_container_ends_everything_in_it() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut children: Vec<_> = (0..4).map(|_| command(&container, "sleep 600000").spawn().unwrap()).collect();
    container.kill().unwrap();
    for child in &mut children {
        assert!(!child.wait().unwrap().success());
    }
    container.wait().unwrap();
    assert_eq!(container.state().unwrap().status, Status::Exited);
    assert_error(&container.kill().unwrap_err(), ErrorKind::InvalidState, "");
}

#[test]
fn anyone_may_wait_for_a_container() {
    let bed = Bed::with_program();
    let container = detached(&bed, doing("sleep 300 + exit 5"));
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let container = container.clone();
            std::thread::spawn(move || container.wait().unwrap().code)
        })
        .collect();
    assert!(waiting.into_iter().all(|thread| thread.join().unwrap() == 5));
    assert_eq!(container.wait().unwrap().code, 5);
}

#[test]
fn the_command_of_an_attached_container_decides_its_state() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.process = Some(doing("line + exit 6"));
    let mut stdio = StdioSet::null();
    stdio.stdin = containerv::Stdio::Piped;
    let (container, mut child) = Container::run_attached(bed.host(), request, stdio).unwrap();
    // Looking at it changes nothing.
    assert_eq!(child.try_wait().unwrap(), None);
    let state = container.state().unwrap();
    assert_eq!((state.status, state.pid), (Status::Running, Some(child.id())));
    assert_error(&container.delete(false).unwrap_err(), ErrorKind::InvalidState, "");
    assert_eq!(child.wait().unwrap().code(), Some(6));
    let state = container.state().unwrap();
    assert_eq!((state.status, state.exit.unwrap().code), (Status::Exited, 6));
    container.delete(false).unwrap();
}

#[test]
fn a_killed_attached_command_is_told_as_killed() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.process = Some(doing("sleep 600000"));
    let (container, mut first) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
    let mut further = command(&container, "sleep 600000").spawn().unwrap();
    first.kill().unwrap();
    let status = first.wait().unwrap();
    assert!(!status.success(), "{status}");
    assert!(!further.wait().unwrap().success());
    let exit = container.wait().unwrap();
    assert_eq!((exit.code, exit.signal), (status.docker_code(), status.signal()));
}

#[test]
fn a_container_removes_itself_when_asked_to() {
    let bed = Bed::with_program();
    for words in ["exit 0", "exit 3"] {
        let mut request = bed.request();
        request.auto_remove = true;
        request.name = Some("fleeting".into());
        request.process = Some(doing(words));
        let container = Container::run_detached(bed.host(), request).unwrap();
        eventually("it removes itself", || container.state().is_err());
        assert_eq!(container.state().unwrap_err().kind(), ErrorKind::NotFound);
        bed.assert_nothing_left("after it has removed itself");
    }
}

#[test]
fn an_attached_container_removes_itself_when_asked_to() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.auto_remove = true;
    request.process = Some(doing("exit 3"));
    let (container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    eventually("it removes itself", || container.state().is_err());
    bed.assert_nothing_left("after it has removed itself");
}

#[test]
fn a_program_that_is_missing_leaves_nothing_of_its_container() {
    let bed = Bed::with_program();
    let absent = inside::path("absent.exe");
    for auto_remove in [false, true] {
        let mut request = bed.request();
        request.auto_remove = auto_remove;
        request.process = Some(containerv::spec::request::Process::new(vec![absent.as_str().into()]));
        let error = Container::run_detached(bed.host(), request.clone()).unwrap_err();
        assert_error(&error, ErrorKind::CommandNotFound, "absent.exe");
        if let Ok(container) = bed.host().container(request.id.as_str()) {
            assert!(!auto_remove, "it is still there");
            container.delete(true).unwrap();
        }
        bed.assert_nothing_left("after a failed start");
    }
}

#[test]
fn a_container_dropped_by_its_owner_is_removed() {
    let bed = Bed::with_program();
    let owned = bed.keeper(|_| {}).delete_on_drop();
    assert_eq!(said(command(&owned, "echo here")), "here");
    let id = owned.id().clone();
    drop(owned);
    assert_eq!(bed.host().container(id.as_str()).unwrap_err().kind(), ErrorKind::NotFound);
    bed.assert_nothing_left("after it was dropped");
}

#[test]
fn repair_finds_nothing_to_do_where_nothing_is_broken() {
    let bed = Bed::with_program();
    let keeper = bed.keeper(|_| {});
    let waiting = prepared(&bed, doing("exit 0"));
    for dry_run in [true, false] {
        assert_eq!(bed.host().repair(dry_run).unwrap(), [], "dry run: {dry_run}");
    }
    assert_eq!(keeper.state().unwrap().status, Status::Running);
    assert_eq!(waiting.state().unwrap().status, Status::Created);
}

#[test]
fn ten_containers_live_at_once() {
    let bed = Bed::with_program();
    let threads: Vec<_> = (0..10)
        .map(|number| {
            let (host, mut request) = (bed.host().clone(), bed.request());
            request.process = Some(doing(&format!("sleep 200 + exit {number}")));
            std::thread::spawn(move || Container::run_detached(&host, request).unwrap())
        })
        .collect();
    let containers: Vec<Container> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    for (number, container) in (0..).zip(&containers) {
        assert_eq!(container.wait().unwrap().code, number);
        container.delete(false).unwrap();
    }
}
