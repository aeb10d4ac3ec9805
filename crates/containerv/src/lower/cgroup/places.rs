//! Where each controller is, and why it is not where a limit needs it.

use containerv_spec::OsText;
use containerv_spec::cgroup::{Controller, Group, GroupVersion};
use containerv_spec::facts::{CgroupFacts, CgroupMode, GroupAccess};

use crate::{Error, ErrorKind};

/// Controllers that statistics come from.
const STATISTICS: [Controller; 4] = [Controller::Memory, Controller::Cpu, Controller::Pids, Controller::Io];

/// A hierarchy in which groups can be made.
pub(super) struct Place {
    pub(super) version: GroupVersion,
    /// Controllers of the hierarchy; in the places of [`Places::used`] only those used.
    pub(super) controllers: Vec<Controller>,
    /// Absolute path of the group below which groups are made.
    pub(super) base: OsText,
}

/// All hierarchies in which groups can be made, with the facts behind them.
pub(super) struct Places<'a> {
    facts: &'a CgroupFacts,
    places: Vec<Place>,
}

impl<'a> Places<'a> {
    pub(super) fn new(facts: &'a CgroupFacts) -> Self {
        let v1 = facts.v1.iter().map(|it| (GroupVersion::V1, &it.controllers, &it.mount, &it.access));
        let v2 = facts.v2.iter().map(|it| (GroupVersion::V2, &it.controllers, &it.mount, &it.access));
        let places = v1.chain(v2).filter_map(|(version, controllers, mount, access)| {
            let GroupAccess::Below(group) = access else { return None };
            let base = if group.as_bytes() == b"/" { mount.clone() } else { mount.join(group) };
            Some(Place { version, controllers: controllers.clone(), base })
        });
        Self { facts, places: places.collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn v2(&self) -> Option<&Place> {
        self.places.iter().find(|place| place.version == GroupVersion::V2)
    }

    /// Returns the hierarchy of version 1 that has this controller.
    pub(super) fn into_v1_with(self, controller: Controller) -> Option<Place> {
        let fits =
            |place: &Place| place.version == GroupVersion::V1 && place.controllers.contains(&controller);
        self.places.into_iter().find(fits)
    }

    /// Returns the names that lead from the base of its hierarchy to a group, its own the last.
    pub(super) fn names_of<'g>(&self, group: &'g Group) -> Option<Vec<&'g [u8]>> {
        let below =
            |place: &Place| group.path.as_bytes().strip_prefix(place.base.as_bytes())?.strip_prefix(b"/");
        // A hierarchy may be mounted below a directory of another: the longest base is the group's own.
        let same = self.places.iter().filter(|place| place.version == group.version);
        let names = same.filter_map(below).min_by_key(|names| names.len())?;
        Some(names.split(|byte| *byte == b'/').collect())
    }

    /// Says whether version 2 can do this without a controller of that name.
    fn built_into_v2(&self, controller: Controller) -> bool {
        let built_in = [Controller::Cpuacct, Controller::Freezer, Controller::Devices];
        built_in.contains(&controller) && self.v2().is_some()
    }

    /// Returns the hierarchies that a container with these requirements uses.
    pub(super) fn used(&self, required: &[Controller]) -> Vec<Place> {
        let mut used = Vec::new();
        for place in &self.places {
            let controllers = self.used_controllers(place, required);
            if place.version == GroupVersion::V2 || !controllers.is_empty() {
                used.push(Place { version: place.version, controllers, base: place.base.clone() });
            }
        }
        used
    }

    fn used_controllers(&self, place: &Place, required: &[Controller]) -> Vec<Controller> {
        let without_v2 = self.v2().is_none();
        let wants = |controller: &Controller| match controller {
            Controller::Freezer | Controller::Cpuacct => without_v2,
            Controller::Devices => required.contains(controller),
            Controller::Cpuset => required.contains(controller),
            _ => STATISTICS.contains(controller) || required.contains(controller),
        };
        let mut controllers: Vec<Controller> = place.controllers.clone();
        if place.version == GroupVersion::V2 || !place.controllers.iter().any(wants) {
            controllers.retain(wants);
        }
        controllers
    }

