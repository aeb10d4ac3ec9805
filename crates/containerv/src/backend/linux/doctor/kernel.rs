//! The kernel: its version, its system calls, its namespaces.

use std::io;

use containerv_sys::linux::calls::Call;

use super::Files;
use crate::doctor::{Check, CheckStatus};

/// The oldest kernel that has everything: `mount_setattr` came last.
const OLDEST: (u32, u32) = (5, 12);

/// Name in `/proc/self/ns`, name of its limit in `user.max_…_namespaces`, name for people, and
/// whether every container needs one.
const NAMESPACES: [(&str, &str, &str, bool); 7] = [
    ("mnt", "mnt", "mount", true),
    ("pid", "pid", "process id", true),
    ("net", "net", "network", true),
    ("ipc", "ipc", "IPC", true),
    ("uts", "uts", "host name", true),
    ("cgroup", "cgroup", "control group", false),
    ("time", "time", "time", false),
];

pub(super) fn version(version: (u32, u32)) -> Check {
    let found = format!("Linux {}.{}", version.0, version.1);
    if version >= OLDEST {
        return Check::ok("kernel", found);
    }
    let cause = format!("containers need what Linux {}.{} brought", OLDEST.0, OLDEST.1);
    let fix = "install a newer kernel, on Debian `apt-get install linux-image-amd64`, and restart";
    Check::bad("kernel", CheckStatus::Failed, found, cause, fix)
}

pub(super) fn calls(ask: impl Fn(Call) -> io::Result<()>) -> Check {
    const NAME: &str = "system calls";
    let missing: Vec<(Call, io::Error)> =
        Call::ALL.into_iter().filter_map(|call| Some((call, ask(call).err()?))).collect();
    let Some((call, error)) = missing.first() else {
        let names: Vec<&str> = Call::ALL.into_iter().map(Call::name).collect();
        return Check::ok(NAME, names.join(", "));
    };
    let names: Vec<&str> = missing.iter().map(|(call, _)| call.name()).collect();
    let found = format!("without {}", names.join(", "));
    let (major, minor) = call.since();
    let (cause, fix) = match error.kind() {
        io::ErrorKind::PermissionDenied => (
            "a system call filter around this process refuses them".to_owned(),
            "run outside of the surrounding container, or start that with `--security-opt seccomp=unconfined`",
        ),
        _ => (
            format!(
                "`{}` came with Linux {major}.{minor}, or a filter around this process hides it",
                call.name()
            ),
            "install a newer kernel, or start the surrounding container with `--security-opt seccomp=unconfined`",
        ),
    };
    Check::bad(NAME, CheckStatus::Failed, found, cause, fix)
}

/// Says whether the kernel has namespaces of a kind, by the name in `/proc/self/ns`.
pub(in crate::backend::linux) fn has_namespace(files: &Files, name: &str) -> Result<(), String> {
    if !files.exists(&format!("/proc/self/ns/{name}")) {
        return Err(format!("this kernel was built without `{name}` namespaces"));
    }
    let setting = format!("user.max_{name}_namespaces");
    match files.setting(&setting) {
        Some(0) => Err(format!("`{setting}` is 0")),
        _ => Ok(()),
    }
}

/// One check for all that are well, and one for each that is not.
pub(super) fn namespaces(files: &Files) -> Vec<Check> {
    let mut well = Vec::new();
    let mut checks = Vec::new();
    for (name, limit, label, needed) in NAMESPACES {
        match has_namespace(files, name) {
            Ok(()) => well.push(label),
            Err(found) => checks.push(no_namespace(files, name, limit, label, needed, found)),
        }
    }
    if !well.is_empty() {
        checks.insert(0, Check::ok("namespaces", well.join(", ")));
    }
    checks
}

fn no_namespace(files: &Files, name: &str, limit: &str, label: &str, needed: bool, found: String) -> Check {
    let status = super::failed_if(needed);
    let title = format!("{label} namespaces");
    if files.exists(&format!("/proc/self/ns/{name}")) {
        let cause = "this machine lets nobody make one".to_owned();
        let fix = format!("`sysctl -w user.max_{limit}_namespaces=10000`");
        return Check::bad(&title, status, found, cause, fix);
    }
    let option = name.to_uppercase().replace("MNT", "mount").replace("CGROUP", "CGROUPS");
    let (cause, fix) = match name {
        "time" => ("they came with Linux 5.6".to_owned(), "install a newer kernel, or do without `--timens`"),
        _ => (format!("its option `CONFIG_{option}_NS` is off"), "use a kernel of a distribution"),
    };
    Check::bad(&title, status, found, cause, fix)
}

pub(super) fn seccomp(files: &Files, available: bool) -> Check {
    const NAME: &str = "system call filters";
    let actions = files.read("/proc/sys/kernel/seccomp/actions_avail");
    let actions =
        actions.map_or_else(String::new, |text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let errno = available || actions.split(' ').any(|action| action == "errno");
    if errno {
        return Check::ok(NAME, if actions.is_empty() { "available".to_owned() } else { actions });
    }
    let found = if actions.is_empty() { "none".to_owned() } else { format!("only {actions}") };
    let cause = "this kernel cannot answer a filtered call with an error (`CONFIG_SECCOMP_FILTER`)";
    let fix =
        "use a kernel of a distribution; `--security-opt seccomp=unconfined` runs containers less safely";
    Check::bad(NAME, CheckStatus::Failed, found, cause, fix)
}

/// The program that sets containers up is executed from memory.
pub(super) fn memory_files(files: &Files) -> Check {
    const NAME: &str = "programs in memory";
    match files.setting("vm.memfd_noexec") {
        Some(2) => Check::bad(
            NAME,
            CheckStatus::Failed,
            "`vm.memfd_noexec` is 2",
            "this machine lets nobody execute a file that is only in memory, from which containers are set up",
            "`sysctl -w vm.memfd_noexec=1`",
        ),
        Some(value) => Check::ok(NAME, format!("`vm.memfd_noexec` is {value}")),
        None => Check::ok(NAME, "not restricted"),
    }
}

pub(super) fn terminals(files: &Files) -> Check {
    const NAME: &str = "terminals";
    if !super::has_file_system(files, "devpts") {
        let cause = "this kernel was built without `CONFIG_UNIX98_PTYS`";
        let fix = "use a kernel of a distribution, or do without `--tty`";
        return Check::bad(NAME, CheckStatus::Warning, "no `devpts` file system", cause, fix);
    }
    match (files.setting("kernel.pty.nr"), files.setting("kernel.pty.max")) {
        (Some(used), Some(most)) if used >= most => Check::bad(
            NAME,
            CheckStatus::Warning,
            format!("all {most} in use"),
            "no further terminal can be made on this machine",
            format!("`sysctl -w kernel.pty.max={}`", most.max(512) * 2),
        ),
        (Some(used), Some(most)) => Check::ok(NAME, format!("{used} of {most} in use")),
        _ => Check::ok(NAME, "available"),
    }
}
