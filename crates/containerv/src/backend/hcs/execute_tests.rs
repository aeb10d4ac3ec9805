//! Plans against a model of Windows that knows what exists.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use containerv_spec::hcs::machine::WindowsMachine;
use containerv_spec::hcs::network::NamespaceRequest;
use containerv_spec::plan::Plan;

use super::*;
use crate::ErrorKind;

/// What a call does to the model.
enum Effect {
    Makes(String),
    Removes(String),
    Nothing,
}

fn effect(call: &Call) -> Effect {
    use Effect::{Makes, Removes};
    match call {
        Call::MakeDirectory { path } => Makes(format!("directory {path}")),
        Call::RemoveDirectory { path } => Removes(format!("directory {path}")),
        Call::ReserveName { path } => Makes(format!("name {path}")),
        Call::ReleaseName { path } => Removes(format!("name {path}")),
        Call::CreateSandboxLayer { layer, .. } => Makes(format!("layer {layer}")),
        Call::DestroyLayer { layer } => Removes(format!("layer {layer}")),
        Call::ActivateLayer { layer } => Makes(format!("disk {layer}")),
        Call::DeactivateLayer { layer } => Removes(format!("disk {layer}")),
        Call::PrepareLayer { layer, .. } => Makes(format!("filter {layer}")),
        Call::UnprepareLayer { layer } => Removes(format!("filter {layer}")),
        Call::CreateEndpoint { id, .. } => Makes(format!("endpoint {id}")),
        Call::DeleteEndpoint { id } => Removes(format!("endpoint {id}")),
        Call::CreateNamespace { id, .. } => Makes(format!("namespace {id}")),
        Call::DeleteNamespace { id } => Removes(format!("namespace {id}")),
        Call::ModifyNamespace { id, settings } if settings.request_type == NamespaceRequest::Add => {
            Makes(format!("member {id}"))
        }
        Call::ModifyNamespace { id, .. } => Removes(format!("member {id}")),
        Call::CreateSystem { id, .. } | Call::CreateSystemV1 { id, .. } => Makes(format!("system {id}")),
        Call::TerminateSystem { id } | Call::TerminateSystemV1 { id } => Removes(format!("system {id}")),
        _ => Effect::Nothing,
    }
}

/// What must be gone before something can be removed, as on Windows.
fn keeps(object: &str, others: &BTreeSet<String>) -> bool {
    let (kind, name) = object.split_once(' ').unwrap();
    let holders: &[&str] = match kind {
        "layer" => &["disk", "filter"],
        "disk" => &["filter", "system"],
        "filter" => &["system"],
        "namespace" => &["member", "system"],
        _ => &[],
    };
    holders.iter().any(|holder| {
        let any = *holder == "system" || kind == "namespace" && *holder == "member";
        others.iter().any(|other| {
            other.split_once(' ').is_some_and(|(other, of)| other == *holder && (any || of == name))
        })
    })
}

#[derive(Default)]
struct Model {
    objects: BTreeSet<String>,
    calls: Vec<String>,
    /// The call that fails, counted from 0, and whether it has done its work by then.
    fails: Option<(usize, bool)>,
    /// Every call from this one on fails: the program was killed.
    dies: Option<usize>,
}

impl Perform for Model {
    fn perform(&mut self, call: &Call) -> Result<Vec<String>, Failure> {
        let number = self.calls.len();
        self.calls.push(call.name().to_owned());
        let fails = self.fails.filter(|(at, _)| *at == number);
        if self.dies.is_some_and(|at| number >= at) {
            return Err(Failure::words("killed", "dead"));
        }
        if fails.is_none_or(|(_, late)| late) {
            match effect(call) {
                Effect::Makes(object) => drop(self.objects.insert(object)),
                Effect::Removes(object) if !self.objects.contains(&object) => {
                    let code = if object.starts_with("endpoint") { 0x803B_0002 } else { 0x8007_0490 };
                    return Err(Failure::code("Model", code, None));
                }
                Effect::Removes(object) if keeps(&object, &self.objects) => {
                    return Err(Failure::code("Model", 0x8007_0020, None));
                }
                Effect::Removes(object) => drop(self.objects.remove(&object)),
                Effect::Nothing => {}
            }
        }
        if fails.is_some() {
            return Err(Failure::code("HcsModel", 0x8037_0109, None));
        }
        Ok(match call {
            Call::GetServiceProperties { found, .. } => vec!["answer".into(); found.len()],
            Call::ResolvePath { .. }
            | Call::ReadCredentialSpec { .. }
            | Call::NameToGuid { .. }
            | Call::GetLayerMountPath { .. }
            | Call::EnumerateNetworks { .. } => vec!["answer".into()],
            _ => Vec::new(),
        })
    }
}

#[derive(Clone, Default)]
struct Journal(Rc<RefCell<Vec<String>>>);

impl Record for Journal {
    fn record(&mut self, entry: &Entry) -> Result<()> {
        // As on disk: what cannot be written and read again is none.
        let line = serde_json::to_string(entry).unwrap();
        assert_eq!(&serde_json::from_str::<Entry>(&line).unwrap(), entry);
        self.0.borrow_mut().push(line);
        Ok(())
    }
}

