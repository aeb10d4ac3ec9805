//! What the caller may do, and what ordinary users may.

use containerv_spec::Capability;
use containerv_spec::machine::{Machine, Subordinate};

use super::{Files, failed_if};
use crate::doctor::{Check, CheckStatus};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(in crate::backend::linux) struct Caller {
    /// Effective user id.
    pub(in crate::backend::linux) uid: u32,
    /// It may do what only root may.
    pub(in crate::backend::linux) privileged: bool,
}

pub(super) fn capabilities(machine: &Machine) -> Check {
    const NAME: &str = "privileges";
    if machine.uid != 0 {
        return Check::ok(NAME, format!("user {}: containers get a user namespace", machine.uid));
    }
    if !machine.is_privileged() {
        return Check::bad(
            NAME,
            CheckStatus::Warning,
            "root without CAP_SYS_ADMIN",
            "this is root of a surrounding container, so containers get a user namespace as for ordinary users",
            "start the surrounding container with `--cap-add SYS_ADMIN`, if that is meant",
        );
    }
    let usual = [
        (Capability::SYS_RESOURCE, "CAP_SYS_RESOURCE", "limits of processes cannot be raised"),
        (Capability::NET_ADMIN, "CAP_NET_ADMIN", "containers get no network interfaces of their own"),
        (Capability::MKNOD, "CAP_MKNOD", "device nodes cannot be copied into containers"),
    ];
    let missing: Vec<_> = usual.iter().filter(|it| !machine.capabilities.contains(it.0)).collect();
    if missing.is_empty() {
        return Check::ok(NAME, "root");
    }
    let names: Vec<&str> = missing.iter().map(|it| it.1).collect();
    let causes: Vec<&str> = missing.iter().map(|it| it.2).collect();
    let found = format!("root without {}", names.join(", "));
    let fix = "start containerv outside of what took them away, if these are needed";
    Check::bad(NAME, CheckStatus::Warning, found, causes.join("; "), fix)
}

/// Returns what keeps ordinary users from making user namespaces: what was found, why, and what to do.
pub(in crate::backend::linux) fn user_namespaces_refused(files: &Files) -> Option<[String; 3]> {
    let three =
        |found: &str, cause: &str, fix: &str| Some([found.to_owned(), cause.to_owned(), fix.to_owned()]);
    if !files.exists("/proc/self/ns/user") {
        return three(
            "none",
            "this kernel was built without `CONFIG_USER_NS`",
            "use a kernel of a distribution",
        );
    }
    if files.setting("user.max_user_namespaces") == Some(0) {
        return three(
            "`user.max_user_namespaces` is 0",
            "this machine lets nobody make a user namespace",
            "`sysctl -w user.max_user_namespaces=10000`; put the setting into `/etc/sysctl.d/` to keep it",
        );
    }
    if files.setting("kernel.unprivileged_userns_clone") == Some(0) {
        return three(
            "`kernel.unprivileged_userns_clone` is 0",
            "this machine lets only root make user namespaces",
            "`sysctl -w kernel.unprivileged_userns_clone=1`; put the setting into `/etc/sysctl.d/` to keep it",
        );
    }
    if files.setting("kernel.apparmor_restrict_unprivileged_userns") == Some(1) {
        return three(
            "`kernel.apparmor_restrict_unprivileged_userns` is 1",
            "AppArmor takes the rights away from user namespaces of programs without a profile",
            "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or give the program a profile with `userns,`",
        );
    }
    None
}

pub(super) fn user_namespaces(files: &Files, caller: Caller) -> Check {
    const NAME: &str = "user namespaces";
    match user_namespaces_refused(files) {
        None => Check::ok(NAME, "for ordinary users, too"),
        Some([found, cause, fix]) => {
            let cause = if caller.privileged {
                format!("{cause}; containers of root do not need one")
            } else {
                cause
            };
            Check::bad(NAME, failed_if(!caller.privileged), found, cause, fix)
        }
    }
}

pub(super) fn subordinate_ids(caller: Caller, look_up: &dyn Fn() -> Subordinate) -> Check {
    const NAME: &str = "subordinate ids";
    if caller.privileged {
        return Check::ok(NAME, "not needed by root");
    }
    let found = look_up();
    let Some(missing) = found.missing else {
        let count = |ranges: &[containerv_spec::request::IdRange]| {
            ranges.iter().map(|range| u64::from(range.count)).sum::<u64>()
        };
        return Check::ok(NAME, format!("{} users, {} groups", count(&found.uids), count(&found.gids)));
    };
    let fix = match found.helpers {
        None => "`apt-get install uidmap`".to_owned(),
        Some(_) => format!(
            "`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$(id -nu {})\"` as root",
            caller.uid
        ),
    };
    let cause = "containers have only the caller's own id, so programs that change to another user fail";
    Check::bad(NAME, CheckStatus::Warning, missing, cause, fix)
}
