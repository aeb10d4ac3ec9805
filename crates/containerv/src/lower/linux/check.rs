//! What is wrong with a request, all of it at once.

use containerv_spec::machine::Machine;
use containerv_spec::request::{
    Device, IdRange, Log, Mount, MountSource, Network, Overlay, Process, Propagation, Root, Share,
    TimeNamespace, UserNamespace, Veth,
};
use containerv_spec::{CapabilitySet, OsText, id};

use super::layers::{MAX_LAYERS, has_separator};
use super::{Draft, Launch};
use crate::{Error, ErrorKind};

/// Longest interface name, `IFNAMSIZ` less its NUL.
const MAX_INTERFACE_NAME: usize = 15;
/// Longest host name; sethostname(2).
const MAX_HOSTNAME: usize = 64;
/// Longest path.
const PATH_MAX: usize = 4096;
/// Most mounts of one container; each needs a descriptor until it is attached.
const MAX_MOUNTS: usize = 400;
/// Supplementary groups that the stage has room for.
const MAX_GROUPS: usize = 256;

/// Checks a whole request.
pub(super) fn request(draft: &mut Draft<'_>) {
    names(draft);
    root(draft);
    mounts(draft);
    namespaces(draft);
    network(draft);
    sysctls(draft);
    security(draft);
    if let Some(process) = &draft.request.process {
        let mut problems = Vec::new();
        self::process(process, draft.machine, &mut problems);
        draft.problems.append(&mut problems);
    } else if draft.launch != Launch::Keeper {
        draft.problem(ErrorKind::InvalidArgument, "no command is given", "name a program to run");
    }
}

fn names(draft: &mut Draft<'_>) {
    let request = draft.request;
    if let Some(name) = request.name.as_deref().filter(|name| !id::is_valid_name(name)) {
        draft.problem(
            ErrorKind::InvalidArgument,
            format!("`--name {name}`: not a container name"),
            "use 2 to 128 of `[a-zA-Z0-9_.-]`, the first a letter or digit",
        );
    }
    for (option, name) in [("--hostname", &request.hostname), ("--domainname", &request.domainname)] {
        let Some(name) = name else { continue };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if name.is_empty() || name.len() > MAX_HOSTNAME || !name.bytes().all(plain) || name.starts_with('-') {
            draft.problem(
                ErrorKind::InvalidArgument,
                format!("`{option} {name}`: not a host name"),
                "use 1 to 64 letters, digits, `-` and `.`",
            );
        }
    }
    if request.shm_bytes == Some(0) {
        draft.problem(ErrorKind::InvalidArgument, "`--shm-size 0`: must be positive", "leave it out for 64m");
    }
    for (key, option) in request.labels.keys().map(|key| (key, "--label")) {
        if key.is_empty() {
            draft.problem(
                ErrorKind::InvalidArgument,
                format!("`{option}`: the key is empty"),
                "write `key=value`",
            );
        }
    }
}

fn root(draft: &mut Draft<'_>) {
    let request = draft.request;
    if let Root::Directory(path) = &request.root {
        absolute(draft, "--rootfs", path);
        if path.as_bytes().iter().all(|byte| *byte == b'/') && request.namespaces.mount {
            draft.problem(
                ErrorKind::InvalidArgument,
                "`--rootfs /`: the host's own root cannot be a container's",
                "use the image `host`, or a directory",
            );
        }
    } else if !request.namespaces.mount {
        draft.problem(
            ErrorKind::InvalidArgument,
            "an image needs a mount namespace",
            "give a root directory, or let the container have its own mounts",
        );
    }
    if let Root::Layers(layers) = &request.root
        && !super::foreign::is_of_windows(layers)
    {
        image_layers(draft, &layers.folders);
    }
    if let Overlay::Kept(path) = &request.overlay {
        absolute(draft, "--overlay", path);
    }
    overlay(draft);
}

fn image_layers(draft: &mut Draft<'_>, folders: &[OsText]) {
    if folders.is_empty() || folders.len() > MAX_LAYERS {
        let message = format!("an image of {} layers: an overlay has from 1 to {MAX_LAYERS}", folders.len());
        draft.problem(ErrorKind::Unsupported, message, "flatten the image");
    }
    for folder in folders {
        absolute(draft, "--layer", folder);
    }
    if draft.request.overlay == Overlay::None {
        draft.problem(
            ErrorKind::InvalidArgument,
            "`--overlay none`: containers share the layers of an image, and cannot write to them",
            "leave it out, or use `--read-only`",
        );
    }
}