impl Journal {
    /// What `repair` would do: undo every stage that was begun, the last first.
    fn undo(&self) -> Vec<Call> {
        let entries = self.0.borrow();
        let begun = entries.iter().rev().filter_map(|line| match serde_json::from_str(line).unwrap() {
            Entry::Begun { undo, .. } => Some(undo),
            _ => None,
        });
        begun.flatten().collect()
    }
}

fn plan(isolation: &str) -> HcsPlan {
    let request = serde_json::json!({
        "id": "ab".repeat(32), "name": "web", "isolation": isolation, "storage_bytes": 42_949_672_960_u64,
        "root": {"layers": {"folders": [r"C:\layers\app", r"C:\layers\base"]}},
        "mounts": [{"source": {"bind": {"path": r"C:\data", "recursive": true}}, "target": r"C:\data"}],
        "network": {"named": {"name": "nat"}},
        "process": {"args": ["cmd"], "search_path": true, "env": [], "set_home": false, "cwd": "/",
            "user": "", "groups": [], "open_stdin": false, "rlimits": []},
    });
    let request = serde_json::from_value(request).unwrap();
    match crate::lower::hcs::plan_windows(&request, &WindowsMachine::assumed()).unwrap() {
        Plan::Hcs(plan) => plan,
        other => panic!("not a plan for Windows: {other}"),
    }
}

/// Creates and starts, as far as it goes.
fn both(plan: &HcsPlan, model: &mut Model, journal: &Journal) -> Result<Values> {
    let mut open = || Ok(Box::new(journal.clone()) as Box<dyn Record>);
    let found = run(plan, Stage::Create, Values::default(), model, &mut open)?;
    run(plan, Stage::Start, found, model, &mut open)
}

const ISOLATIONS: [&str; 2] = ["process", "vm"];

#[test]
fn the_steps_are_done_in_their_order_and_undone_backwards() {
    for isolation in ISOLATIONS {
        let (plan, journal, mut model) = (plan(isolation), Journal::default(), Model::default());
        both(&plan, &mut model, &journal).unwrap();
        let names: Vec<&str> = plan.steps.iter().map(|step| step.call.name()).collect();
        assert_eq!(model.calls, names);
        assert!(!model.objects.is_empty());
        let left = undo(&journal.undo(), &mut model);
        assert!(left.is_empty() && model.objects.is_empty(), "{left:?} {:?}", model.objects);
    }
}

#[test]
fn a_step_that_fails_early_or_late_leaves_nothing_of_its_stage() {
    for isolation in ISOLATIONS {
        let plan = plan(isolation);
        let creation = plan.steps.iter().filter(|step| step.stage == Stage::Create).count();
        for number in 0..plan.steps.len() {
            for late in [false, true] {
                let (journal, mut model) = (Journal::default(), Model::default());
                model.fails = Some((number, late));
                let error = both(&plan, &mut model, &journal).unwrap_err();
                let text = error.to_string();
                assert!(text.starts_with(&format!("step {} of the plan: ", number + 1)), "{text}");
                assert!(text.contains("HCS_E_CONNECTION_TIMEOUT (0x80370109)"), "{text}");
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                if number >= creation {
                    // The container stays, and can be removed as always.
                    assert!(model.objects.iter().all(|object| !object.starts_with("system")));
                    let left = undo(&journal.undo(), &mut model);
                    assert!(left.is_empty(), "{left:?}");
                }
                assert!(model.objects.is_empty(), "{isolation} {number} {late}: {:?}", model.objects);
            }
        }
    }
}

#[test]
fn whatever_a_kill_leaves_is_in_the_journal() {
    for isolation in ISOLATIONS {
        let plan = plan(isolation);
        for number in 1..=plan.steps.len() {
            let (journal, mut model) = (Journal::default(), Model::default());
            model.dies = Some(number);
            let _ = both(&plan, &mut model, &journal);
            model.dies = None;
            // Twice: a repair can be killed too.
            for _ in 0..2 {
                let left = undo(&journal.undo(), &mut model);
                assert!(left.is_empty(), "{isolation} {number}: {left:?}");
            }
            assert!(model.objects.is_empty(), "{isolation} {number}: {:?}", model.objects);
        }
    }
}

#[test]
fn what_cannot_be_undone_is_told_and_the_rest_is_undone() {
    let (plan, journal) = (plan("process"), Journal::default());
    let mut model = Model::default();
    let mut open = || Ok(Box::new(journal.clone()) as Box<dyn Record>);
    let found = run(&plan, Stage::Create, Values::default(), &mut model, &mut open).unwrap();
    // Somebody else is in the namespace.
    let namespace = plan.steps.iter().find_map(|step| match &step.call {
        Call::CreateNamespace { id, .. } => Some(id.clone()),
        _ => None,
    });
    model.objects.insert(format!("member {}x", namespace.unwrap()));
    model.fails = Some((plan.steps.len() - 1, false));
    let error = run(&plan, Stage::Start, found, &mut model, &mut open).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("could not be undone (computenetwork!HcnDeleteNamespace: "), "{text}");
    assert!(error.hint().is_some_and(|hint| hint.contains("repair")));
    assert!(!model.objects.iter().any(|object| object.starts_with("endpoint")), "{:?}", model.objects);
}
