//! Containers and the processes that make, open and leave them.

use std::io::BufRead;
use std::process::{Child, Stdio};

use containerv::spec::Request;
use containerv::spec::request::Lifetime;
use containerv::spec::state::Status;
use containerv_tests::inside::{command, doing, said};
use containerv_tests::{Bed, Caller};

use crate::{PROGRAM, eventually};

/// Another process that has done `operation` and lives on.
fn owner(bed: &Bed, operation: &str, request: &Request) -> Child {
    let caller = Caller::new(bed, PROGRAM);
    let file = caller.store(request);
    let mut command = caller.command(operation);
    let mut owner =
        command.arg("--stay").arg("--request").arg(file).stderr(Stdio::inherit()).spawn().unwrap();
    let mut line = String::new();
    let output = owner.stdout.take().unwrap();
    std::io::BufReader::new(output).read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "done", "{operation}");
    owner
}

fn end(mut owner: Child) {
    owner.kill().unwrap();
    owner.wait().unwrap();
}

#[test]
fn a_detached_container_outlives_its_maker() {
    let bed = Bed::with_program();
    for operation in ["create", "detached"] {
        let mut request = bed.request();
        request.process = (operation == "detached").then(|| doing("sleep 600000"));
        end(owner(&bed, operation, &request));
        let container = bed.host().container(request.id.as_str()).unwrap();
        assert_eq!(container.state().unwrap().status, Status::Running);
        assert_eq!(said(command(&container, "echo alive")), "alive");
        container.delete(true).unwrap();
        bed.assert_nothing_left(&format!("after `{operation}` and a removal"));
    }
}

#[test]
fn an_owner_bound_container_ends_when_its_owner_is_killed() {
    let bed = Bed::with_program();
    for operation in ["create", "attached"] {
        let mut request = bed.request();
        request.lifetime = Lifetime::OwnerBound;
        request.process = (operation == "attached").then(|| doing("sleep 600000"));
        let owner = owner(&bed, operation, &request);
        let container = bed.host().container(request.id.as_str()).unwrap();
        assert_eq!(container.state().unwrap().status, Status::Running, "{operation}");
        end(owner);
        eventually("it ends", || container.state().unwrap().status == Status::Exited);
        container.delete(false).unwrap();
        bed.assert_nothing_left(&format!("after the owner of `{operation}` was killed"));
    }
}

#[test]
fn another_process_opens_a_container_by_its_id() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let caller = Caller::new(&bed, PROGRAM);
    let seen = caller.change("look", container.id().as_str(), None).survived();
    assert_eq!(seen.replace('\r', ""), "running\nfrom inside\n");
    assert_eq!(caller.change("delete", container.id().short(), None).survived(), "");
    assert!(container.state().is_err());
    bed.assert_nothing_left("after another process has removed it");
}
