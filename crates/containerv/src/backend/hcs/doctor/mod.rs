//! Checks a Windows machine. Each check is a function of what was seen, so that tests can show it other
//! machines.

pub(crate) mod access;
mod features;
#[cfg(windows)]
mod look;
mod network;
mod rights;
mod storage;
#[cfg(test)]
mod tests;

use containerv_spec::hcs::machine::{KnownNetwork, Product};

use super::facts::Facts;
use crate::doctor::{Check, CheckStatus};

/// What was seen of a machine.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) facts: Facts,
    /// Its name for people, such as `Windows Server 2022 Datacenter`.
    pub(super) name: String,
    /// Its name for programs, such as `ServerDatacenter`.
    pub(super) edition: String,
    pub(super) libraries: Vec<Library>,
    /// The privileges of backup programs are held.
    pub(super) privileges: bool,
    pub(super) root: Root,
    /// Paths of more than 260 characters are allowed.
    pub(super) long_paths: bool,
    /// Networks of the machine, or why they cannot be listed and what to do.
    pub(super) networks: Result<Vec<KnownNetwork>, [String; 2]>,
    /// IPv6 is switched off for the whole machine.
    pub(super) no_ipv6: bool,
    /// Virus scanners that filter the file system.
    pub(super) scanners: Vec<&'static str>,
    /// Why no command can outlive its caller, and what to do.
    pub(super) monitor: Result<(), [String; 2]>,
    /// The Windows Subsystem for Linux is there.
    pub(super) wsl: bool,
}

/// A DLL of Windows.
#[derive(Clone, Debug)]
pub(super) struct Library {
    pub(super) name: &'static str,
    pub(super) loaded: bool,
    /// Functions that it lacks.
    pub(super) missing: Vec<&'static str>,
}

/// The state root, or the directory that it will be made in.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) path: String,
    /// What is there: nothing yet, a directory, or something else.
    pub(super) is_directory: Option<bool>,
    /// Owner and access list in text form (SDDL), if it is there.
    pub(super) access: Option<String>,
    /// The caller's identifier (SID).
    pub(super) user: String,
    /// Why nothing can be written there.
    pub(super) not_writable: Option<String>,
    /// Such as `NTFS`.
    pub(super) file_system: Option<String>,
    pub(super) free_bytes: Option<u64>,
}

impl Seen {
    pub(super) fn checks(&self) -> Vec<Check> {
        let mut checks = vec![features::windows(self), features::containers(&self.facts)];
        checks.extend(features::compute_service(&self.facts));
        checks.push(network::service(&self.facts));
        checks.push(features::hyperv(&self.facts));
        checks.push(features::libraries(&self.libraries));
        checks.push(rights::rights(self.facts.rights));
        checks.push(rights::privileges(self));
        checks.push(storage::root(&self.root));
        checks.extend(storage::volume(&self.root));
        checks.push(storage::long_paths(self.long_paths));
        checks.push(storage::scanners(&self.scanners, &self.root.path));
        checks.extend(network::networks(self));
        checks.push(features::monitor(&self.monitor));
        checks.push(features::wsl(self.wsl));
        checks
    }
}

/// What enables a feature of Windows, which has other names and commands on a server.
fn enable(product: Product, on_server: &str, on_client: &str) -> String {
    match product {
        Product::Server => format!("`Install-WindowsFeature {on_server}` elevated, and restart Windows"),
        Product::Client => format!(
            "`Enable-WindowsOptionalFeature -Online -FeatureName {on_client} -All` elevated, and restart Windows"
        ),
    }
}

fn warning(name: &str, found: impl Into<String>, cause: impl Into<String>, fix: impl Into<String>) -> Check {
    Check::bad(name, CheckStatus::Warning, found, cause, fix)
}

fn failed(name: &str, found: impl Into<String>, cause: impl Into<String>, fix: impl Into<String>) -> Check {
    Check::bad(name, CheckStatus::Failed, found, cause, fix)
}
