//! Where containers are kept.

use super::access::{self, Verdict};
use super::{Root, failed, warning};
use crate::doctor::Check;

/// Space below which containers are a matter of luck, in bytes: Windows writes a lot at their start.
const LITTLE_SPACE: u64 = 1 << 30;
const CHOOSE: &str = "choose another with `--root DIR` or CONTAINERV_ROOT";

pub(super) fn root(root: &Root) -> Check {
    const NAME: &str = "state root";
    let path = &root.path;
    if root.is_directory == Some(false) {
        let found = format!("`{path}` is no directory");
        return failed(NAME, found, "containers are kept there", format!("remove it, or {CHOOSE}"));
    }
    if let Some(reason) = &root.not_writable {
        let cause = "containers are kept there";
        let fix = format!("start the program elevated, or {CHOOSE}");
        return failed(NAME, format!("`{path}` cannot be written: {reason}"), cause, fix);
    }
    let Some(text) = &root.access else {
        return Check::ok(NAME, format!("`{path}`, made when it is needed"));
    };
    let fix = format!(
        "`icacls \"{path}\" /setowner *S-1-5-32-544 /q; icacls \"{path}\" /inheritance:r /grant:r \
         *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F` elevated, or {CHOOSE}"
    );
    let cause = "they could change what containers are made of";
    match access::judge(text, &root.user) {
        Verdict::Private => Check::ok(NAME, format!("`{path}`")),
        Verdict::Owner(owner) => failed(NAME, format!("`{path}` belongs to {owner}"), cause, fix),
        Verdict::Writable(who) => {
            failed(NAME, format!("`{path}` can be written by {}", who.join(", ")), cause, fix)
        }
        Verdict::Open => {
            failed(NAME, format!("`{path}` has no access list: everybody may write"), cause, fix)
        }
        Verdict::Unreadable => {
            warning(NAME, format!("`{path}` has an access list of a kind that is not known here"), cause, fix)
        }
    }
}

pub(super) fn volume(root: &Root) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(name) = &root.file_system {
        checks.push(if name == "NTFS" {
            Check::ok("file system", "NTFS")
        } else {
            let cause = "layers and their disks need NTFS";
            failed("file system", name.clone(), cause, CHOOSE)
        });
    }
    if let Some(bytes) = root.free_bytes {
        let found = format!("{} MiB free", bytes >> 20);
        checks.push(if bytes < LITTLE_SPACE {
            let cause = "layers, disks and logs of containers have no room";
            let fix = "`cv prune` removes ended containers; or choose a larger place with `--root DIR`";
            warning("disk space", found, cause, fix)
        } else {
            Check::ok("disk space", found)
        });
    }
    checks
}

pub(super) fn long_paths(allowed: bool) -> Check {
    const NAME: &str = "long paths";
    if allowed {
        return Check::ok(NAME, "allowed");
    }
    warning(
        NAME,
        "not allowed (`LongPathsEnabled` is 0)",
        "programs of the host may fail to read deep trees that come out of containers; `cv` itself does not",
        r"`Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Control\FileSystem LongPathsEnabled 1` elevated",
    )
}

pub(super) fn scanners(scanners: &[&str], root: &str) -> Check {
    const NAME: &str = "virus scanners";
    if scanners.is_empty() {
        return Check::ok(NAME, "none found");
    }
    let fix =
        format!("`Add-MpPreference -ExclusionPath '{root}'` for Defender; others have a setting for it");
    warning(
        NAME,
        format!("{} on access", scanners.join(", ")),
        "unless the state root is excluded, starts are slow, and files are in use now and then",
        fix,
    )
}