    /// Returns why a limit of this controller cannot be had, if it cannot.
    pub(super) fn refusal(&self, controller: Controller, option: &str) -> Option<Error> {
        let here = self.places.iter().any(|place| place.controllers.contains(&controller));
        if here || self.built_into_v2(controller) {
            return None;
        }
        let v1 = self.facts.v1.iter().find(|it| it.controllers.contains(&controller));
        let v2 = self.facts.v2.as_ref().filter(|it| it.controllers.contains(&controller));
        let known = v1
            .map(|it| (GroupVersion::V1, &it.mount, &it.access))
            .or(v2.map(|it| (GroupVersion::V2, &it.mount, &it.access)));
        Some(match known {
            Some((version, mount, access)) => no_permission(controller.name(version), option, mount, access),
            None => self.missing(controller, option),
        })
    }

    fn missing(&self, controller: Controller, option: &str) -> Error {
        let mode = self.facts.mode();
        let version = if mode == CgroupMode::V2 { GroupVersion::V2 } else { GroupVersion::V1 };
        let name = controller.name(version);
        let delegated = self.facts.v2.as_ref().filter(|it| it.access != GroupAccess::Below("/".into()));
        let message =
            format!("`{option}`: the `{name}` controller is not available here ({})", mode.describe());
        let error = Error::new(ErrorKind::Unavailable, message);
        match (mode, delegated) {
            (CgroupMode::None, _) => error.with_hint(MOUNT_HINT),
            (_, Some(_)) => error.with_hint(delegation_hint(name)),
            (_, None) => error.with_hint(format!(
                "`/proc/cgroups` lists the kernel's controllers; `cgroup_disable={name}` on the kernel's \
                 command line may have turned it off"
            )),
        }
    }

    /// Returns the error for an option that needs any group at all.
    pub(super) fn nowhere(&self, option: &str) -> Error {
        let message = format!("`{option}`: no control group can be made: {}", self.why_empty());
        Error::new(ErrorKind::PermissionDenied, message).with_hint(match self.facts.mode() {
            CgroupMode::None => MOUNT_HINT.to_owned(),
            _ => delegation_hint("memory"),
        })
    }

    /// Returns why no group can be made, for a place where none can.
    pub(super) fn why_empty(&self) -> String {
        let mut access =
            self.facts.v1.iter().map(|it| &it.access).chain(self.facts.v2.iter().map(|it| &it.access));
        match self.facts.mode() {
            CgroupMode::None => "no control group hierarchy is mounted".to_owned(),
            _ if access.any(|it| *it == GroupAccess::ReadOnly) => {
                "the control group hierarchies are mounted read-only".to_owned()
            }
            mode => format!("no group of {} is delegated to this user", mode.describe()),
        }
    }
}

const MOUNT_HINT: &str = "mount the control groups: `mount -t cgroup2 none /sys/fs/cgroup`";

fn no_permission(name: &str, option: &str, mount: &OsText, access: &GroupAccess) -> Error {
    let (why, hint) = match access {
        GroupAccess::ReadOnly => {
            (format!("`{mount}` is mounted read-only"), "run where it is writable".to_owned())
        }
        _ => (format!("no group below `{mount}` is delegated to this user"), delegation_hint(name)),
    };
    let message = format!("`{option}`: no group of the `{name}` controller can be made: {why}");
    Error::new(ErrorKind::PermissionDenied, message).with_hint(hint)
}

fn delegation_hint(name: &str) -> String {
    format!(
        "run as root, or on control groups v2 below a delegated group: `systemd-run --user --scope cv …`, with \
         `Delegate=cpu cpuset io memory pids` for `user@.service` if it lacks the `{name}` controller"
    )
}
