//! Changes of limits.

use containerv_spec::hcs::request::ModifyContainer::{Memory, Processor as Processors};
use containerv_spec::hcs::system::Processor;
use containerv_spec::plan::hcs::HcsIsolation;
use containerv_spec::{Bound, ByteSize, Limits};

use super::{request, schema, server};
use crate::lower::hcs::{LiveChange, Modification, update};
use crate::{Error, ErrorKind, Result};

fn memory(mebibytes: u64) -> Limits {
    Limits { memory: Some(Bound::At(ByteSize::mib(mebibytes))), ..Limits::default() }
}

fn cpus(quota: u64) -> Limits {
    Limits { cpu_quota: Some(Bound::At(quota)), ..Limits::default() }
}

fn shares(shares: u64) -> Limits {
    Limits { cpu_shares: Some(shares), ..Limits::default() }
}

fn count(count: u32) -> Processor {
    Processor { count: Some(count), ..Processor::default() }
}

fn changed(
    old: Limits,
    change: &Limits,
    isolation: HcsIsolation,
    running: bool,
) -> Result<(Limits, Vec<LiveChange>)> {
    let mut request = request();
    request.limits = old;
    update(&request, change, &server(), isolation, running)
}

fn live(old: Limits, change: &Limits) -> (Limits, Vec<LiveChange>) {
    changed(old, change, HcsIsolation::Process, true).unwrap()
}

/// What is said, each with what to do.
fn said(error: &Error) -> Vec<String> {
    let problem = |problem: &Error| format!("{problem} [{}]", problem.hint().expect("a hint"));
    error.all_problems().iter().map(problem).collect()
}

#[test]
fn what_runs_is_told_the_processor_first_and_memory_last() {
    let change = Limits { cpu_shares: Some(700), ..memory(256) };
    let (limits, told) = live(memory(128), &change);
    assert_eq!(limits, change);
    let weight = Processor { weight: Some(700), ..Processor::default() };
    let all = Processor { maximum: Some(10_000), ..Processor::default() };
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].set, Modification::Current(Processors(weight)));
    // No limit of processor time cannot be said; all of it can.
    assert_eq!(told[0].undo, Some(Modification::Current(Processors(all))));
    assert_eq!((told[1].option, &told[1].set), ("--memory", &Modification::Current(Memory(256))));
    assert_eq!(told[1].undo, Some(Modification::Current(Memory(128))));
    let schema = schema::Schema::load();
    for change in told.iter().flat_map(|change| [Some(&change.set), change.undo.as_ref()]).flatten() {
        schema.check("docs.ModifySettingRequest", &serde_json::to_value(change).unwrap()).unwrap();
    }
}

#[test]
fn what_has_no_way_back_comes_last() {
    let (_, told) = live(Limits::default(), &Limits { cpu_count: Some(2), ..memory(64) });
    let ways: Vec<bool> = told.iter().map(|change| change.undo.is_some()).collect();
    assert_eq!(ways, [true, false]);
}

#[test]
fn a_limit_of_processor_time_takes_the_place_of_the_one_before() {
    let (limits, told) = live(Limits { cpu_period: Some(50_000), ..cpus(100_000) }, &shares(5));
    assert_eq!(limits, shares(5));
    assert_eq!(told[0].undo, Some(Modification::Current(Processors(count(2)))));
    // The period stays with the quota that it belongs to.
    let (limits, told) = live(Limits { cpu_period: Some(50_000), ..cpus(100_000) }, &cpus(50_000));
    assert_eq!(
        (limits.cpu_period, &told[0].set),
        (Some(50_000), &Modification::Current(Processors(count(1))))
    );
    let lifted = Limits { cpu_quota: Some(Bound::Unlimited), ..Limits::default() };
    let (_, told) = live(shares(5), &lifted);
    assert_eq!(
        told[0].set,
        Modification::Current(Processors(Processor { maximum: Some(10_000), ..Processor::default() }))
    );
    let both = Limits { cpu_count: Some(1), ..shares(5) };
    let error = changed(cpus(100_000), &both, HcsIsolation::Process, true).unwrap_err();
    assert!(said(&error)[0].contains("takes one limit"), "{error}");
}

#[test]
fn the_same_again_is_no_change() {
    for isolation in [HcsIsolation::Process, HcsIsolation::Hyperv] {
        let (limits, told) = changed(memory(64), &memory(64), isolation, true).unwrap();
        assert_eq!((limits, told), (memory(64), Vec::new()));
    }
}

#[test]
fn what_does_not_run_is_changed_for_its_next_start() {
    for isolation in [HcsIsolation::Process, HcsIsolation::Hyperv] {
        let change = Limits { io_operations: Some(10), memory: Some(Bound::Unlimited), ..shares(9) };
        let (limits, told) = changed(memory(64), &change, isolation, false).unwrap();
        assert_eq!((limits, told), (change, Vec::new()));
    }
}

#[test]
fn all_that_cannot_be_changed_is_told_at_once() {
    let change = Limits {
        memory: Some(Bound::Unlimited),
        cpu_count: Some(99),
        pids: Some(Bound::At(5)),
        io_operations: Some(10),
        io_bytes: Some(10),
        ..Limits::default()
    };
    let error = changed(memory(64), &change, HcsIsolation::Process, true).unwrap_err();
    insta::assert_snapshot!("update_process", said(&error).join("\n"));
    let change = Limits { cpu_count: Some(1), ..memory(128) };
    let error = changed(memory(64), &change, HcsIsolation::Hyperv, true).unwrap_err();
    insta::assert_snapshot!("update_hyperv", said(&error).join("\n"));
    let mut request = request();
    request.limits = Limits::default();
    let older = containerv_spec::hcs::machine::WindowsMachine { build: 17763, ..server() };
    let error = update(&request, &cpus(100_000), &older, HcsIsolation::Process, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(said(&error)[0].contains("`--cpus`: Windows of build 17763"), "{error}");
}
