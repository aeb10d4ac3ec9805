//! Features of the Windows backend: those of the Linux backend, by the same names, and its own.

use super::FeatureLabel;

/// What is known of a feature.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// What a request says to use it, as JSON that is merged into a plain request. It is available only
    /// if that request can be lowered here; where lowering refuses it on every machine, nobody has it.
    Sample(&'static str),
    /// No request asks for it, and Windows does not have it.
    Never(&'static str),
}

/// What a feature needs of a Windows machine besides what lowering checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The network service.
    Networks,
    /// The program that supervises commands which outlive their caller.
    Monitor,
}

/// One feature of the Windows backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) ask: Ask,
    /// How far it is proved.
    pub(crate) label: FeatureLabel,
    /// What it needs besides.
    pub(crate) needs: &'static [Need],
    /// Why Hyper-V isolation does not have it, where lowering does not tell.
    pub(crate) not_in_machines: Option<&'static str>,
}

/// The stand-ins show its effect.
const fn seen(name: &'static str, sample: &'static str) -> Known {
    known(name, Ask::Sample(sample), FeatureLabel::ProvedOnStandIns)
}

/// The stand-ins check its documents and do nothing.
const fn checked(name: &'static str, sample: &'static str) -> Known {
    known(name, Ask::Sample(sample), FeatureLabel::DocumentsChecked)
}

const fn never(name: &'static str, reason: &'static str) -> Known {
    known(name, Ask::Never(reason), FeatureLabel::NotOffered)
}

const fn known(name: &'static str, ask: Ask, label: FeatureLabel) -> Known {
    Known { name, ask, label, needs: &[], not_in_machines: None }
}

