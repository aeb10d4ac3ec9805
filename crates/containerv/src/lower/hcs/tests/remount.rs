//! Mounts that come and go.

use containerv_spec::OsText;
use containerv_spec::plan::hcs::HcsIsolation::{Hyperv, Process};
use containerv_spec::request::{Mount, Request};

use super::{bind, pipe, request, schema, server};
use crate::ErrorKind;
use crate::lower::hcs::{LiveChange, Modification, add_mount, remove_mount};

/// A container with a directory and a pipe.
fn mounted() -> Request {
    let mut request = request();
    request.mounts = vec![bind(r"C:\data", r"C:\Data", true), pipe(r"\\.\pipe\a", r"\\.\pipe\b")];
    request
}

/// What is told, and what takes it back, as lines; checked against the schema. The published list of what the first
/// generation's request may be about is not whole: of it, the settings are checked.
fn told(change: &LiveChange) -> String {
    let schema = schema::Schema::load();
    let document = |modification: &Modification| {
        let document = serde_json::to_value(modification).unwrap();
        match modification {
            Modification::Current(_) => schema.check("ModifySettingRequest", &document),
            Modification::First(_) => schema.check("schema1.MappedDir", &document["Settings"]),
        }
        .unwrap();
        document.to_string()
    };
    let undo = change.undo.as_ref().map_or("-".to_owned(), document);
    format!("{}\n  {}\n  {undo}\n", change.option, document(&change.set))
}

#[test]
fn a_running_system_is_told_in_the_words_of_its_generation() {
    let mut said = String::new();
    for isolation in [Process, Hyperv] {
        let mount = bind(r"C:\more", "c:/more", false);
        let change = add_mount(&mounted(), &mount, &server(), isolation, true).unwrap();
        assert_eq!(change.request.mounts[2], mount);
        said += &change.look_up().iter().map(|call| format!("{call}\n")).collect::<String>();
        let comes = change.comes(r"C:\really\more");
        assert!(!comes.set.takes_away() && comes.undo.as_ref().is_some_and(Modification::takes_away));
        said += &told(&comes);
        let change = remove_mount(&mounted(), &r"c:\DATA".into(), &server(), isolation, true).unwrap();
        assert_eq!(change.request.mounts, mounted().mounts[1..]);
        said += &told(&change.goes());
    }
    let change =
        add_mount(&mounted(), &pipe(r"\\.\pipe\c", r"\\.\pipe\c"), &server(), Process, true).unwrap();
    assert!(change.look_up().is_empty());
    said += &told(&change.comes(""));
    let change = remove_mount(&mounted(), &r"\\.\PIPE\B".into(), &server(), Process, true).unwrap();
    said += &told(&change.goes());
    insta::assert_snapshot!("remount", said);
}

#[test]
fn a_source_is_made_where_a_creation_would_make_it() {
    let mut mount = bind(r"C:\more", r"C:\more", false);
    mount.options.create_source = true;
    let change = add_mount(&mounted(), &mount, &server(), Process, true).unwrap();
    let calls: Vec<String> = change.look_up().iter().map(|call| call.name().to_owned()).collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
}

#[test]
fn what_cannot_come_or_go_is_refused_by_name() {
    let mut said = String::new();
    let mut note = |error: crate::Error| {
        let alone = [&error];
        let all: Vec<&crate::Error> = match error.all_problems() {
            [] => alone.to_vec(),
            several => several.iter().collect(),
        };
        for problem in all {
            said += &format!("{problem}\n    {}\n", problem.hint().expect("a hint"));
        }
        error.kind()
    };
    let add = |mount: &Mount, isolation, running| {
        add_mount(&mounted(), mount, &server(), isolation, running).unwrap_err()
    };
    for mount in [
        bind("more", r"C:\more", false),
        bind(r"C:\more", r"C:\dATA", false),
        bind(r"C:\more", r"C:\", false),
        bind(r"C:\more", r"C:\..\more", false),
        pipe(r"\\.\pipe\c", r"\\.\pipe\B"),
    ] {
        for (isolation, running) in [(Process, true), (Hyperv, false)] {
            note(add(&mount, isolation, running));
        }
    }
    let new_pipe = pipe(r"\\.\pipe\c", r"\\.\pipe\c");
    assert_eq!(note(add(&new_pipe, Hyperv, true)), ErrorKind::Unsupported);
    assert!(add_mount(&mounted(), &new_pipe, &server(), Hyperv, false).is_ok());
    let remove = |target: &str, isolation, running| {
        remove_mount(&mounted(), &OsText::from(target), &server(), isolation, running).map(drop)
    };
    for target in [r"C:\data\below", "data", "", r"\\.\pipe\a", r"C:\"] {
        assert_eq!(note(remove(target, Process, true).unwrap_err()), ErrorKind::NotFound);
    }
    assert_eq!(note(remove(r"\\.\pipe\b", Hyperv, true).unwrap_err()), ErrorKind::Unsupported);
    remove(r"\\.\pipe\b", Hyperv, false).unwrap();
    insta::assert_snapshot!("remount_refused", said);
}
