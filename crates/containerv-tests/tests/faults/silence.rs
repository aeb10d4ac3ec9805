//! The services do what they are asked, and do not tell of it.

use serde_json::json;

use containerv::spec::state::Status;
use containerv::{Container, StdioSet};
use containerv_tests::inside::{command, doing};
use containerv_tests::{Bed, StandIns};

use crate::{Faults, alone};

#[test]
fn who_waits_for_a_command_hears_of_its_end_though_nobody_tells() {
    if !StandIns::are_here() {
        return;
    }
    let _alone = alone();
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.process = Some(doing("sleep 500 + exit 7"));
    let id = request.id.as_str().to_owned();
    let _faults = Faults::set(json!([{"call": "event.ProcessExited", "with": id, "lost": true}]));
    let (container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(container.state().unwrap().status, Status::Exited);
}

#[test]
fn a_container_is_ended_though_nobody_tells_of_its_end() {
    if !StandIns::are_here() {
        return;
    }
    let _alone = alone();
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut child = command(&container, "sleep 600000").spawn().unwrap();
    let id = container.id().as_str().to_owned();
    let rules = json!([
        {"call": "event.ProcessExited", "with": id, "lost": true},
        {"call": "event.SystemExited", "with": id, "lost": true},
    ]);
    let _faults = Faults::set(rules);
    container.delete(true).unwrap();
    assert!(!child.wait().unwrap().success());
    bed.assert_nothing_left("after a silent end");
}
