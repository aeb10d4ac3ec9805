//! Where containers are kept, and whether overlays work there.

use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::{Caller, Files, failed_if};
use crate::backend::linux::store::Store;
use crate::doctor::{Check, CheckStatus};

/// Space below which running containers is a matter of luck, in bytes.
const LITTLE_SPACE: u64 = 256 << 20;
/// File systems that cannot carry the upper layer of an overlay, by `f_type` of statfs(2).
const NO_UPPER: [(u64, &str); 7] = [
    (0x794c_7630, "overlay"),
    (0x6969, "nfs"),
    (0x4d44, "vfat"),
    (0x2011_bab0, "exfat"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb"),
    (0x0102_1997, "9p"),
];

/// Says whether the kernel has a file system, now or as a module.
pub(in crate::backend::linux) fn has_file_system(files: &Files, name: &str) -> bool {
    let registered = files.read("/proc/filesystems").unwrap_or_default();
    registered.lines().any(|line| line.split_whitespace().next_back() == Some(name))
}

/// The nearest directory that exists: the root itself is made with the first container.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

pub(super) fn state_roots(store: &Store, caller: Caller) -> Vec<Check> {
    let mut checks = vec![state_root("run root", &store.run, caller)];
    checks.push(state_root("state root", &store.data, caller));
    checks
}

fn state_root(name: &str, root: &Path, caller: Caller) -> Check {
    let shown = root.display();
    let choose = "choose another with `--root DIR` or CONTAINERV_ROOT";
    match std::fs::metadata(root) {
        Ok(metadata) if !metadata.is_dir() => {
            let fix = format!("remove it, or {choose}");
            Check::bad(
                name,
                CheckStatus::Failed,
                format!("`{shown}` is no directory"),
                "containers are kept there",
                fix,
            )
        }
        Ok(metadata) if metadata.uid() != caller.uid || metadata.mode() & 0o022 != 0 => {
            let found =
                format!("`{shown}` belongs to user {}, mode {:o}", metadata.uid(), metadata.mode() & 0o7777);
            let cause = "others could change what containers are made of";
            let fix = format!("`chown {} {shown} && chmod 700 {shown}`, or {choose}", caller.uid);
            Check::bad(name, CheckStatus::Failed, found, cause, fix)
        }
        _ => space(name, root),
    }
}

fn space(name: &str, root: &Path) -> Check {
    let shown = root.display();
    let place = nearest(root);
    if rustix::fs::access(&place, rustix::fs::Access::WRITE_OK).is_err() {
        let found = format!("`{}` cannot be written", place.display());
        let cause = format!("`{shown}` cannot be used");
        let fix = "choose another with `--root DIR` or CONTAINERV_ROOT";
        return Check::bad(name, CheckStatus::Failed, found, cause, fix);
    }
    match rustix::fs::statvfs(&place) {
        Ok(stat) => {
            free(name, root, stat.f_bavail.saturating_mul(stat.f_frsize), (stat.f_files, stat.f_favail))
        }
        Err(_) => Check::ok(name, format!("`{shown}`")),
    }
}

/// Judges free bytes, and free of all inodes; a file system without a number of inodes has 0 of 0.
fn free(name: &str, root: &Path, bytes: u64, inodes: (u64, u64)) -> Check {
    let shown = root.display();
    let mebibytes = bytes >> 20;
    let what = match inodes {
        (1.., 0..1000) => Some(format!("`{shown}` has {} inodes left", inodes.1)),
        _ if bytes < LITTLE_SPACE => Some(format!("`{shown}` has {mebibytes} MiB left")),
        _ => None,
    };
    match what {
        None => Check::ok(name, format!("`{shown}`, {mebibytes} MiB free")),
        Some(found) => Check::bad(
            name,
            CheckStatus::Warning,
            found,
            "layers and logs of containers have no room",
            "`cv prune` removes ended containers; or choose a larger place with `--root DIR`",
        ),
    }
}

pub(super) fn overlay(files: &Files, store: &Store, caller: Caller) -> Check {
    const NAME: &str = "overlays";
    let without = "images need an overlay; `--rootfs DIR --overlay none` runs without one";
    if !has_file_system(files, "overlay") {
        let release = files.read("/proc/sys/kernel/osrelease").unwrap_or_default();
        let module = files.exists(&format!("/lib/modules/{release}/kernel/fs/overlayfs"));
        let (cause, fix) = match module {
            true => (
                "the module is not loaded",
                "`modprobe overlay`; put `overlay` into `/etc/modules` to keep it",
            ),
            false => ("this kernel was built without `CONFIG_OVERLAY_FS`", "use a kernel of a distribution"),
        };
        let status = failed_if(!module);
        return Check::bad(NAME, status, "no `overlay` file system", format!("{cause}; {without}"), fix);
    }
    let place = nearest(&store.data);
    let shown = place.display();
    match try_overlay(&place, caller.privileged) {
        Ok(()) => Check::ok(NAME, format!("work in `{shown}`")),
        Err(reason) => {
            let cause = format!("{reason}; {without}");
            let fix = "put the state on ext4, xfs or btrfs with `--root DIR`, or use `--overlay memory`";
            Check::bad(NAME, CheckStatus::Warning, format!("not in `{shown}`"), cause, fix)
        }
    }
}

/// Tries whether a file system can carry an upper layer; says why not. Without privileges only its
/// type is looked at.
pub(in crate::backend::linux) fn try_overlay(place: &Path, privileged: bool) -> Result<(), String> {
    let kind = rustix::fs::statfs(place).map_or(0, |stat| stat.f_type as u64);
    if let Some(name) = without_upper(kind) {
        return Err(format!("`{}` is on {name}, which cannot carry an upper layer", place.display()));
    }
    let writable = rustix::fs::access(place, rustix::fs::Access::WRITE_OK).is_ok();
    if !privileged || !writable {
        return Ok(());
    }
    let trial = Trial::new(place)
        .map_err(|error| format!("cannot make a directory in `{}`: {error}", place.display()))?;
    trial.mount().map_err(|errno| {
        format!("an overlay with its upper layer in `{}` was refused: {errno}", place.display())
    })
}

fn without_upper(kind: u64) -> Option<&'static str> {
    NO_UPPER.iter().find(|it| it.0 == kind).map(|it| it.1)
}

