//! Control groups.

use containerv_spec::cgroup::{Controller, GroupVersion};
use containerv_spec::facts::{CgroupFacts, CgroupMode, GroupAccess};

use super::Caller;
use crate::Result;
use crate::doctor::{Check, CheckStatus};

const NAME: &str = "control groups";
/// Controllers that limits need.
const WANTED: [Controller; 5] =
    [Controller::Cpu, Controller::Cpuset, Controller::Memory, Controller::Io, Controller::Pids];
/// What a container lacks without any group.
const LOSS: &str = "containers run without limits, cannot be paused, and are counted less exactly";
const DELEGATION: &str = "`mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory \
    pids\\n' > /etc/systemd/system/user@.service.d/delegate.conf && systemctl daemon-reload` as root, log in again, and \
    run `systemd-run --user --scope cv …`";

pub(super) fn checks(probed: Result<CgroupFacts>, caller: Caller) -> Vec<Check> {
    let facts = match probed {
        Ok(facts) => facts,
        Err(error) => {
            let fix = error.hint().unwrap_or("mount proc at `/proc`").to_owned();
            return vec![Check::bad(NAME, CheckStatus::Failed, error.to_string(), LOSS, fix)];
        }
    };
    let own = access(&facts, caller);
    let usable = own.status == CheckStatus::Ok;
    let mut checks = vec![own];
    checks.extend(usable.then(|| controllers(&facts)));
    checks
}

fn access(facts: &CgroupFacts, caller: Caller) -> Check {
    let mode = facts.mode().describe();
    let bad = |found: String, cause: &str, fix: &str| {
        Check::bad(NAME, CheckStatus::Warning, found, format!("{cause}; {LOSS}"), fix)
    };
    if facts.mode() == CgroupMode::None {
        let fix = "`mount -t cgroup2 none /sys/fs/cgroup`";
        return bad("none".to_owned(), "no hierarchy is mounted where this process sees it", fix);
    }
    let v1 = facts.v1.iter().map(|it| &it.access);
    let all: Vec<&GroupAccess> = v1.chain(facts.v2.iter().map(|it| &it.access)).collect();
    if let Some(GroupAccess::Below(base)) = all.iter().find(|it| matches!(it, GroupAccess::Below(_))) {
        let place = if base.as_bytes() == b"/" { String::new() } else { format!(", below `{base}`") };
        return Check::ok(NAME, format!("{mode}{place}"));
    }
    if all.iter().any(|it| **it == GroupAccess::ReadOnly) {
        let fix = "`mount -o remount,rw /sys/fs/cgroup`, or start the surrounding container with its own control groups";
        return bad(format!("{mode}, read-only"), "the hierarchies are mounted read-only", fix);
    }
    let found = format!("{mode}, no group for user {}", caller.uid);
    match facts.mode() {
        CgroupMode::V2 => bad(found, "no group is delegated to this user", DELEGATION),
        _ => bad(
            found,
            "only root may make groups of version 1",
            "start the machine with `systemd.unified_cgroup_hierarchy=1` on the kernel's command line, or run as root",
        ),
    }
}

fn controllers(facts: &CgroupFacts) -> Check {
    const NAME: &str = "controllers";
    let usable = |access: &GroupAccess| matches!(access, GroupAccess::Below(_));
    let v1 = facts.v1.iter().filter(|it| usable(&it.access)).flat_map(|it| &it.controllers);
    let v2 = facts.v2.iter().filter(|it| usable(&it.access)).flat_map(|it| &it.controllers);
    let here: Vec<Controller> = v1.chain(v2).copied().collect();
    let name = |controller: &Controller| controller.name(GroupVersion::V2);
    let names = |list: &[Controller]| list.iter().map(name).collect::<Vec<_>>().join(", ");
    let (found, missing): (Vec<_>, Vec<_>) = WANTED.into_iter().partition(|it| here.contains(it));
    if missing.is_empty() {
        return Check::ok(NAME, names(&found));
    }
    let delegated = facts.v2.as_ref().is_some_and(|it| it.access != GroupAccess::Below("/".into()));
    let (cause, fix) = match delegated {
        true => ("the groups above do not pass them on", DELEGATION.to_owned()),
        false => (
            "the kernel has turned them off, or was built without them",
            format!(
                "look at `/proc/cgroups`; start the machine with `cgroup_enable={}` on the kernel's command line",
                missing.iter().map(name).next().unwrap_or_default()
            ),
        ),
    };
    let cause = format!("{cause}; limits that need them are refused");
    Check::bad(NAME, CheckStatus::Warning, format!("without {}", names(&missing)), cause, fix)
}
