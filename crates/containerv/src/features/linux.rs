//! Features of the Linux backend.

/// What a feature needs of a Linux machine besides what lowering checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Namespaces of a kind, by the name in `/proc/self/ns`.
    Namespace(&'static str),
    /// Overlays with their upper layer in the state root.
    Overlay,
    /// Overlays with their upper layer in memory.
    OverlayInMemory,
    /// System call filters.
    SystemCallFilter,
    /// Terminals of its own.
    Terminals,
    /// A control group for each container.
    Group,
    /// A kernel that counts swap.
    SwapAccounting,
    /// A weight of block I/O.
    IoWeight,
    /// Ranges of subordinate ids, or root.
    IdRanges,
    /// A file of version 1 or 2 that stops a group's processes.
    Freezer,
}

/// One feature of the Linux backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// What a request says to use it, as JSON that is merged into a plain request. It is available
    /// only if that request can be lowered here.
    pub(crate) sample: &'static str,
    /// What it needs besides.
    pub(crate) needs: &'static [Need],
}

const fn known(name: &'static str, sample: &'static str, needs: &'static [Need]) -> Known {
    Known { name, sample, needs }
}

/// Features of the Linux backend.
pub(crate) const LINUX: &[Known] = &[
    known("image-host", r#"{"root": "host"}"#, &[Need::Overlay]),
    known("rootfs-directory", "{}", &[]),
    known("overlay", r#"{"overlay": "container"}"#, &[Need::Overlay]),
    known("overlay-memory", r#"{"overlay": "memory"}"#, &[Need::OverlayInMemory]),
    known("overlay-kept", r#"{"overlay": {"kept": "/srv/kept"}}"#, &[Need::Overlay]),
    known("read-only-root", r#"{"read_only": true}"#, &[]),
    known(
        "mount-bind",
        r#"{"mounts": [{"source": {"bind": {"path": "/srv", "recursive": true}}, "target": "/srv"}]}"#,
        &[],
    ),
    known(
        "mount-bind-read-only",
        r#"{"mounts": [{"source": {"bind": {"path": "/srv", "recursive": true}}, "target": "/srv", "read_only": true}]}"#,
        &[],
    ),
    known(
        "mount-propagation",
        r#"{"mounts": [{"source": {"bind": {"path": "/srv", "recursive": true}}, "target": "/srv",
            "options": {"propagation": "slave"}}]}"#,
        &[],
    ),
    known(
        "mount-tmpfs",
        r#"{"mounts": [{"source": {"tmpfs": {"size": 1048576, "mode": null}}, "target": "/srv"}]}"#,
        &[],
    ),
    known("namespace-mount", "{}", &[Need::Namespace("mnt")]),
    known("namespace-pid", "{}", &[Need::Namespace("pid")]),
    known("namespace-ipc", "{}", &[Need::Namespace("ipc")]),
    known("namespace-uts", "{}", &[Need::Namespace("uts")]),
    known("namespace-network", "{}", &[Need::Namespace("net")]),
    known("namespace-cgroup", "{}", &[Need::Namespace("cgroup")]),
    known(
        "namespace-time",
        r#"{"namespaces": {"time": {"offsets": {"monotonic_seconds": 60, "boottime_seconds": 60}}}}"#,
        &[Need::Namespace("time")],
    ),
    known(
        "namespace-user",
        r#"{"namespaces": {"user": {"single": {"uid": 0, "gid": 0}}}}"#,
        &[Need::Namespace("user")],
    ),
    known("namespace-user-ranges", "{}", &[Need::Namespace("user"), Need::IdRanges]),
    known("init", r#"{"init": true}"#, &[]),
    known("keeper", r#"{"process": null}"#, &[]),
    known("detached", "{}", &[]),
    known("attach", r#"{"process": {"open_stdin": true}}"#, &[]),
    known("exec", "{}", &[]),
    known("terminal", r#"{"process": {"terminal": {"columns": 80, "rows": 24}}}"#, &[Need::Terminals]),
    known("owner-bound-lifetime", r#"{"lifetime": "owner_bound"}"#, &[]),
    known("auto-remove", r#"{"auto_remove": true}"#, &[]),
    known("hostname", r#"{"hostname": "box"}"#, &[Need::Namespace("uts")]),
    known("sysctls", r#"{"sysctls": {"net.ipv4.ip_forward": "1"}}"#, &[]),
    known(
        "devices",
        r#"{"devices": [{"host_path": "/dev/null", "path": "/dev/nothing", "access": "rw",
            "number": {"major": 1, "minor": 3}}]}"#,
        &[],
    ),
    known("capabilities", r#"{"security": {"capabilities": []}}"#, &[]),
    known("privileged", r#"{"security": {"privileged": true}}"#, &[]),
    known("no-new-privileges", "{}", &[]),
    known("seccomp", "{}", &[Need::SystemCallFilter]),
    known("seccomp-profile", "{}", &[Need::SystemCallFilter]),
    known("rlimits", r#"{"process": {"rlimits": [{"resource": "core", "soft": 0, "hard": 0}]}}"#, &[]),
    known("supplementary-groups", r#"{"process": {"groups": ["5"]}}"#, &[Need::IdRanges]),
    known("limit-memory", r#"{"limits": {"memory": {"at": 67108864}}}"#, &[]),
    known(
        "limit-memory-swap",
        r#"{"limits": {"memory": {"at": 67108864}, "memory_and_swap": {"at": 67108864}}}"#,
        &[Need::SwapAccounting],
    ),
    known("limit-memory-reservation", r#"{"limits": {"memory_reservation": 67108864}}"#, &[]),
    known("limit-cpus", r#"{"limits": {"cpu_quota": {"at": 50000}}}"#, &[]),
    known("limit-cpu-weight", r#"{"limits": {"cpu_shares": 512}}"#, &[]),
    known("limit-cpuset", r#"{"limits": {"cpuset_cpus": "0"}}"#, &[]),
    known("limit-pids", r#"{"limits": {"pids": {"at": 100}}}"#, &[]),
    known(
        "limit-io-rate",
        r#"{"limits": {"io_rates": [{"path": "/dev/disk", "device": {"major": 8, "minor": 0}, "kind": "write_bytes",
            "per_second": 1048576}]}}"#,
        &[],
    ),
    known("limit-io-weight", r#"{"limits": {"io_weight": 500}}"#, &[Need::IoWeight]),
    known("update-limits", r#"{"limits": {"pids": {"at": 100}}}"#, &[]),
    known("pause", "{}", &[Need::Group, Need::Freezer]),
    known("out-of-memory-report", r#"{"limits": {"memory": {"at": 67108864}}}"#, &[]),
    known("network-none", "{}", &[Need::Namespace("net")]),
    known("network-host", r#"{"network": "host"}"#, &[]),
    known(
        "network-container",
        r#"{"network": {"container": "0000000000000000000000000000000000000000000000000000000000000001"}}"#,
        &[Need::Namespace("net")],
    ),
    known(
        "network-veth",
        r#"{"network": {"veth": {"host_interface": "cvhost", "container_interface": "eth0",
            "host_address": "10.0.0.1", "container_address": "10.0.0.2", "prefix": 24}}}"#,
        &[Need::Namespace("net")],
    ),
    known("copy-files", "{}", &[]),
    known("copy-archives", "{}", &[]),
    known("changes", r#"{"overlay": "container"}"#, &[Need::Overlay]),
    known("logs", "{}", &[]),
    known("stats", "{}", &[]),
    known("stats-complete", "{}", &[Need::Group]),
    known("processes", "{}", &[]),
    known("events", "{}", &[]),
];
