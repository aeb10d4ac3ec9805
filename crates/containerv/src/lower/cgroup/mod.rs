//! Lowering of resource limits to control groups of version 1, of version 2 and of both at once.
//!
//! Each controller is looked for on version 1 first: a hybrid machine has most of them there, and
//! a controller is never on both. Beyond what limits need, a container gets groups for the
//! controllers that statistics come from, and one in the version 2 hierarchy, which freezes,
//! kills and tells when the last process is gone.

pub(crate) mod check;
mod places;
mod settings;
#[cfg(test)]
mod tests;

use containerv_spec::cgroup::{
    CgroupPlan, CgroupStep, Controller, DeviceRule, Group, GroupSet, GroupVersion,
};
use containerv_spec::facts::{CgroupFacts, GroupAccess};
use containerv_spec::{Limits, OsText};

use crate::{Error, ErrorKind};

use self::places::{Place, Places};

/// Group below which containers' groups are made unless the caller names another.
pub(crate) const DEFAULT_PARENT: &str = "containerv";

/// What a container wants of control groups.
pub(crate) struct Wanted<'a> {
    /// Limits.
    pub(crate) limits: &'a Limits,
    /// Devices that stay allowed while all others are refused; `None` for no filter.
    pub(crate) devices: Option<&'a [DeviceRule]>,
    /// Parent group given by the caller.
    pub(crate) parent: Option<&'a OsText>,
    /// Name of the container's own group.
    pub(crate) name: &'a str,
}

