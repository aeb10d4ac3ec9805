//! Checks the machine. Each check is a function of what it reads, so that tests can show it other
//! machines.

mod groups;
mod kernel;
mod storage;
#[cfg(test)]
mod tests;
mod users;

use std::io::Read;
use std::path::PathBuf;

use super::{System, probe};
use crate::doctor::{Check, CheckStatus};

pub(super) use kernel::has_namespace;
pub(super) use storage::{has_file_system, try_overlay};
pub(super) use users::{Caller, user_namespaces_refused};

/// Most bytes that are read of a file of `/proc`.
const MOST: u64 = 1 << 20;

/// The files of a machine.
#[derive(Clone, Debug)]
pub(super) struct Files(PathBuf);

impl Files {
    /// Those of this machine.
    pub(super) fn here() -> Self {
        Self("/".into())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Reads a text file; `None` if it is not there or not readable.
    fn read(&self, path: &str) -> Option<String> {
        let file = std::fs::File::open(self.path(path)).ok()?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// Reads a kernel setting that is a number.
    fn setting(&self, name: &str) -> Option<u64> {
        self.read(&format!("/proc/sys/{}", name.replace('.', "/")))?.parse().ok()
    }

    fn exists(&self, path: &str) -> bool {
        std::fs::symlink_metadata(self.path(path)).is_ok()
    }
}

impl System {
    /// Checks the machine for the caller.
    pub(crate) fn diagnose(&self) -> Vec<Check> {
        let files = Files::here();
        let machine = probe::caller(None);
        let caller = Caller { uid: machine.uid, privileged: machine.is_privileged() };
        let mut checks = vec![kernel::version(machine.kernel), kernel::calls(|call| call.ask())];
        checks.push(users::capabilities(&machine));
        checks.extend(kernel::namespaces(&files));
        checks.push(users::user_namespaces(&files, caller));
        checks.push(users::subordinate_ids(caller, &|| probe::subordinate(machine.uid)));
        checks.extend(groups::checks(super::cgroup::probe(), caller));
        checks.push(kernel::seccomp(&files, containerv_sys::linux::filter::is_available()));
        checks.push(kernel::memory_files(&files));
        checks.push(kernel::terminals(&files));
        checks.extend(storage::state_roots(&self.store, caller));
        checks.push(storage::overlay(&files, &self.store, caller));
        checks
    }
}

/// Without it nothing works for a caller who needs it, and less for others.
fn failed_if(needed: bool) -> CheckStatus {
    if needed { CheckStatus::Failed } else { CheckStatus::Warning }
}
