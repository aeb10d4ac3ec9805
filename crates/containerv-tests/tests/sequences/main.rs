//! What the library calls of Windows' services, in order and with its documents: a snapshot for each
//! isolation, of whole lives of containers.

#![cfg(windows)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod record;

use containerv::spec::Request;
use containerv::spec::plan::Plan;
use containerv::spec::request::{Mount, MountSource, NamedNetwork, Network};
use containerv::spec::{Bound, ByteSize, Limits};
use containerv::{Container, StdioSet};
use containerv_tests::differences::Place;
use containerv_tests::inside::{command, doing};
use containerv_tests::{Bed, StandIns};

use record::Record;

fn memory(mib: u64) -> Limits {
    Limits { memory: Some(Bound::At(ByteSize::mib(mib))), ..Limits::default() }
}

fn rich(bed: &Bed) -> Request {
    let mut request = bed.request();
    request.name = Some("rich".into());
    request.hostname = Some("web01".into());
    request.limits = memory(512);
    request.network = Network::Named(NamedNetwork::new("nat"));
    let path = bed.make_directory("data").to_str().unwrap().into();
    let source = MountSource::Bind { path, recursive: true };
    let (target, options) = (r"C:\data".into(), Default::default());
    request.mounts.push(Mount { source, target, read_only: true, options });
    request
}

/// The functions of a plan, without those that need no service.
fn planned(bed: &Bed, request: &Request) -> Vec<String> {
    let Plan::Hcs(plan) = bed.host().plan(request, false).unwrap() else { panic!("not of Windows") };
    let steps = plan.steps.iter().filter(|step| !step.call.name().starts_with("kernel32"));
    let exports = steps.flat_map(|step| step.exports.clone());
    // The DLLs of the stand-ins close these by themselves.
    let closes = |export: &String| export.starts_with("HcnClose") || export == "HcsCloseOperation";
    exports.filter(|export| !closes(export)).chain(["HcsCloseComputeSystem".to_owned()]).collect()
}

/// The functions that were called, without looking around: that comes before each part of a plan.
fn functions(calls: &str) -> Vec<String> {
    const LOOKING: [&str; 3] = ["HcnEnumerateNetworks", "HcnOpenNetwork", "HcnQueryNetworkProperties"];
    let called = calls.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_once('!'));
    let mut functions: Vec<String> = called.map(|(_, function)| function.to_owned()).collect();
    while let Some(at) = functions.windows(3).position(|three| three == LOOKING) {
        functions.drain(at..at + 3);
    }
    functions
}

/// The lives, one after the other: the record is of the whole process.
#[test]
fn calls_are_those_that_were_read() {
    if !StandIns::are_here() {
        return;
    }
    let bed = Bed::with_program();
    // The network is made by whoever needs it first, and is there from then on.
    let mut request = bed.request();
    request.network = Network::Named(NamedNetwork::new("nat"));
    Container::create(bed.host(), request).unwrap().delete(true).unwrap();
    let mut record = Record::new();
    let place = if Place::here() == Place::HyperV { "hyperv" } else { "process" };
    let mut check = |what: &str, request: &Request| {
        let calls = record.since_last(request, &bed);
        insta::assert_snapshot!(format!("{what}_{place}"), calls);
        calls
    };

    let request = rich(&bed);
    let planned = planned(&bed, &request);
    let _looked = check("a_keeper_is_planned", &request);
    let keeper = Container::create(bed.host(), request.clone()).unwrap();
    let calls = check("a_keeper_is_made", &request);
    assert_eq!(functions(&calls), planned, "it is made as it was planned");
    assert!(command(&keeper, "echo hello").output().unwrap().status.success());
    check("a_further_command", &request);
    keeper.state().unwrap();
    check("its_state", &request);
    keeper.stats().unwrap();
    check("its_usage", &request);
    keeper.processes().unwrap();
    check("its_processes", &request);
    keeper.pause().unwrap();
    keeper.resume().unwrap();
    check("paused_and_resumed", &request);
    if Place::here() == Place::Process {
        keeper.update(&memory(600)).unwrap();
        check("limits_are_changed", &request);
    }
    let path = bed.make_directory("more").to_str().unwrap().into();
    let source = MountSource::Bind { path, recursive: true };
    let (target, options) = (r"C:\more".into(), Default::default());
    keeper.add_mount(&Mount { source, target, read_only: true, options }).unwrap();
    keeper.remove_mount(r"C:\more").unwrap();
    check("a_directory_comes_and_goes", &request);
    // Not stopped: how much of that is left to do depends on how soon it does as it is asked.
    keeper.kill().unwrap();
    keeper.wait().unwrap();
    check("it_is_killed", &request);
    keeper.start().unwrap();
    check("it_is_started_again", &request);
    keeper.delete(true).unwrap();
    check("it_is_removed", &request);

    let mut request = rich(&bed);
    request.process = Some(doing("exit 3"));
    let (container, mut child) =
        Container::run_attached(bed.host(), request.clone(), StdioSet::null()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    check("an_attached_command_runs_to_its_end", &request);
    container.delete(false).unwrap();
    check("what_has_ended_is_removed", &request);
    assert_eq!(record.misuses(), Vec::<String>::new(), "no handle is used when it is dead");
}
