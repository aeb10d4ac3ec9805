use std::path::Path;

use containerv_spec::cgroup::Controller;
use containerv_spec::facts::{CgroupFacts, GroupAccess, V1Hierarchy, V2Hierarchy};
use containerv_spec::machine::Subordinate;
use rustix::io::Errno;

use super::*;

/// The files of a machine that a test makes up.
struct Fake(Files);

impl Fake {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("containerv-fake-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let fake = Self(Files(path));
        for name in ["mnt", "pid", "net", "ipc", "uts", "cgroup", "time", "user"] {
            fake.write(&format!("/proc/self/ns/{name}"), "");
            fake.write(&format!("/proc/sys/user/max_{name}_namespaces"), "1000\n");
        }
        fake.write("/proc/filesystems", "nodev\tproc\nnodev\tdevpts\n\text4\nnodev\toverlay\n");
        fake
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.0.path(path)).unwrap();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0.0);
    }
}

const ROOT: Caller = Caller { uid: 0, privileged: true };
const USER: Caller = Caller { uid: 1000, privileged: false };

/// What is not well has everything that a reader needs.
fn complete(check: &Check) {
    let well = check.status == CheckStatus::Ok;
    assert!(!check.found.is_empty(), "{check:?}");
    assert_eq!((check.cause.is_empty(), check.fix.is_empty()), (well, well), "{check:?}");
}

#[test]
fn user_namespaces_are_refused_for_each_reason() {
    let fake = Fake::new("users");
    assert_eq!(users::user_namespaces(&fake.0, USER).status, CheckStatus::Ok);
    let cases = [
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "=0`"),
        ("kernel.unprivileged_userns_clone", "0", "=1`"),
        ("user.max_user_namespaces", "0", "=10000`"),
    ];
    for (setting, value, fix) in cases {
        fake.write(&format!("/proc/sys/{}", setting.replace('.', "/")), value);
        let check = users::user_namespaces(&fake.0, USER);
        complete(&check);
        assert_eq!(check.status, CheckStatus::Failed);
        assert!(check.found.contains(setting), "{check:?}");
        assert!(check.fix.contains(&format!("`sysctl -w {setting}{fix}")), "{check:?}");
        assert_eq!(users::user_namespaces(&fake.0, ROOT).status, CheckStatus::Warning);
    }
    fake.remove("/proc/self/ns/user");
    assert!(users::user_namespaces(&fake.0, USER).cause.contains("CONFIG_USER_NS"));
}

#[test]
fn missing_namespaces_are_told_one_by_one() {
    let fake = Fake::new("namespaces");
    assert_eq!(kernel::namespaces(&fake.0).len(), 1);
    fake.remove("/proc/self/ns/time");
    fake.write("/proc/sys/user/max_net_namespaces", "0\n");
    let checks = kernel::namespaces(&fake.0);
    checks.iter().for_each(complete);
    let find = |name: &str| checks.iter().find(|check| check.name == name).unwrap();
    assert_eq!(find("time namespaces").status, CheckStatus::Warning);
    assert_eq!(find("network namespaces").status, CheckStatus::Failed);
    assert_eq!(find("network namespaces").fix, "`sysctl -w user.max_net_namespaces=10000`");
    assert!(!find("namespaces").found.contains("network"));
}

#[test]
fn old_kernels_and_filters_are_told_apart() {
    complete(&kernel::version((5, 11)));
    assert_eq!(kernel::version((5, 12)).status, CheckStatus::Ok);
    assert_eq!(kernel::version((4, 19)).status, CheckStatus::Failed);
    let error = |errno: Errno| move |_| Err(errno.into());
    assert_eq!(kernel::calls(|_| Ok(())).status, CheckStatus::Ok);
    let old = kernel::calls(error(Errno::NOSYS));
    complete(&old);
    assert!(old.found.contains("mount_setattr") && old.cause.contains("5.2"), "{old:?}");
    let filtered = kernel::calls(error(Errno::PERM));
    assert!(filtered.cause.contains("filter") && filtered.fix.contains("seccomp=unconfined"), "{filtered:?}");
}

#[test]
fn settings_of_the_kernel_are_judged() {
    let fake = Fake::new("settings");
    assert_eq!(kernel::memory_files(&fake.0).status, CheckStatus::Ok);
    fake.write("/proc/sys/vm/memfd_noexec", "2\n");
    let check = kernel::memory_files(&fake.0);
    complete(&check);
    assert_eq!(check.fix, "`sysctl -w vm.memfd_noexec=1`");
    fake.write("/proc/sys/kernel/seccomp/actions_avail", "kill log allow\n");
    let check = kernel::seccomp(&fake.0, false);
    complete(&check);
    assert_eq!((check.status, check.found.as_str()), (CheckStatus::Failed, "only kill log allow"));
    fake.write("/proc/sys/kernel/seccomp/actions_avail", "kill errno allow\n");
    assert_eq!(kernel::seccomp(&fake.0, false).status, CheckStatus::Ok);
    fake.write("/proc/sys/kernel/pty/nr", "4096");
    fake.write("/proc/sys/kernel/pty/max", "4096");
    complete(&kernel::terminals(&fake.0));
    fake.write("/proc/filesystems", "nodev\tproc\nnodev\tdevptsx\n");
    assert!(kernel::terminals(&fake.0).found.contains("devpts"));
}

