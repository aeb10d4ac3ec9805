//! What can be done without the services: files, and saying that the services are not there.

use std::path::PathBuf;

use containerv_spec::OsText;
use containerv_spec::request::CredentialSpec;
use containerv_sys::windows::random;

use super::*;
use crate::ErrorKind;
use crate::backend::hcs::execute::{self, Entry, Record};
use crate::backend::hcs::found::Values;

struct Nowhere;

impl Record for Nowhere {
    fn record(&mut self, _entry: &Entry) -> crate::Result<()> {
        Ok(())
    }
}

fn root() -> PathBuf {
    std::env::temp_dir().join(format!("containerv-{}", random::hex::<8>().unwrap()))
}

fn text(path: PathBuf) -> OsText {
    path.into_os_string().into_string().unwrap().into()
}

fn request() -> Request {
    let request = serde_json::json!({
        "id": random::hex::<32>().unwrap(), "name": "web", "isolation": "process",
        "root": {"layers": {"folders": [r"C:\layers\base"]}},
        "process": {"args": ["cmd"], "search_path": true, "env": [], "set_home": false, "cwd": "/",
            "user": "", "groups": [], "open_stdin": false, "rlimits": []},
    });
    serde_json::from_value(request).unwrap()
}

/// No DLL is there.
fn nothing() -> Windows {
    Windows::load(&Libraries::in_directory(root()).unwrap())
}

#[test]
fn without_the_services_a_container_is_refused_and_nothing_is_left() {
    let (root, request, windows) = (root(), request(), nothing());
    let machine = containerv_spec::hcs::machine::WindowsMachine::assumed();
    let places = crate::lower::hcs::Places::below(root.to_str().unwrap(), &request.id);
    let plan = crate::lower::hcs::lower(&request, &machine, &places, false).unwrap();
    let mut performer = Performer::new(&windows, &request);
    let mut open = || Ok(Box::new(Nowhere) as Box<dyn Record>);
    let stage = containerv_spec::plan::hcs::Stage::Create;
    let error = execute::run(&plan, stage, Values::default(), &mut performer, &mut open).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("this Windows has no NameToGuid: cannot load vmcompute.dll"),
        "{error}"
    );
    assert!(performer.into_live().system.is_none());
    let left: Vec<PathBuf> = ["containers", "names"]
        .iter()
        .flat_map(|directory| std::fs::read_dir(root.join(directory)).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn a_name_is_reserved_once_and_released_twice() {
    let (root, request, windows) = (root(), request(), nothing());
    let mut performer = Performer::new(&windows, &request);
    let path = text(root.join("names").join("web"));
    std::fs::create_dir(&root).unwrap();
    performer.perform(&Call::ReserveName { path: path.clone() }).unwrap();
    let again = performer.perform(&Call::ReserveName { path: path.clone() }).unwrap_err();
    assert_eq!(again.explain("x").kind(), ErrorKind::AlreadyExists, "{again:?}");
    let read = std::fs::read_to_string(root.join("names").join("web")).unwrap();
    assert_eq!(read, request.id.as_str());
    let release = Call::ReleaseName { path };
    performer.perform(&release).unwrap();
    assert!(execute::undo([&release], &mut performer).is_empty());
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn credentials_are_read_with_a_bound() {
    let root = root();
    std::fs::create_dir(&root).unwrap();
    let file = |content: &str| {
        let path = root.join("spec.json");
        std::fs::write(&path, content).unwrap();
        files::credential_spec(&CredentialSpec::File(text(path)))
    };
    assert_eq!(file("\u{feff}{\"CmsPlugins\":[]}").unwrap(), "{\"CmsPlugins\":[]}");
    for wrong in ["[]", "", "{", &format!("{{\"a\":\"{}\"}}", "x".repeat(70_000))] {
        file(wrong).unwrap_err();
    }
    assert_eq!(files::credential_spec(&CredentialSpec::Raw("{}".into())).unwrap(), "{}");
    let none = files::credential_spec(&CredentialSpec::Registry("none".into())).unwrap_err();
    assert!(none.explain("x").to_string().contains("no value `none`"), "{none:?}");
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn a_source_is_made_and_resolved() {
    let root = root();
    let path = root.join("a").join("b");
    files::make_source(path.to_str().unwrap()).unwrap();
    files::make_source(path.to_str().unwrap()).unwrap();
    let around = root.join("a").join("..").join("a").join("b");
    let real = files::resolve(around.to_str().unwrap()).unwrap();
    assert!(real.ends_with(r"\a\b") && !real.contains(".."), "{real}");
    let gone = files::resolve(root.join("none").to_str().unwrap()).unwrap_err();
    assert_eq!(gone.explain("x").kind(), ErrorKind::NotFound);
    std::fs::remove_dir_all(&root).unwrap();
}
