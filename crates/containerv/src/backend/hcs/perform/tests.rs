//! What can be done without the services: files, and saying that the services are not there. And
//! whole plans, with the stand-ins of `sim/` if they lie beside this program.

use std::cell::RefCell;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use containerv_spec::OsText;
use containerv_spec::plan::hcs::{HcsPlan, Stage};
use containerv_spec::request::CredentialSpec;
use containerv_sys::windows::network::Kind;
use containerv_sys::windows::random;

use super::*;
use crate::ErrorKind;
use crate::backend::hcs::execute::{self, Record};
use crate::backend::hcs::found::Values;
use crate::backend::hcs::journal::Entry;

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
    let plan = crate::lower::hcs::lower(&request, &machine, &places).unwrap();
    let mut performer = Performer::new(&windows, &request.id, Some(&request));
    let mut open = || Ok(Box::new(Nowhere) as Box<dyn Record>);
    let error = execute::run(&plan, Stage::Create, Values::default(), &mut performer, &mut open).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("this Windows has no NameToGuid: cannot load vmcompute.dll"),
        "{error}"
    );
    assert!(performer.into_live().system.is_none());
    let left: Vec<PathBuf> = ["containers", "names"]
        .iter()
        .flat_map(|directory| fs::read_dir(root.join(directory)).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn a_name_is_reserved_once_and_released_twice() {
    let (root, request, windows) = (root(), request(), nothing());
    let mut performer = Performer::new(&windows, &request.id, Some(&request));
    let path = text(root.join("names").join("web"));
    fs::create_dir(&root).unwrap();
    performer.perform(&Call::ReserveName { path: path.clone() }).unwrap();
    let again = performer.perform(&Call::ReserveName { path: path.clone() }).unwrap_err();
    assert_eq!(again.explain("x").kind(), ErrorKind::AlreadyExists, "{again:?}");
    let read = fs::read_to_string(root.join("names").join("web")).unwrap();
    assert_eq!(read, request.id.as_str());
    let release = Call::ReleaseName { path };
    performer.perform(&release).unwrap();
    assert!(execute::undo([&release], &mut performer).is_empty());
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn credentials_are_read_with_a_bound() {
    let root = root();
    fs::create_dir(&root).unwrap();
    let file = |content: &str| {
        let path = root.join("spec.json");
        fs::write(&path, content).unwrap();
        files::credential_spec(&CredentialSpec::File(text(path)))
    };
    assert_eq!(file("\u{feff}{\"CmsPlugins\":[]}").unwrap(), "{\"CmsPlugins\":[]}");
    for wrong in ["[]", "", "{", &format!("{{\"a\":\"{}\"}}", "x".repeat(70_000))] {
        file(wrong).unwrap_err();
    }
    assert_eq!(files::credential_spec(&CredentialSpec::Raw("{}".into())).unwrap(), "{}");
    let none = files::credential_spec(&CredentialSpec::Registry("none".into())).unwrap_err();
    assert!(none.explain("x").to_string().contains("no value `none`"), "{none:?}");
    fs::remove_dir_all(&root).unwrap();
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
    fs::remove_dir_all(&root).unwrap();
}

/// The stand-ins, if they lie beside this program.
fn stand_ins() -> Option<Windows> {
    let directory = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    if !directory.join("computecore.dll").exists() {
        println!("skipped: no stand-ins beside this program");
        return None;
    }
    Some(Windows::load(&Libraries::in_directory(directory).unwrap()))
}

#[derive(Clone, Default)]
struct Journal(Rc<RefCell<Vec<Entry>>>);

impl Record for Journal {
    fn record(&mut self, entry: &Entry) -> crate::Result<()> {
        self.0.borrow_mut().push(entry.clone());
        Ok(())
    }
}

impl Journal {
    fn undo(&self) -> Vec<Call> {
        let begun = |entry: &Entry| match entry {
            Entry::Begun { undo, .. } => Some(undo.clone()),
            _ => None,
        };
        self.0.borrow().iter().rev().filter_map(begun).flatten().collect()
    }
}

/// A container of two layers of its own, on the network `nat`.
struct Planned {
    root: PathBuf,
    layers: PathBuf,
    request: Request,
    plan: HcsPlan,
    journal: Journal,
}

impl Planned {
    fn new(isolation: &str) -> Self {
        let name = random::hex::<6>().unwrap();
        let (root, layers) = (root(), Path::new(r"C:\layers").join(&name));
        let folders: Vec<String> = ["app", "base"]
            .iter()
            .map(|kind| {
                let folder = layers.join(format!("{kind}-{name}"));
                fs::create_dir_all(folder.join(r"Files\Windows\System32")).unwrap();
                fs::create_dir_all(folder.join(r"UtilityVM\Files")).unwrap();
                folder.into_os_string().into_string().unwrap()
            })
            .collect();
        fs::write(Path::new(&folders[0]).join(r"Files\hello.txt"), "hello from the layer").unwrap();
        let request = serde_json::json!({
            "id": random::hex::<32>().unwrap(), "name": name, "isolation": isolation,
            "root": {"layers": {"folders": folders}}, "network": {"named": {"name": "nat"}}, "hostname": "web01",
            "limits": {"memory": {"at": 536_870_912}},
            "process": {"args": ["cmd", "/c", "type C:\\hello.txt"], "search_path": true, "env": ["A=1"],
                "set_home": false, "cwd": "/", "user": "", "groups": [], "open_stdin": false, "rlimits": []},
        });
        let request: Request = serde_json::from_value(request).unwrap();
        let mut machine = containerv_spec::hcs::machine::WindowsMachine::assumed();
        // So that it is made, whoever comes first.
        machine.networks.clear();
        let places = crate::lower::hcs::Places::below(root.to_str().unwrap(), &request.id);
        let plan = crate::lower::hcs::lower(&request, &machine, &places).unwrap();
        Self { root, layers, request, plan, journal: Journal::default() }
    }

    fn run(&self, performer: &mut Performer<'_>) -> crate::Result<Values> {
        let mut open = || Ok(Box::new(self.journal.clone()) as Box<dyn Record>);
        let found = execute::run(&self.plan, Stage::Create, Values::default(), performer, &mut open)?;
        execute::run(&self.plan, Stage::Start, found, performer, &mut open)
    }

    /// Nothing of the container is left where it was.
    fn assert_gone(&self, windows: &Windows) {
        let id = self.request.id.as_str();
        assert!(windows.hcs.open_system(id).is_err());
        let list = |kind| windows.hcn.enumerate(kind, "").unwrap().to_lowercase();
        for step in &self.plan.steps {
            match &step.call {
                Call::CreateEndpoint { id, .. } => assert!(!list(Kind::Endpoint).contains(id)),
                Call::CreateNamespace { id, .. } => assert!(!list(Kind::Namespace).contains(id)),
                _ => {}
            }
        }
        for directory in ["containers", "names"] {
            let entries = fs::read_dir(self.root.join(directory)).into_iter().flatten().flatten();
            let left: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

impl Drop for Planned {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
        let _ = fs::remove_dir_all(&self.layers);
    }
}

#[test]
fn a_plan_becomes_a_container_and_is_undone() {
    let Some(windows) = stand_ins() else { return };
    for isolation in ["process", "vm"] {
        let planned = Planned::new(isolation);
        let mut performer = Performer::new(&windows, &planned.request.id, Some(&planned.request));
        planned.run(&mut performer).unwrap();
        let output = performer.live.info.as_mut().and_then(|info| info.stdout.take()).unwrap();
        let mut said = String::new();
        containerv_sys::windows::pipe::Stream::new(output).unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello from the layer", "{isolation}");
        let left = execute::undo(&planned.journal.undo(), &mut performer);
        assert!(left.is_empty(), "{isolation}: {left:?}");
        planned.assert_gone(&windows);
    }
}

#[test]
fn another_program_undoes_what_one_has_left() {
    let Some(windows) = stand_ins() else { return };
    for isolation in ["process", "vm"] {
        let planned = Planned::new(isolation);
        let mut performer = Performer::new(&windows, &planned.request.id, Some(&planned.request));
        planned.run(&mut performer).unwrap();
        // The first handle stays open, as that of a program that hangs.
        let mut repair = Performer::new(&windows, &planned.request.id, Some(&planned.request));
        let left = execute::undo(&planned.journal.undo(), &mut repair);
        assert!(left.is_empty(), "{isolation}: {left:?}");
        planned.assert_gone(&windows);
        drop(performer);
        let again = execute::undo(&planned.journal.undo(), &mut repair);
        assert!(again.is_empty(), "{isolation}: {again:?}");
    }
}

/// Fails at one call, before or after that was done.
struct Failing<'a> {
    performer: Performer<'a>,
    calls_left: usize,
    late: bool,
}

impl Perform for Failing<'_> {
    fn perform(&mut self, call: &Call) -> Result<Vec<String>> {
        let fails = self.calls_left == 0;
        self.calls_left = self.calls_left.wrapping_sub(1);
        match fails {
            true if self.late => self.performer.perform(call).and(Err(Failure::words("test", "fails"))),
            true => Err(Failure::words("test", "fails")),
            false => self.performer.perform(call),
        }
    }
}

#[test]
fn a_failure_at_each_step_leaves_nothing() {
    let Some(windows) = stand_ins() else { return };
    for isolation in ["process", "vm"] {
        let steps = Planned::new(isolation).plan.steps.len();
        for number in 0..steps {
            let planned = Planned::new(isolation);
            let performer = Performer::new(&windows, &planned.request.id, Some(&planned.request));
            let mut failing = Failing { performer, calls_left: number, late: number % 2 == 0 };
            let mut open = || Ok(Box::new(planned.journal.clone()) as Box<dyn Record>);
            let plan = &planned.plan;
            let error = execute::run(plan, Stage::Create, Values::default(), &mut failing, &mut open)
                .and_then(|found| execute::run(plan, Stage::Start, found, &mut failing, &mut open))
                .unwrap_err();
            let step = format!("step {} of the plan: ", number + 1);
            assert!(error.to_string().starts_with(&step), "{isolation}: {error}");
            assert!(failing.performer.live.system.is_none(), "{isolation} {number}");
            let left = execute::undo(&planned.journal.undo(), &mut failing);
            assert!(left.is_empty(), "{isolation} {number}: {left:?}");
            planned.assert_gone(&windows);
        }
    }
}