fn overlay(draft: &mut Draft<'_>) {
    let request = draft.request;
    let writes = draft.writes();
    if writes == super::root::Writes::InPlace {
        return;
    }
    if !request.namespaces.mount {
        draft.problem(
            ErrorKind::InvalidArgument,
            "`--overlay`: the container has no mount namespace",
            "use `--overlay none`",
        );
    }
    draft.check_shifted();
    mounts_below(draft);
    // The kernel parts the options of an overlay by commas and its layers by colons.
    let mut paths = vec![draft.places.directory.clone()];
    if let Root::Directory(path) = &request.root {
        paths.push(path.clone());
    }
    if let Overlay::Kept(path) = &request.overlay {
        paths.push(path.clone());
    }
    for path in paths {
        if has_separator(&path) {
            draft.problem(
                ErrorKind::InvalidArgument,
                format!("`--overlay`: the path `{path}` has a comma, colon or backslash, which an overlay cannot take"),
                "use another directory",
            );
        }
    }
}

/// What the kernel does not take as a layer, and no copy can stand in for.
fn mounts_below(draft: &mut Draft<'_>) {
    for below in &draft.machine.mounts_below {
        let hint = match &draft.request.root {
            Root::Directory(_) | Root::Layers(_) => {
                "unmount it, use the directory in place with `--overlay none`, or run as root"
            }
            Root::Host if below.copied_without.is_some() => continue,
            Root::Host => {
                "use `--read-only`, with `--tmpfs` or `--volume` where the container writes, or run as root"
            }
        };
        let message = format!(
            "an overlay over `{}`: `{}` is mounted there, and over mounts the kernel lets an ordinary user lay no overlay",
            below.directory, below.mount
        );
        draft.problems.push(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
}

fn absolute(draft: &mut Draft<'_>, option: &str, path: &OsText) {
    if let Some(problem) = path_problem(path) {
        draft.problem(
            ErrorKind::InvalidArgument,
            format!("`{option} {path}`: {problem}"),
            "give an absolute path",
        );
    }
}

fn path_problem(path: &OsText) -> Option<&'static str> {
    match path {
        path if path.is_empty() => Some("the path is empty"),
        path if !path.is_absolute() => Some("the path is not absolute"),
        path if path.contains_nul() => Some("the path has a NUL byte"),
        path if path.as_bytes().len() >= PATH_MAX => Some("the path is longer than 4095 bytes"),
        _ => None,
    }
}

/// What is mounted, and the devices.
pub(super) fn mounts(draft: &mut Draft<'_>) {
    let request = draft.request;
    if !request.mounts.is_empty() && !request.namespaces.mount {
        draft.problem(
            ErrorKind::InvalidArgument,
            "`--mount`: the container has no mount namespace",
            "let it have its own mounts, or leave the mounts out",
        );
    }
    if request.mounts.len() > MAX_MOUNTS {
        let message = format!("`--mount`: {} mounts are more than {MAX_MOUNTS}", request.mounts.len());
        draft.problem(ErrorKind::InvalidArgument, message, "mount a directory that holds several of them");
    }
    for mount in &request.mounts {
        self::mount(draft, mount);
    }
    for Device { host_path, path, access, .. } in &request.devices {
        absolute(draft, "--device", host_path);
        absolute(draft, "--device", path);
        if access.is_empty() || access.bytes().any(|letter| !b"rwm".contains(&letter)) {
            draft.problem(
                ErrorKind::InvalidArgument,
                format!("`--device {host_path}`: access `{access}` is not made of `r`, `w` and `m`"),
                "write `rwm`, `rw` or `r`",
            );
        }
    }
}

fn mount(draft: &mut Draft<'_>, mount: &Mount) {
    absolute(draft, "--mount", &mount.target);
    if mount.options.propagation == Propagation::Shared && draft.user_namespace {
        draft.problem(
            ErrorKind::Unsupported,
            format!(
                "`--mount`: mounts at `{}` cannot spread to the host out of a user namespace",
                mount.target
            ),
            "use `slave` propagation, or run as root without a user namespace",
        );
    }
    if let MountSource::Bind { path, .. } = &mount.source {
        absolute(draft, "--mount", path);
    }
    let target = mount.target.as_bytes();
    let parts: Vec<&[u8]> =
        target.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        draft.problem(
            ErrorKind::InvalidArgument,
            format!("mount: the target `{}` climbs with `..`", mount.target),
            "write the path without `..`",
        );
    } else if parts.is_empty() || parts[0] == b"proc" {
        draft.problem(
            ErrorKind::InvalidArgument,
            format!("mount: nothing may be mounted at `{}`", mount.target),
            "a mount at `/` or in `/proc` would undo the container's protection",
        );
    }
}

