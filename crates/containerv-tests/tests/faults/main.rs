//! Windows' services fail, at each kind of call: the library's error names the code and says what to do,
//! and what failed leaves nothing that stays.

#![cfg(windows)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cases;
mod crashes;
mod silence;

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};

use containerv::spec::Request;
use containerv::spec::request::{Mount, MountSource, NamedNetwork, Network, TerminalSize};
use containerv::spec::state::Status;
use containerv::spec::{Bound, ByteSize, Limits};
use containerv::{Child, Container, Error, Result, StdioSet};
use containerv_tests::differences::Place;
use containerv_tests::inside::{command, doing, said};
use containerv_tests::{Bed, StandIns};
use serde_json::{Value, json};

use cases::{CASES, Case};

/// What is done while a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Create,
    RunAttached,
    Exec,
    /// A further command is ended.
    KillChild,
    SignalChild,
    ResizeChild,
    Pause,
    Resume,
    Update,
    Stats,
    Processes,
    State,
    Stop,
    /// A container that has ended.
    Start,
    /// One that runs.
    Delete,
    DeleteStopped,
}

/// The rules are of the whole process, so that its tests run one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rules of this process, until they are dropped.
struct Faults;

impl Faults {
    fn set(rules: Value) -> Self {
        StandIns::connect().set_faults("test", rules);
        Self
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        StandIns::connect().set_faults("test", json!([]));
    }
}

/// Something of everything.
fn rich(bed: &Bed) -> Request {
    let mut request = bed.request();
    request.name = Some("rich".into());
    request.network = Network::Named(NamedNetwork::new("nat"));
    request.storage_bytes = Some(30 << 30);
    let path = bed.make_directory("data").to_str().unwrap().into();
    let source = MountSource::Bind { path, recursive: true };
    let (target, options) = (r"C:\data".into(), Default::default());
    request.mounts.push(Mount { source, target, read_only: true, options });
    request
}

/// Does it; the container is there afterwards unless it was to be made.
fn act(bed: &Bed, doing_what: Doing, rules: Value) -> Result<()> {
    let mut request = rich(bed);
    match doing_what {
        Doing::Create => {
            let _faults = Faults::set(rules);
            return Container::create(bed.host(), request).map(drop);
        }
        Doing::RunAttached => {
            request.process = Some(doing("sleep 600000"));
            let _faults = Faults::set(rules);
            return Container::run_attached(bed.host(), request, StdioSet::null()).map(drop);
        }
        _ => {}
    }
    let container = Container::create(bed.host(), request).unwrap();
    let child = || command(&container, "sleep 600000").spawn().unwrap();
    let with_child = |act: &dyn Fn(&mut Child) -> Result<()>, mut child: Child| {
        let _faults = Faults::set(rules.clone());
        act(&mut child)
    };
    match doing_what {
        Doing::KillChild => return with_child(&|child| child.kill(), child()),
        Doing::SignalChild => return with_child(&|child| child.signal(15), child()),
        Doing::ResizeChild => {
            let size = TerminalSize { columns: 80, rows: 24 };
            let child = command(&container, "sleep 600000").terminal(size).spawn().unwrap();
            return with_child(&|child| child.resize(size), child);
        }
        Doing::Resume => container.pause().unwrap(),
        Doing::Start | Doing::DeleteStopped => container.stop(None).unwrap(),
        _ => {}
    }
    let _faults = Faults::set(rules);
    match doing_what {
        Doing::Exec => command(&container, "exit 0").spawn().map(drop),
        Doing::Pause => container.pause(),
        Doing::Resume => container.resume(),
        Doing::Update => {
            let memory = Some(Bound::At(ByteSize::mib(700)));
            container.update(&Limits { memory, ..Limits::default() })
        }
        Doing::Stats => container.stats().map(drop),
        Doing::Processes => container.processes().map(drop),
        Doing::State => container.state().map(drop),
        Doing::Stop => container.stop(Some(std::time::Duration::ZERO)),
        Doing::Start => container.start(),
        Doing::Delete | Doing::DeleteStopped => container.delete(true),
        other => panic!("{other:?} is done above"),
    }
}

fn rules(case: &Case) -> Value {
    // The first generation's function of this name does something else.
    let first = Place::here() == Place::HyperV && case.call == "HcsCreateComputeSystem";
    let call = if first { format!("v1.{}", case.call) } else { case.call.to_owned() };
    let mut rule = json!({"call": call});
    rule[case.how] =
        if case.how == "disconnect" { json!(true) } else { json!(format!("{:#010x}", case.code)) };
    json!([rule])
}

/// The error says everything that somebody needs.
fn check_error(case: &Case, error: &Error) {
    let (text, what) = (error.to_string(), format!("{case:?}"));
    assert!(text.contains(case.name), "{what}: no name: {text}");
    // The service's own codes have two forms, one for each generation.
    let forms = [case.code, case.code | 0x4000_0000].map(|code| format!("0x{code:08X}"));
    assert!(forms.iter().any(|form| text.contains(form)), "{what}: no code: {text}");
    assert!(
        ["container", "process", "network"].iter().any(|of| text.contains(of)),
        "{what}: of what? {text}"
    );
    let told = error.all_problems();
    assert!(
        told.iter().any(|problem| problem.hint().is_some()) || error.hint().is_some(),
        "{what}: no hint: {text}"
    );
}

/// Nothing is left, or a container that is as good as any.
fn check_rest(bed: &Bed, case: &Case) {
    let what = format!("after {case:?}");
    if case.how == "disconnect" {
        bed.host().repair(false).unwrap();
    }
    for container in bed.host().containers().unwrap() {
        assert!(!matches!(case.doing, Doing::Create | Doing::RunAttached), "{what}: it is still there");
        if !matches!(case.doing, Doing::Delete | Doing::DeleteStopped) {
            if container.state().unwrap().status == Status::Paused {
                container.resume().unwrap();
            }
            // It was asked to end before it could not be ended.
            if case.doing == Doing::Stop {
                container.stop(None).unwrap();
            }
            container.start().unwrap();
            assert_eq!(said(command(&container, "echo fine")), "fine", "{what}");
        }
        container.delete(true).unwrap();
    }
    bed.assert_nothing_left(&what);
}

#[test]
fn each_failure_is_told_and_leaves_nothing() {
    if !StandIns::are_here() {
        return;
    }
    let _alone = alone();
    let here = Place::here();
    let cases: Vec<&Case> = CASES.iter().filter(|case| case.places.contains(&here)).collect();
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let mut failed = Vec::new();
    for case in &cases {
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let bed = Bed::with_program();
            match act(&bed, case.doing, rules(case)) {
                Err(error) => check_error(case, &error),
                Ok(()) => panic!("{case:?}: nothing has failed"),
            }
            check_rest(&bed, case);
        }));
        if outcome.is_err() {
            failed.push(format!("{case:?}"));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}