/// Plans a new container's control groups.
///
/// Returns everything that is wrong, each problem naming its option. Without permission to make
/// groups the plan is empty and says why, unless something was asked for that needs them.
pub(crate) fn plan(facts: &CgroupFacts, wanted: &Wanted<'_>) -> Result<CgroupPlan, Vec<Error>> {
    let mut problems = check::limits(wanted.limits, facts);
    problems.extend(check::name(wanted.name));
    problems.extend(wanted.parent.and_then(check::parent));
    let places = Places::new(facts);
    let needs = needs(wanted);
    problems.extend(needs.iter().filter_map(|(controller, option)| places.refusal(*controller, option)));
    if wanted.parent.is_some() && places.is_empty() {
        problems.push(places.nowhere("--cgroup-parent"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let required: Vec<Controller> = needs.iter().map(|(controller, _)| *controller).collect();
    Ok(match places.is_empty() {
        true => without_groups(places.why_empty()),
        false => with_groups(&places, wanted, &required),
    })
}

/// A change of a running container's limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Update {
    /// The steps.
    pub(crate) steps: Vec<CgroupStep>,
    /// Groups that the steps make, of controllers that the container was made without.
    pub(crate) made: Vec<Group>,
}

/// Plans a change of a running container's limits.
///
/// `current` is what the container was last given; the result of both together is checked, and
/// only what `change` names is written.
pub(crate) fn plan_update(
    facts: &CgroupFacts,
    groups: &GroupSet,
    current: &Limits,
    change: &Limits,
) -> Result<Update, Vec<Error>> {
    let whole = current.changed_by(change);
    let mut problems = check::limits(&whole, facts);
    let mut plan = CgroupPlan { groups: groups.clone(), ..CgroupPlan::default() };
    let mut made = Vec::new();
    for (controller, option) in settings::needs(change) {
        if plan.groups.with(controller).is_some() {
            continue;
        }
        if let Some(step) = add_to_v2(facts, &mut plan.groups, controller) {
            plan.steps.push(step);
        } else if let Some(group) = further_group(facts, groups, controller) {
            make_group(&mut plan, &group.place, &group.parent, group.name, &[]);
            made.extend(plan.groups.with(controller).cloned());
        } else {
            problems.push(no_group(groups, controller, option));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut steps = plan.steps;
    steps.extend(settings::steps(&plan.groups, change, &whole, settings::Moment::Running));
    // Last: a value that the kernel refuses has moved nobody.
    let members = groups.tracking().map(|group| &group.path);
    steps.extend(
        made.iter().zip(members.into_iter().cycle()).map(|(group, members)| CgroupStep::Gather {
            path: group.path.clone(),
            members: members.clone(),
        }),
    );
    Ok(Update { steps, made })
}

/// Returns the paths of groups that changes of limits may make while the container runs.
pub(crate) fn later_groups(facts: &CgroupFacts, groups: &GroupSet) -> Vec<OsText> {
    let without = settings::CHANGEABLE.into_iter().filter(|controller| groups.with(*controller).is_none());
    let mut paths: Vec<OsText> = without
        .filter_map(|controller| further_group(facts, groups, controller))
        .map(|group| {
            group.parent.iter().fold(group.place.base, |path, name| path.join(name)).join(group.name)
        })
        .collect();
    paths.dedup();
    paths
}

/// Where a container gets a group of version 1 that it was made without.
struct Further<'a> {
    place: Place,
    parent: Vec<&'a [u8]>,
    name: &'a [u8],
}

/// Finds the place of a further group, in the hierarchy of version 1 that has the controller, if there is one.
/// It is called what the container's other groups are called.
fn further_group<'a>(
    facts: &CgroupFacts,
    groups: &'a GroupSet,
    controller: Controller,
) -> Option<Further<'a>> {
    let places = Places::new(facts);
    let mut parent = groups.groups.iter().find_map(|group| places.names_of(group))?;
    let name = parent.pop()?;
    Some(Further { place: places.into_v1_with(controller)?, parent, name })
}

/// Gives a container's group of version 2 a further controller, if its hierarchy has that.
fn add_to_v2(facts: &CgroupFacts, groups: &mut GroupSet, controller: Controller) -> Option<CgroupStep> {
    let hierarchy = facts.v2.as_ref().filter(|it| it.controllers.contains(&controller))?;
    let GroupAccess::Below(base) = &hierarchy.access else { return None };
    let base = if base.as_bytes() == b"/" { hierarchy.mount.clone() } else { hierarchy.mount.join(base) };
    let group = groups.groups.iter_mut().find(|group| group.version == GroupVersion::V2)?;
    let below = group.path.as_bytes().strip_prefix(base.as_bytes())?.strip_prefix(b"/")?;
    let names: Vec<&[u8]> = below.split(|byte| *byte == b'/').collect();
    let mut paths = vec![base];
    for name in &names[..names.len() - 1] {
        paths.push(paths[paths.len() - 1].join(name));
    }
    group.controllers.push(controller);
    Some(CgroupStep::Enable { paths, required: vec![controller], wanted: Vec::new() })
}

fn needs(wanted: &Wanted<'_>) -> Vec<(Controller, &'static str)> {
    let mut needs = settings::needs(wanted.limits);
    if wanted.devices.is_some() {
        needs.push((Controller::Devices, "--device"));
    }
    needs
}

fn without_groups(why: String) -> CgroupPlan {
    let note = format!("no control group is made: {why}; so no limits and no pause");
    let groups = GroupSet { groups: Vec::new(), absent: Some(why) };
    CgroupPlan { steps: Vec::new(), groups, notes: vec![note] }
}

fn with_groups(places: &Places<'_>, wanted: &Wanted<'_>, required: &[Controller]) -> CgroupPlan {
    let parent = parent_names(wanted.parent);
    let mut plan = CgroupPlan::default();
    for place in places.used(required) {
        make_group(&mut plan, &place, &parent, wanted.name.as_bytes(), required);
    }
    let moment = settings::Moment::Creation;
    plan.steps.extend(settings::steps(&plan.groups, wanted.limits, wanted.limits, moment));
    if let Some(allowed) = wanted.devices {
        plan.steps.extend(settings::devices(&plan.groups, allowed));
    }
    plan.notes.extend(settings::notes(&plan.groups, wanted.limits));
    plan
}

/// The names of the groups between the base and the container's own.
fn parent_names(parent: Option<&OsText>) -> Vec<&[u8]> {
    let path = parent.map_or(DEFAULT_PARENT.as_bytes(), OsText::as_bytes);
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect()
}

fn make_group(plan: &mut CgroupPlan, place: &Place, parent: &[&[u8]], name: &[u8], required: &[Controller]) {
    let cpuset = place.version == GroupVersion::V1 && place.controllers.contains(&Controller::Cpuset);
    let inherit = |path: &OsText| cpuset.then(|| CgroupStep::InheritCpuset { path: path.clone() });
    let mut paths = vec![place.base.clone()];
    for name in parent {
        let path = paths[paths.len() - 1].join(name);
        plan.steps.push(CgroupStep::MakeParent { path: path.clone() });
        plan.steps.extend(inherit(&path));
        paths.push(path);
    }
    let path = paths[paths.len() - 1].join(name);
    if place.version == GroupVersion::V2 && !place.controllers.is_empty() {
        let (required, wanted) = place.controllers.iter().partition(|it| required.contains(it));
        plan.steps.push(CgroupStep::Enable { paths, required, wanted });
    }
    plan.steps.push(CgroupStep::Make { path: path.clone() });
    plan.steps.extend(inherit(&path));
    plan.groups.add(Group { version: place.version, controllers: place.controllers.clone(), path });
}

fn no_group(groups: &GroupSet, controller: Controller, option: &str) -> Error {
    let name = controller.name(groups.v2().map_or(GroupVersion::V1, |group| group.version));
    match &groups.absent {
        Some(why) => Error::new(
            ErrorKind::Unavailable,
            format!("`{option}`: the container has no control group: {why}"),
        )
        .with_hint("create the container again where control groups may be made"),
        None => Error::new(
            ErrorKind::Unavailable,
            format!("`{option}`: the container has no control group of the `{name}` controller"),
        )
        .with_hint(format!("create the container with `{option}`; its value can then be changed")),
    }
}
