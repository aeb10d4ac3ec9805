//! Plans, as `cv plan --format json` prints them.

use containerv_spec::plan::{Phase, Plan};

use crate::invariant;

/// A plan that is read survives being stored, and its phases and numbers agree.
pub fn target(data: &[u8]) {
    let Some(plan) = invariant::document::<Plan>(data) else { return };
    assert!(plan.to_string().lines().count() > plan.steps.len());
    let phases = [Phase::Host, Phase::Outer, Phase::Beside, Phase::Inside];
    let numbered: Vec<_> = phases.iter().flat_map(|phase| plan.phase(*phase)).collect();
    assert_eq!(numbered.len(), plan.steps.len());
    for (number, action) in numbered {
        assert_eq!(plan.step(number).map(|step| &step.action), Some(action));
    }
    assert!(plan.step(0).is_none());
}
