//! Looks at this machine.

use std::fs;
use std::path::{Path, PathBuf};

use containerv_sys::windows::token::Privilege;
use containerv_sys::windows::{random, registry, security, token, volume};

use super::{Library, Root, Seen, failed};
use crate::backend::hcs::facts::Service;
use crate::backend::hcs::perform::Windows;
use crate::backend::hcs::system::System;
use crate::backend::hcs::{monitor, probe};
use crate::doctor::Check;
use crate::{Error, Result};

const CURRENT_VERSION: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const FILE_SYSTEM: &str = r"SYSTEM\CurrentControlSet\Control\FileSystem";
const IPV6: &str = r"SYSTEM\CurrentControlSet\Services\Tcpip6\Parameters";
/// All of IPv6 but what the loopback needs.
const ALL_COMPONENTS: u32 = 0xFF;

/// Filters of virus scanners by the names of their drivers, which everybody may ask for.
const SCANNERS: &[(&str, &str)] = &[
    ("WdFilter", "Microsoft Defender"),
    ("csagent", "CrowdStrike"),
    ("SentinelMonitor", "SentinelOne"),
    ("eamonm", "ESET"),
    ("mfehidk", "Trellix"),
    ("klif", "Kaspersky"),
    ("SRTSP", "Symantec"),
    ("SophosED", "Sophos"),
    ("aswSP", "Avast or AVG"),
    ("avgntflt", "Avira"),
    ("TmPreFilter", "Trend Micro"),
    ("trufos", "Bitdefender"),
];

impl System {
    /// Checks the machine for the caller.
    pub(crate) fn diagnose(&self) -> Vec<Check> {
        match self.look() {
            Ok(seen) => seen.checks(),
            Err(error) => {
                let fix = error.hint().unwrap_or("look at the event log `System`").to_owned();
                vec![failed("windows", error.to_string(), "this machine does not answer", fix)]
            }
        }
    }

    fn look(&self) -> Result<Seen> {
        let windows = self.windows();
        let explained = |error: &Error| {
            [error.to_string(), error.hint().unwrap_or("see the event log `System`").to_owned()]
        };
        let text = |name| registry::text(CURRENT_VERSION, name).ok().flatten();
        let setting = |key, name| registry::number(key, name).ok().flatten();
        let facts = probe::facts(windows)?;
        // Enumerating would start the service, or fail for a reason that is told elsewhere.
        let networks = if facts.has_containers() && facts.network.is_installed() {
            probe::networks(windows)
                .map_err(|failure| explained(&failure.explain("cannot list the networks of this machine")))
        } else {
            Ok(Vec::new())
        };
        let is_installed = |name| probe::service(name).is_ok_and(Service::is_installed);
        let privileges = [Privilege::Backup, Privilege::Restore];
        Ok(Seen {
            facts,
            name: text("ProductName").unwrap_or_else(|| "Windows".to_owned()),
            edition: text("EditionID").unwrap_or_default(),
            libraries: libraries(windows),
            privileges: token::with_privileges(&privileges, || ()).is_ok(),
            root: look_at_root(self.store().data()),
            long_paths: setting(FILE_SYSTEM, "LongPathsEnabled") == Some(1),
            networks,
            no_ipv6: setting(IPV6, "DisabledComponents")
                .is_some_and(|off| off & ALL_COMPONENTS == ALL_COMPONENTS),
            scanners: SCANNERS.iter().filter(|it| runs(it.0)).map(|it| it.1).collect(),
            monitor: monitor::program(self).map(drop).map_err(|error| explained(&error)),
            wsl: is_installed("WslService") || is_installed("LxssManager"),
        })
    }
}

fn runs(service: &str) -> bool {
    matches!(probe::service(service), Ok(Service::Running | Service::Hidden))
}

fn libraries(windows: &Windows) -> Vec<Library> {
    let library = |name, loaded, missing| Library { name, loaded, missing };
    vec![
        library("computecore.dll", windows.hcs.is_loaded(), windows.hcs.missing()),
        library("vmcompute.dll", windows.vmcompute.is_loaded(), windows.vmcompute.missing()),
        library("computenetwork.dll", windows.hcn.is_loaded(), windows.hcn.missing()),
        library("virtdisk.dll", windows.virtdisk.is_loaded(), windows.virtdisk.missing()),
    ]
}

fn look_at_root(root: &Path) -> Root {
    let there = fs::metadata(root).ok();
    let place = nearest(root);
    Root {
        path: root.display().to_string(),
        is_directory: there.map(|metadata| metadata.is_dir()),
        access: if root.is_dir() { security::access(root).ok() } else { None },
        user: token::user().unwrap_or_default(),
        not_writable: try_writing(&place).err().map(|error| error.to_string()),
        file_system: volume::mount_of(&place).and_then(|mount| volume::file_system(&mount)).ok(),
        free_bytes: volume::free_bytes(&place).ok(),
    }
}

/// The nearest directory that exists: the root itself is made with the first container.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(path).to_owned()
}

/// Makes a file and removes it: access lists alone do not tell, for a scanner or a policy may say no.
fn try_writing(place: &Path) -> Result<()> {
    let failed = |error| Error::io(error, "a trial failed");
    let name = random::hex::<8>().map_err(failed)?;
    let trial = place.join(format!(".containerv-trial-{name}"));
    fs::write(&trial, b"").map_err(failed)?;
    fs::remove_file(&trial).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckStatus;

    #[test]
    fn this_machine_can_run_containers() {
        let name = random::hex::<6>().unwrap();
        let root = std::env::temp_dir().join(format!("containerv-diagnose-{name}"));
        let host = crate::Host::open_at(&root).unwrap();
        let checks = host.diagnose();
        let failed: Vec<_> = checks.iter().filter(|check| check.status == CheckStatus::Failed).collect();
        assert!(failed.is_empty(), "{failed:?}");
        for name in ["feature Containers", "service hns", "rights", "state root", "disk space", "networks"] {
            assert!(checks.iter().any(|check| check.name == name), "{name}");
        }
        assert!(!root.exists(), "looking makes nothing");
    }

    #[test]
    fn a_root_that_is_a_file_is_told() {
        let name = random::hex::<6>().unwrap();
        let root = std::env::temp_dir().join(format!("containerv-diagnose-{name}"));
        fs::write(&root, "x").unwrap();
        let seen = look_at_root(&root);
        assert_eq!(seen.is_directory, Some(false));
        fs::remove_file(&root).unwrap();
        let seen = look_at_root(&root);
        assert_eq!((seen.is_directory, seen.access), (None, None));
        assert!(seen.not_writable.is_none() && seen.free_bytes.is_some_and(|free| free > 0));
        let private = security::SecurityDescriptor::private().unwrap();
        security::create_directory(&root, &private).unwrap();
        let seen = look_at_root(&root);
        fs::remove_dir(&root).unwrap();
        let check = super::super::storage::root(&seen);
        assert_eq!(check.status, CheckStatus::Ok, "{check:?}: {seen:?}");
    }
}
