//! Plans, as `cv plan --format json` prints them.

use containerv_spec::plan::{LinuxPlan, Phase, Plan};

use crate::invariant;

/// A plan that is read survives being stored, and is printed with every step.
pub fn target(data: &[u8]) {
    let Some(plan) = invariant::document::<Plan>(data) else { return };
    let text = plan.to_string();
    let steps = match &plan {
        Plan::Linux(plan) => {
            phases_and_numbers_agree(plan);
            plan.steps.len()
        }
        Plan::Hcs(plan) => {
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
            plan.steps.len()
        }
    };
    assert!(text.lines().count() > steps);
}

fn phases_and_numbers_agree(plan: &LinuxPlan) {
    let phases = [Phase::Host, Phase::Outer, Phase::Beside, Phase::Inside];
    let numbered: Vec<_> = phases.iter().flat_map(|phase| plan.phase(*phase)).collect();
    assert_eq!(numbered.len(), plan.steps.len());
    for (number, action) in numbered {
        assert_eq!(plan.step(number).map(|step| &step.action), Some(action));
    }
    assert!(plan.step(0).is_none());
}