impl Known {
    const fn with(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    const fn processes_only(self, reason: &'static str) -> Self {
        Self { not_in_machines: Some(reason), ..self }
    }
}

const NO_NAMESPACES: &str =
    "Windows has no namespaces to choose from; a container has its own processes, names and network anyway";
const NO_FILTERS: &str = "Windows has no system call filters for containers; Hyper-V isolation confines more";
const NO_OVERLAYS: &str =
    "a Windows container always writes to a layer of its own, which is kept until it is removed";

/// Features of the Windows backend, in the order of the Linux backend's.
pub(crate) const WINDOWS: &[Known] = &[
    seen("image-host", r#"{"root": "host"}"#),
    // What a directory is looked up for before lowering.
    seen(
        "rootfs-directory",
        r#"{"mounts": [{"source": {"bind": {"path": "C:\\containerfs\\data", "recursive": true}}, "target": "C:\\data"}]}"#,
    ),
    seen("rootfs-layers", "{}"),
    never("overlay", NO_OVERLAYS),
    seen("overlay-memory", r#"{"overlay": "memory"}"#),
    seen("overlay-kept", r#"{"overlay": {"kept": "C:\\kept"}}"#),
    seen("read-only-root", r#"{"read_only": true}"#),
    seen(
        "mount-bind",
        r#"{"mounts": [{"source": {"bind": {"path": "C:\\srv", "recursive": true}}, "target": "C:\\srv"}]}"#,
    ),
    seen(
        "mount-bind-read-only",
        r#"{"mounts": [{"source": {"bind": {"path": "C:\\srv", "recursive": true}}, "target": "C:\\srv", "read_only": true}]}"#,
    ),
    checked(
        "mount-named-pipe",
        r#"{"mounts": [{"source": {"named_pipe": {"path": "\\\\.\\pipe\\agent"}}, "target": "\\\\.\\pipe\\agent"}]}"#,
    ),
    seen(
        "mount-propagation",
        r#"{"mounts": [{"source": {"bind": {"path": "C:\\srv", "recursive": true}}, "target": "C:\\srv",
            "options": {"propagation": "slave"}}]}"#,
    ),
    seen("mount-tmpfs", r#"{"mounts": [{"source": {"tmpfs": {"size": 1048576, "mode": null}}, "target": "C:\\srv"}]}"#),
    never("namespace-mount", NO_NAMESPACES),
    never("namespace-pid", NO_NAMESPACES),
    never("namespace-ipc", NO_NAMESPACES),
    never("namespace-uts", NO_NAMESPACES),
    never("namespace-network", NO_NAMESPACES),
    never("namespace-cgroup", NO_NAMESPACES),
    seen(
        "namespace-time",
        r#"{"namespaces": {"time": {"offsets": {"monotonic_seconds": 60, "boottime_seconds": 60}}}}"#,
    ),
    seen("namespace-user", r#"{"namespaces": {"user": {"single": {"uid": 0, "gid": 0}}}}"#),
    never("namespace-user-ranges", NO_NAMESPACES),
    seen("init", r#"{"init": true}"#),
    seen("keeper", r#"{"process": null}"#),
    seen("detached", "{}").with(&[Need::Monitor]),
    seen("attach", r#"{"process": {"open_stdin": true}}"#).with(&[Need::Monitor]),
    seen("exec", "{}"),
    seen("terminal", r#"{"process": {"terminal": {"columns": 80, "rows": 24}}}"#),
    seen("owner-bound-lifetime", r#"{"lifetime": "owner_bound"}"#),
    seen("auto-remove", r#"{"auto_remove": true}"#),
    seen("hostname", r#"{"hostname": "box"}"#),
    seen("sysctls", r#"{"sysctls": {"net.ipv4.ip_forward": "1"}}"#),
    seen(
        "devices",
        r#"{"devices": [{"host_path": "/dev/null", "path": "/dev/nothing", "access": "rw",
            "number": {"major": 1, "minor": 3}}]}"#,
    ),
    checked("devices-by-class", r#"{"assigned_devices": [{"class": "5b45201d-f2f2-4f3b-85bb-30ff1f953599"}]}"#),
    checked("container-users", r#"{"process": {"user": "ContainerUser"}}"#),
    checked("credential-spec", r#"{"security": {"credential_spec": {"raw": "{}"}}}"#),
    seen("capabilities", r#"{"security": {"capabilities": []}}"#),
    seen("privileged", r#"{"security": {"privileged": true}}"#),
    never("no-new-privileges", "no program of Windows gets more rights by being started"),
    never("seccomp", NO_FILTERS),
    never("seccomp-profile", NO_FILTERS),
    seen("rlimits", r#"{"process": {"rlimits": [{"resource": "core", "soft": 0, "hard": 0}]}}"#),
    seen("supplementary-groups", r#"{"process": {"groups": ["5"]}}"#),
    seen("limit-memory", r#"{"limits": {"memory": {"at": 268435456}}}"#),
    seen(
        "limit-memory-swap",
        r#"{"limits": {"memory": {"at": 268435456}, "memory_and_swap": {"at": 268435456}}}"#,
    ),
    seen("limit-memory-reservation", r#"{"limits": {"memory_reservation": 67108864}}"#),
    seen("limit-cpus", r#"{"limits": {"cpu_quota": {"at": 100000}}}"#),
    seen("limit-cpu-count", r#"{"limits": {"cpu_count": 1}}"#),
    seen("limit-cpu-percent", r#"{"limits": {"cpu_percent": 50}}"#),
    seen("limit-cpu-weight", r#"{"limits": {"cpu_shares": 512}}"#),
    seen("limit-cpuset", r#"{"limits": {"cpuset_cpus": "0"}}"#),
    seen("limit-pids", r#"{"limits": {"pids": {"at": 100}}}"#),
    seen(
        "limit-io-rate",
        r#"{"limits": {"io_rates": [{"path": "/dev/disk", "device": {"major": 8, "minor": 0}, "kind": "write_bytes",
            "per_second": 1048576}]}}"#,
    ),
    seen("limit-io-weight", r#"{"limits": {"io_weight": 500}}"#),
    checked("limit-disk-rate", r#"{"limits": {"io_operations": 100, "io_bytes": 1048576}}"#),
    seen("disk-size", r#"{"storage_bytes": 32212254720}"#),
    seen("update-limits", "{}").processes_only(
        "limits of a virtual machine that runs stay; they are changed for the next start while it does not",
    ),
    seen("pause", "{}"),
    never("out-of-memory-report", "Windows does not tell that memory ran out; programs are refused more"),
    seen("network-none", "{}"),
    seen("network-host", r#"{"network": "host"}"#),
    seen(
        "network-container",
        r#"{"network": {"container": "0000000000000000000000000000000000000000000000000000000000000001"}}"#,
    )
    .with(&[Need::Networks]),
    seen(
        "network-veth",
        r#"{"network": {"veth": {"host_interface": "cvhost", "container_interface": "eth0",
            "host_address": "10.0.0.1", "container_address": "10.0.0.2", "prefix": 24}}}"#,
    ),
    seen("network-nat", r#"{"network": {"named": {"name": "nat"}}}"#).with(&[Need::Networks]),
    checked(
        "published-ports",
        r#"{"network": {"named": {"name": "nat"}}, "ports": [{"container_port": 80, "host_port": 8080, "protocol": "tcp"}]}"#,
    )
    .with(&[Need::Networks]),
    checked("dns", r#"{"network": {"named": {"name": "nat"}}, "dns": {"servers": ["10.0.0.53"]}}"#)
        .with(&[Need::Networks]),
    seen("copy-files", "{}"),
    seen("copy-archives", "{}"),
    seen("changes", "{}"),
    seen("logs", "{}").with(&[Need::Monitor]),
    seen("stats", "{}"),
    never("stats-complete", "Windows does not count the file cache, nor processes that ended for lack of memory"),
    seen("processes", "{}"),
    seen("events", "{}"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once() {
        let mut names: Vec<&str> = WINDOWS.iter().map(|known| known.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_feature_of_linux_has_an_answer_in_its_place() {
        let linux: Vec<&str> = crate::features::linux::LINUX.iter().map(|known| known.name).collect();
        let windows: Vec<&str> =
            WINDOWS.iter().map(|known| known.name).filter(|name| linux.contains(name)).collect();
        assert_eq!(windows, linux);
    }
}
