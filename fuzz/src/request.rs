//! Requests, as stored with a container, and lowering them for both systems.

use containerv_spec::Request;
use containerv_spec::hcs::machine::{Product, WindowsMachine};
use containerv_spec::plan::Plan;

use crate::invariant;
use crate::machine::machines;

/// A request that is read survives being stored; it is lowered on every machine, or refused with
/// reasons.
pub fn target(data: &[u8]) {
    let Some(request) = invariant::document::<Request>(data) else { return };
    for (machine, attached) in machines().iter().zip([false, true, true]) {
        match containerv::fuzzing::lower(&request, machine, attached) {
            Ok(plan) => {
                assert_eq!(plan.container, request.id);
                invariant::lowered(&plan);
            }
            Err(error) => invariant::error(&error),
        }
    }
    let server = WindowsMachine::assumed();
    for machine in [WindowsMachine { product: Product::Client, ..server.clone() }, server] {
        match containerv::plan_windows(&request, &machine) {
            Ok(plan) => for_windows(&plan, &request),
            Err(error) => invariant::error(&error),
        }
    }
}

/// A plan for Windows survives being stored, and does not steer a terminal.
fn for_windows(plan: &Plan, request: &Request) {
    invariant::written(plan);
    let text = plan.to_string();
    assert!(text.contains(request.id.short()));
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}