fn namespaces(draft: &mut Draft<'_>) {
    let (request, machine) = (draft.request, draft.machine);
    match &request.namespaces.user {
        UserNamespace::Host if !machine.is_privileged() => draft.problem(
            ErrorKind::PermissionDenied,
            "`--userns host`: only root can make a container without a user namespace",
            "leave `--userns` out, or run as root",
        ),
        // The kernel's devpts belongs to root of the user namespace, who must exist.
        UserNamespace::Single { uid, gid } if (*uid, *gid) != (0, 0) && request.namespaces.mount => draft
            .problem(
                ErrorKind::Unsupported,
                format!("`--userns keep-id`: a user namespace with the ids {uid} and {gid} alone has no root, and so no `/dev/pts`"),
                "leave it out, which makes you 0, or map ranges that have 0 with `--uidmap` and `--gidmap`",
            ),
        UserNamespace::Mapped { uids, gids } => {
            if !machine.is_privileged() && machine.subordinate.helpers.is_none() {
                draft.problem(
                    ErrorKind::Unavailable,
                    "`--userns`: mapping ranges as an ordinary user needs newuidmap and newgidmap",
                    "install the package `uidmap`, and add lines for your user to /etc/subuid and /etc/subgid",
                );
            }
            for (what, ranges) in [("user", uids), ("group", gids)] {
                ranges_fit(draft, what, ranges);
            }
        }
        _ => {}
    }
    if let TimeNamespace::Offsets { .. } = request.namespaces.time
        && !machine.is_privileged()
    {
        draft.problem(
            ErrorKind::PermissionDenied,
            "`--timens`: only root can make a time namespace",
            "run as root, or leave `--timens` and `--time-offset` out",
        );
    }
    joined_with_own_ids(draft);
    for (option, share) in [("--cgroupns", &request.namespaces.cgroup)] {
        if let Share::Container(_) = share {
            draft.problem(
                ErrorKind::Unsupported,
                format!("`{option}`: cannot be another container's"),
                "use `private` or `host`",
            );
        }
    }
}

/// The file systems that show a namespace can be mounted by those only whose user namespace it
/// belongs to. An ordinary user joins that too; root with ids of its own does not.
fn joined_with_own_ids(draft: &mut Draft<'_>) {
    let request = draft.request;
    if !draft.user_namespace || !draft.machine.is_privileged() {
        return;
    }
    let shares = [
        ("--pid", matches!(request.namespaces.pid, Share::Container(_))),
        ("--network", matches!(request.network, Network::Container(_))),
    ];
    for (option, _) in shares.into_iter().filter(|share| share.1) {
        draft.problem(
            ErrorKind::Unsupported,
            format!("`{option} container:`: not with mapped ids, whose container could not show it in `/proc` and `/sys`"),
            "leave the mapping out, or join from a container without one",
        );
    }
}

fn ranges_fit(draft: &mut Draft<'_>, what: &str, ranges: &[IdRange]) {
    let overflows = |start: u32, count: u32| {
        count == 0 || start.checked_add(count - 1).is_none_or(|last| last == u32::MAX)
    };
    let wrong =
        |range: &IdRange| overflows(range.inside, range.count) || overflows(range.outside, range.count);
    if ranges.is_empty() || ranges.iter().any(wrong) || !ranges.iter().any(|range| range.inside == 0) {
        draft.problem(
            ErrorKind::InvalidArgument,
            format!("`--userns`: the {what} id ranges are empty, too large, or do not map 0"),
            "give ranges as inside, outside and count; one must begin at 0 inside",
        );
    } else if overlap(ranges, |range| range.inside) || overlap(ranges, |range| range.outside) {
        draft.problem(
            ErrorKind::InvalidArgument,
            format!("`--userns`: the {what} id ranges overlap"),
            "map each id once, inside and outside",
        );
    }
}