/// Directories of a trial; removed at its end.
struct Trial(PathBuf);

impl Trial {
    fn new(place: &Path) -> std::io::Result<Self> {
        // A thread can make only one at a time.
        let thread = rustix::thread::gettid().as_raw_pid();
        let trial = Self(place.join(format!(".containerv-trial-{thread}")));
        let make = |path: &Path| std::fs::DirBuilder::new().mode(0o700).create(path);
        make(&trial.0)?;
        ["lower", "upper", "work"].iter().try_for_each(|name| make(&trial.0.join(name)))?;
        Ok(trial)
    }

    /// Makes the overlay without attaching it anywhere; it is gone with its descriptor.
    fn mount(&self) -> Result<(), Errno> {
        let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, name) in [("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work")] {
            rustix::mount::fsconfig_set_string(&context, key, self.0.join(name))?;
        }
        rustix::mount::fsconfig_create(&context)?;
        let mounted: OwnedFd =
            rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
        drop(mounted);
        Ok(())
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // The directories are empty but for what the overlay has made in `work`.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_judged() {
        let root = Path::new("/x");
        assert_eq!(free("state root", root, 1 << 40, (0, 0)).status, CheckStatus::Ok);
        assert_eq!(free("state root", root, 1 << 40, (100_000, 50_000)).status, CheckStatus::Ok);
        for check in [free("state root", root, 1 << 20, (0, 0)), free("state root", root, 1 << 40, (5000, 3))]
        {
            assert_eq!(check.status, CheckStatus::Warning);
            assert!(check.found.contains("left") && check.fix.contains("cv prune"), "{check:?}");
        }
    }

    #[test]
    fn roots_of_others_are_told() {
        let directory = std::env::temp_dir().join(format!("containerv-doctor-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let uid = std::fs::metadata(&directory).unwrap().uid();
        let file = directory.join("file");
        std::fs::write(&file, "").unwrap();
        let other = state_root("state root", &directory, Caller { uid: uid + 1, privileged: false });
        assert!(other.status == CheckStatus::Failed && other.fix.contains("chown"), "{other:?}");
        let no_directory = state_root("state root", &file, Caller { uid, privileged: false });
        assert!(no_directory.found.contains("is no directory"), "{no_directory:?}");
        let fine = state_root("state root", &directory.join("not/yet"), Caller { uid, privileged: false });
        assert_ne!(fine.status, CheckStatus::Failed, "{fine:?}");
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_trial_leaves_nothing_and_knows_what_cannot_work() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can mount");
            return;
        }
        let directory = std::env::temp_dir().join(format!("containerv-trial-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        assert_eq!(try_overlay(&directory, true), Ok(()));
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(without_upper(0x794c_7630), Some("overlay"));
        assert_eq!(without_upper(0xef53), None);
    }
}