#[test]
fn overlays_are_told_with_the_way_to_the_module() {
    let fake = Fake::new("overlays");
    let store = super::super::store::Store::new("/nowhere/run".into(), "/nowhere/data".into());
    assert_eq!(storage::overlay(&fake.0, &store, USER).status, CheckStatus::Ok);
    fake.write("/proc/filesystems", "nodev\tproc\n");
    fake.write("/proc/sys/kernel/osrelease", "6.1.0\n");
    let check = storage::overlay(&fake.0, &store, USER);
    complete(&check);
    assert!(check.cause.contains("CONFIG_OVERLAY_FS"), "{check:?}");
    fake.write("/lib/modules/6.1.0/kernel/fs/overlayfs/overlay.ko.xz", "");
    assert!(storage::overlay(&fake.0, &store, USER).fix.starts_with("`modprobe overlay`"));
}

#[test]
fn subordinate_ids_are_told_with_the_line_that_is_missing() {
    let none = || Subordinate { missing: Some("no newuidmap".to_owned()), ..Subordinate::default() };
    let check = users::subordinate_ids(USER, &none);
    complete(&check);
    assert_eq!(check.fix, "`apt-get install uidmap`");
    let no_line = || Subordinate { helpers: Some(("/u".into(), "/g".into())), ..none() };
    assert!(users::subordinate_ids(USER, &no_line).fix.contains("usermod --add-subuids"));
    assert_eq!(users::subordinate_ids(ROOT, &none).status, CheckStatus::Ok);
}

fn v2(access: GroupAccess, controllers: &[Controller]) -> CgroupFacts {
    let v2 = V2Hierarchy {
        controllers: controllers.to_vec(),
        mount: "/sys/fs/cgroup".into(),
        own: "/".into(),
        access,
    };
    CgroupFacts { v2: Some(v2), ..CgroupFacts::default() }
}

#[test]
fn control_groups_are_judged_by_access_and_controllers() {
    use Controller::{Cpu, Cpuset, Io, Memory, Pids};
    let check = |facts: CgroupFacts| {
        let checks = groups::checks(Ok(facts), USER);
        checks.iter().for_each(complete);
        checks
    };
    let all = [Cpu, Cpuset, Io, Memory, Pids];
    let fine = check(v2(GroupAccess::Below("/".into()), &all));
    assert!(fine.len() == 2 && fine.iter().all(|check| check.status == CheckStatus::Ok), "{fine:?}");
    assert!(check(CgroupFacts::default())[0].fix.contains("mount -t cgroup2"));
    assert!(check(v2(GroupAccess::ReadOnly, &all))[0].found.contains("read-only"));
    assert!(check(v2(GroupAccess::Denied, &all))[0].fix.contains("Delegate="));
    let part = check(v2(GroupAccess::Below("/user.slice".into()), &[Memory, Pids]));
    assert_eq!(part[1].found, "without cpu, cpuset, io");
    assert!(part[1].fix.contains("Delegate="));
    let off = check(v2(GroupAccess::Below("/".into()), &[Cpu, Cpuset, Io, Pids]));
    assert!(off[1].fix.contains("cgroup_enable=memory"), "{off:?}");
    let v1 = V1Hierarchy {
        controllers: vec![Memory],
        mount: "/m".into(),
        own: "/".into(),
        access: GroupAccess::Denied,
    };
    let v1 = CgroupFacts { v1: vec![v1], ..CgroupFacts::default() };
    assert!(check(v1)[0].fix.contains("unified_cgroup_hierarchy"));
    let broken = groups::checks(Err(crate::Error::os(13, "cannot read `/proc/self/cgroup`")), USER);
    complete(&broken[0]);
}

#[test]
fn hostile_files_do_no_harm() {
    let fake = Fake::new("hostile");
    for text in ["", "\u{fffd}\u{0}", "-1", "99999999999999999999999", "0x1", "1 2"] {
        fake.write("/proc/sys/user/max_user_namespaces", text);
        fake.write("/proc/sys/vm/memfd_noexec", text);
        fake.write("/proc/filesystems", text);
        assert_eq!(users::user_namespaces(&fake.0, USER).status, CheckStatus::Ok, "{text:?}");
        complete(&kernel::memory_files(&fake.0));
        complete(&kernel::terminals(&fake.0));
    }
}

#[test]
fn this_machine_is_diagnosed_completely() {
    let root = std::env::temp_dir().join(format!("containerv-diagnose-{}", std::process::id()));
    let system = System::new(root.join("run"), root.join("data"), None);
    let checks = system.diagnose();
    checks.iter().for_each(complete);
    for name in ["kernel", "system calls", "namespaces", "user namespaces", "control groups", "overlays"] {
        assert!(checks.iter().any(|check| check.name == name), "{name}");
    }
    assert!(!root.exists(), "looking makes nothing");
}