/// Says whether ranges that start there have an id in common; none of them overflows.
fn overlap(ranges: &[IdRange], start: fn(&IdRange) -> u32) -> bool {
    let mut spans: Vec<_> =
        ranges.iter().map(|range| (start(range), start(range) + (range.count - 1))).collect();
    spans.sort_unstable();
    spans.windows(2).any(|pair| pair[1].0 <= pair[0].1)
}

fn network(draft: &mut Draft<'_>) {
    let Network::Veth(veth) = &draft.request.network else { return };
    if !draft.machine.is_privileged() {
        draft.problem(
            ErrorKind::PermissionDenied,
            "network: a veth pair to the host needs root",
            "run as root, or use `--network none`",
        );
    }
    let Veth { host_interface, container_interface, prefix, .. } = veth;
    for name in [host_interface, container_interface] {
        let usable = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
        if name.is_empty()
            || name.len() > MAX_INTERFACE_NAME
            || !name.bytes().all(usable)
            || name == "."
            || name == ".."
        {
            draft.problem(
                ErrorKind::InvalidArgument,
                format!("network: `{name}` is not an interface name"),
                "use 1 to 15 characters without blanks, `/` and `:`",
            );
        }
    }
    if *prefix > 32 {
        let message = format!("network: a prefix length of {prefix} is more than 32");
        draft.problem(ErrorKind::InvalidArgument, message, "use 0 to 32");
    }
}

/// Kernel settings that belong to a namespace; anything else would be the host's.
fn sysctls(draft: &mut Draft<'_>) {
    let request = draft.request;
    for (name, value) in &request.sysctls {
        let ipc = name.starts_with("kernel.shm")
            || name.starts_with("kernel.msg")
            || name == "kernel.sem"
            || name.starts_with("fs.mqueue.");
        let net = name.starts_with("net.");
        let well_formed =
            name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/') && !name.contains("..");
        let owned = match (ipc, net) {
            (true, _) => request.namespaces.ipc == Share::Private,
            (_, true) => matches!(request.network, Network::None | Network::Veth(_)),
            _ => false,
        };
        if !well_formed || !(ipc || net) {
            draft.problem(
                ErrorKind::InvalidArgument,
                format!("`--sysctl {name}`: not a setting of a container's own namespaces"),
                "only `net.*`, `kernel.shm*`, `kernel.msg*`, `kernel.sem` and `fs.mqueue.*` belong to a container",
            );
        } else if !owned || !request.namespaces.mount {
            draft.problem(
                ErrorKind::InvalidArgument,
                format!("`--sysctl {name}`: the container shares this namespace with others"),
                "leave it out, or give the container a namespace of its own",
            );
        }
        if value.contains('\0') || value.len() > 4095 {
            draft.problem(
                ErrorKind::InvalidArgument,
                format!("`--sysctl {name}`: not a value"),
                "give one line",
            );
        }
    }
}

fn security(draft: &mut Draft<'_>) {
    let (request, machine) = (draft.request, draft.machine);
    let asked = request.security.capabilities.0;
    let extra = CapabilitySet::from_bits(asked.bits() & !CapabilitySet::DEFAULT.bits());
    if !draft.user_namespace && asked != CapabilitySet::ALL {
        for capability in extra.iter().filter(|capability| !machine.capabilities.contains(*capability)) {
            draft.problem(
                ErrorKind::PermissionDenied,
                format!("`--cap-add {}`: the caller does not have {capability} itself", capability.name()),
                "run with that capability, or leave it out",
            );
        }
    }
    if let Some(value) = request.security.oom_score_adj
        && !(-1000..=1000).contains(&value)
    {
        let message = format!("`--oom-score-adj {value}`: not between -1000 and 1000");
        draft.problem(ErrorKind::InvalidArgument, message, "use a number from -1000 to 1000");
    }
    if request.stop.signal == 0 || request.stop.signal > 64 {
        let message = format!("`--stop-signal {}`: not a signal", request.stop.signal);
        draft.problem(ErrorKind::InvalidArgument, message, "use a name such as `TERM`, or 1 to 64");
    }
    let (files, most) = (request.log.max_files, Log::MOST_FILES);
    if !(1..=most).contains(&files) {
        let message = format!("`--log-opt max-file={files}`: not between 1 and {most}");
        draft.problem(ErrorKind::InvalidArgument, message, "use at least 1");
    }
}

