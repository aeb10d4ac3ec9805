//! Crashes while a container is made.

use std::net::Ipv4Addr;

use containerv::Container;
use containerv::spec::Request;
use containerv::spec::plan::{Action, LinuxPlan, Plan};
use containerv::spec::request::{IdRange, Network, Overlay, Root, UserNamespace, Veth};
use containerv_tests::machine::is_root;
use containerv_tests::{Bed, Caller, Ended, shell, skip};

use crate::{PROGRAM, USER, repair};

/// Kills the caller after every step of an operation that makes a container.
fn at_every_step(bed: &Bed, caller: &Caller<'_>, operation: &str, change: impl Fn(&mut Request)) {
    let request = || {
        let mut request = bed.request();
        change(&mut request);
        request
    };
    let plan = if operation == "attached" { "plan-attached" } else { "plan" };
    // Another user's plan is another one.
    let plan = caller.make(plan, &request(), None).survived();
    let Plan::Linux(plan) = serde_json::from_str(&plan).unwrap() else { panic!("{plan}") };
    let steps = plan.steps.len() as u32;
    assert!(steps > 20, "{plan}");
    let mut survived = Vec::new();
    for step in 1..=steps {
        let when = format!("{operation} killed after step {step}");
        let request = request();
        match caller.make(operation, &request, Some(step)) {
            Ended::Killed => {
                repair(bed, caller, request.auto_remove, &when);
                bed.assert_nothing_left(&when);
            }
            Ended::Survived(_) => {
                survived.push(step);
                remove(bed, &request);
            }
            Ended::Failed(error) => panic!("{when}: {error}"),
        }
    }
    for step in &survived {
        assert!(is_behind_the_gate(&plan, *step), "step {step} of {steps} was survived: {plan}");
    }
    survives_as_a_container(bed, caller, operation, &request(), steps);
}

/// Steps that are not executed before the operation returns, in one kind of launch.
fn is_behind_the_gate(plan: &LinuxPlan, step: u32) -> bool {
    let action = &plan.step(step).unwrap().action;
    matches!(action, Action::WaitForStart { .. } | Action::StayAsInit { .. } | Action::Execute(_))
}

/// Killed when everything was made and noted, the container is there and can be removed.
fn survives_as_a_container(bed: &Bed, caller: &Caller<'_>, operation: &str, request: &Request, steps: u32) {
    // A prepared container's plan has one step more than the plan that can be looked at.
    let fault = steps + if operation == "create" && request.process.is_some() { 2 } else { 1 };
    assert!(matches!(caller.make(operation, request, Some(fault)), Ended::Killed), "{operation}");
    assert_eq!(caller.repair(false), "", "{operation}: a finished container needs no repair");
    assert!(bed.host().container(request.id.as_str()).is_ok(), "{operation}");
    remove(bed, request);
}

fn remove(bed: &Bed, request: &Request) {
    if let Ok(container) = bed.host().container(request.id.as_str()) {
        Container::delete(&container, true).unwrap();
    }
    bed.assert_nothing_left("after a container that survived was removed");
}

fn command(request: &mut Request) {
    request.process = Some(shell("sleep 1000"));
}

#[test]
fn a_keeper() {
    let bed = Bed::new();
    at_every_step(&bed, &Caller::new(&bed, PROGRAM), "create", |request| {
        request.name = Some("keeper".into());
    });
}

#[test]
fn a_keeper_with_a_veth_pair() {
    let bed = Bed::new();
    bed.watch_interface("cvt-crash");
    at_every_step(&bed, &Caller::new(&bed, PROGRAM), "create", |request| {
        request.network = Network::Veth(Veth {
            host_interface: "cvt-crash".into(),
            container_interface: "eth0".into(),
            host_address: Ipv4Addr::new(10, 231, 11, 1),
            container_address: Ipv4Addr::new(10, 231, 11, 2),
            prefix: 24,
        });
    });
}

#[test]
fn an_attached_command_over_an_overlay() {
    let bed = Bed::new();
    at_every_step(&bed, &Caller::new(&bed, PROGRAM), "attached", |request| {
        command(request);
        request.overlay = Overlay::Container;
    });
}

#[test]
fn a_detached_command_over_shifted_layers() {
    if !is_root() {
        return skip("needs root, whose layers are shifted");
    }
    let bed = Bed::new();
    at_every_step(&bed, &Caller::new(&bed, PROGRAM), "detached", |request| {
        command(request);
        request.root = Root::Host;
        let range = vec![IdRange { inside: 0, outside: 200_000, count: 65_536 }];
        request.namespaces.user = UserNamespace::Mapped { uids: range.clone(), gids: range };
    });
}

#[test]
fn an_attached_command_in_the_host_image() {
    let bed = Bed::new();
    at_every_step(&bed, &Caller::new(&bed, PROGRAM), "attached", |request| {
        command(request);
        request.root = Root::Host;
        request.auto_remove = true;
    });
}

#[test]
fn a_prepared_command() {
    let bed = Bed::new();
    at_every_step(&bed, &Caller::new(&bed, PROGRAM), "create", |request| {
        command(request);
        request.init = true;
    });
}

#[test]
fn a_detached_command() {
    let bed = Bed::new();
    at_every_step(&bed, &Caller::new(&bed, PROGRAM), "detached", |request| {
        command(request);
        request.name = Some("detached".into());
    });
}

#[test]
fn a_detached_command_that_removes_itself() {
    let bed = Bed::new();
    at_every_step(&bed, &Caller::new(&bed, PROGRAM), "detached", |request| {
        command(request);
        request.auto_remove = true;
        request.overlay = Overlay::Memory;
    });
}

#[test]
fn a_keeper_of_an_ordinary_user() {
    if !is_root() {
        return skip("only root can become another user");
    }
    let bed = Bed::new();
    let caller = Caller::ordinary(&bed, PROGRAM, USER);
    at_every_step(&bed, &caller, "create", |_| {});
}

#[test]
fn a_detached_command_of_an_ordinary_user_in_the_host_image() {
    if !is_root() {
        return skip("only root can become another user");
    }
    let bed = Bed::new();
    let caller = Caller::ordinary(&bed, PROGRAM, USER);
    at_every_step(&bed, &caller, "detached", |request| {
        command(request);
        request.root = Root::Host;
    });
}

/// Only around the copy, which takes long: the other steps are those of the test before.
#[test]
fn an_ordinary_user_with_a_copied_layer() {
    if !is_root() {
        return skip("only root can become another user");
    }
    let bed = Bed::new();
    let caller = Caller::ordinary(&bed, PROGRAM, USER).with_mounts("mount --bind /etc/passwd /etc/hosts");
    let request = || {
        let mut request = bed.request();
        command(&mut request);
        request.root = Root::Host;
        request
    };
    let plan = caller.make("plan", &request(), None).survived();
    let Plan::Linux(plan) = serde_json::from_str(&plan).unwrap() else { panic!("{plan}") };
    let copy = plan.steps.iter().position(|step| matches!(step.action, Action::CopyTree { .. })).unwrap();
    for step in [copy as u32 + 1, plan.steps.len() as u32 - 1] {
        let when = format!("killed after step {step}");
        assert!(matches!(caller.make("detached", &request(), Some(step)), Ended::Killed), "{when}");
        repair(&bed, &caller, false, &when);
        bed.assert_nothing_left(&when);
    }
}
