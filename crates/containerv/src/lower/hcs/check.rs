//! What a request asks for and a Windows container cannot have: each by the name of its option, with what to do.

use containerv_spec::hcs::signal;
use containerv_spec::id;
use containerv_spec::request::{Namespaces, Seccomp, Share, TimeNamespace, UserNamespace};
use containerv_spec::{Bound, CapabilitySet};

use super::Draft;
use crate::ErrorKind::{InvalidArgument, Unsupported};

const USERS: &str =
    "choose a user of the image: `--user ContainerUser` has fewer rights than `ContainerAdministrator`";
const OWN: &str = "leave it out: a Windows container has its own";

/// Checks a whole request for what no later part looks at.
pub(super) fn request(draft: &mut Draft<'_>) {
    names(draft);
    let request = draft.request;
    let security = &request.security;
    let own = Namespaces::default();
    let namespaces = &request.namespaces;
    let differs = |share: &Share| *share != Share::Private;
    let refused: &[(bool, &str, &str)] = &[
        (security.capabilities.0 != CapabilitySet::DEFAULT, "--cap-add` or `--cap-drop", USERS),
        (security.privileged, "--privileged", USERS),
        (
            security.seccomp != Seccomp::Default,
            "--security-opt seccomp",
            "leave it out; `--isolation hyperv` confines more",
        ),
        (security.allow_new_privileges, "--security-opt no-new-privileges=false", USERS),
        (
            security.unmask,
            "--security-opt systempaths=unconfined",
            "leave it out: Windows hides no such paths",
        ),
        (security.oom_score_adj.is_some(), "--oom-score-adj", "use `--memory`"),
        (namespaces.user != UserNamespace::Auto, "--userns` or `--uidmap", USERS),
        (namespaces.mount != own.mount, "mount namespace", OWN),
        (differs(&namespaces.pid), "--pid", OWN),
        (differs(&namespaces.ipc), "--ipc", OWN),
        (differs(&namespaces.uts), "--uts", OWN),
        (differs(&namespaces.cgroup), "--cgroupns", OWN),
        (namespaces.time != TimeNamespace::Host, "--timens", "leave it out: the clocks are the host's"),
        (!request.sysctls.is_empty(), "--sysctl", "set it in the registry of the image"),
        (request.domainname.is_some(), "--domainname", "use `--dns-search`"),
        (!request.extra_hosts.is_empty(), "--add-host", "use `--dns`"),
        (request.cgroup_parent.is_some(), "--cgroup-parent", "leave it out"),
        (request.shm_bytes.is_some(), "--shm-size", "leave it out: shared memory counts as memory"),
        (request.init, "--init", "leave it out: Windows has no orphans to be reaped"),
        (!request.devices.is_empty(), "--device", "name an interface class, as `--device class/GUID`"),
    ];
    refuse(draft, refused);
    limits(draft);
    if signal::from_number(request.stop.signal).is_none() {
        draft.problem(
            Unsupported,
            format!("`--stop-signal {}`: Windows has no such signal", request.stop.signal),
            &format!("use one of {}", signal::NAMES),
        );
    }
}

/// Limits that no container of Windows has.
pub(super) fn limits(draft: &mut Draft<'_>) {
    let limits = &draft.request.limits;
    let refused = &[
        (swap_is_limited(limits), "--memory-swap", "use `--memory`, which limits both together"),
        (limits.memory_reservation.is_some(), "--memory-reservation", "use `--memory`"),
        (limits.cpuset_cpus.is_some(), "--cpuset-cpus", "use `--cpus`"),
        (limits.cpuset_mems.is_some(), "--cpuset-mems", "use `--cpus`"),
        (
            matches!(limits.pids, Some(Bound::At(_))),
            "--pids-limit",
            "use `--memory`, which bounds processes too",
        ),
        (limits.io_weight.is_some(), "--blkio-weight", "use `--io-maxiops` or `--io-maxbandwidth`"),
        (
            !limits.io_rates.is_empty(),
            "--device-read-bps` or `--device-write-bps",
            "use `--io-maxiops` or `--io-maxbandwidth`",
        ),
    ];
    refuse(draft, refused);
}

fn refuse(draft: &mut Draft<'_>, refused: &[(bool, &str, &str)]) {
    for (_, option, hint) in refused.iter().filter(|entry| entry.0) {
        draft.problem(Unsupported, format!("`{option}`: Windows has nothing like it"), hint);
    }
}

fn swap_is_limited(limits: &containerv_spec::Limits) -> bool {
    matches!(limits.memory_and_swap, Some(Bound::At(_)))
}

fn names(draft: &mut Draft<'_>) {
    let request = draft.request;
    if let Some(name) = request.name.as_deref().filter(|name| !id::is_valid_name(name)) {
        draft.problem(
            InvalidArgument,
            format!("`--name {name}`: not a container name"),
            "use 2 to 128 of `[a-zA-Z0-9_.-]`, the first a letter or digit",
        );
    }
    // The name becomes that of a file.
    let as_file = request.name.as_deref().map(containerv_spec::hcs::path::confined);
    if let Some(Err(problem)) = as_file {
        let name = request.name.as_deref().unwrap_or_default();
        draft.problem(InvalidArgument, format!("`--name {name}`: {problem}"), "choose another name");
    }
    if request.labels.keys().any(String::is_empty) {
        draft.problem(InvalidArgument, "`--label`: the key is empty", "write `key=value`");
    }
    if request.log.max_files == 0 || request.log.max_files > 999 {
        let message = format!("`--log-opt max-file={}`: not between 1 and 999", request.log.max_files);
        draft.problem(InvalidArgument, message, "use at least 1");
    }
}