/// Checks a process, the container's own or a further one.
pub(super) fn process(process: &Process, machine: &Machine, problems: &mut Vec<Error>) {
    let mut problem =
        |kind, message: String, hint: &str| problems.push(Error::new(kind, message).with_hint(hint));
    let program = process.program.as_ref().or(process.args.first());
    if program.is_none_or(OsText::is_empty) {
        problem(ErrorKind::InvalidArgument, "the command is empty".to_owned(), "name a program to run");
    }
    if process.command_line.is_some() {
        let message = "`commandLine`: programs of Linux take arguments one by one".to_owned();
        problem(ErrorKind::Unsupported, message, "give the arguments");
    }
    if let Some(what) = path_problem(&process.cwd) {
        let message = format!("`--workdir {}`: {what}", process.cwd);
        problem(ErrorKind::InvalidArgument, message, "give an absolute path in the container");
    }
    for text in process.args.iter().chain(&process.env).filter(|text| text.contains_nul()) {
        let message = format!("`{text}`: an argument or variable has a NUL byte");
        problem(ErrorKind::InvalidArgument, message, "leave the NUL byte out");
    }
    for entry in &process.env {
        let name = entry.as_bytes().iter().position(|byte| *byte == b'=');
        if name.is_none_or(|length| length == 0) {
            let message = format!("`--env {entry}`: not `NAME=value`");
            problem(ErrorKind::InvalidArgument, message, "write `NAME=value`");
        }
    }
    user(process, &mut problem);
    for limit in &process.rlimits {
        let name = limit.resource.name();
        if limit.soft > limit.hard {
            let message = format!(
                "`--ulimit {name}`: the soft limit {} is above the hard limit {}",
                limit.soft, limit.hard
            );
            problem(ErrorKind::InvalidArgument, message, "write `name=soft:hard` with soft at most hard");
        }
        let own =
            machine.hard_limits.iter().find(|entry| entry.0 == limit.resource as u32).map(|entry| entry.1);
        let may_raise = machine.is_privileged()
            && machine.capabilities.contains(containerv_spec::Capability::SYS_RESOURCE);
        if let Some(own) = own.filter(|own| limit.hard > *own && !may_raise) {
            let message =
                format!("`--ulimit {name}={}`: above the caller's own hard limit {own}", limit.hard);
            problem(ErrorKind::PermissionDenied, message, "use at most that, or run with CAP_SYS_RESOURCE");
        }
    }
}

fn user(process: &Process, problem: &mut dyn FnMut(ErrorKind, String, &str)) {
    let parts = process.user.split(':').collect::<Vec<_>>();
    let too_large =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i32>().is_err();
    let wrong = |text: &str| text.contains(['\0', '\n', '/']) || text.starts_with('-') || text.len() > 255;
    let names = parts
        .iter()
        .chain(process.groups.iter().map(String::as_str).collect::<Vec<_>>().iter())
        .copied()
        .collect::<Vec<_>>();
    if parts.len() > 2 || names.iter().any(|text| wrong(text)) {
        let message = format!("`--user {}`: not `user[:group]`", process.user);
        problem(ErrorKind::InvalidArgument, message, "write a name or a number, and a group behind a colon");
    }
    for text in names.iter().filter(|text| !text.is_empty() && too_large(text)) {
        let message =
            format!("`--user {}`: `{text}` is too large; an id is at most 2147483647", process.user);
        problem(ErrorKind::InvalidArgument, message, "use a smaller id");
    }
    if process.groups.len() > MAX_GROUPS {
        let message = format!("`--group-add`: {} groups are more than {MAX_GROUPS}", process.groups.len());
        problem(ErrorKind::InvalidArgument, message, "give fewer groups");
    }
}
