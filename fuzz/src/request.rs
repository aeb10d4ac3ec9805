//! Requests, as stored with a container, and lowering them.

use containerv_spec::Request;

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
}
