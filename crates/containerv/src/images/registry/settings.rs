//! What a client knows of this machine.

use std::path::PathBuf;

use super::{CredentialFiles, Patience, Proxies, UserConfig};
use crate::backend::system::System;

/// Environment variable with the directories of `hosts.toml` files, parted as in `PATH`. They replace the usual ones.
pub const HOSTS_VARIABLE: &str = "CONTAINERV_REGISTRY_HOSTS";

/// The most of a blob that one request of an upload carries.
const CHUNK_BYTES: u64 = 64 << 20;

/// What a client knows of this machine and its user. The default knows nothing, and trusts what the system trusts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where credentials are.
    pub credentials: CredentialFiles,
    /// What else the user's file says.
    pub config: UserConfig,
    /// Directories with one for each registry (`HOST`, `HOST:PORT`, `HOST_PORT_`, or `_default`) that has `hosts.toml`
    /// or certificates (`*.crt`, `*.cert` with `*.key`). The first that has one counts.
    pub hosts: Vec<PathBuf>,
    /// Registries (`HOST` or `HOST:PORT`) that may be spoken to without TLS, or with a certificate that nobody has
    /// checked. Those of this machine always may be without TLS.
    pub insecure: Vec<String>,
    /// Files with certificates (PEM) of further authorities that are trusted.
    pub authorities: Vec<PathBuf>,
    /// Proxies.
    pub proxies: Proxies,
    /// How long is waited, and how often tried again.
    pub patience: Patience,
    /// Blobs larger than this many bytes are uploaded in pieces of this size.
    pub chunk_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            credentials: CredentialFiles::default(),
            config: UserConfig::default(),
            hosts: Vec::new(),
            insecure: Vec::new(),
            authorities: Vec::new(),
            proxies: Proxies::default(),
            patience: Patience::default(),
            chunk_bytes: CHUNK_BYTES,
        }
    }
}

impl Settings {
    /// As the environment and the user's and the system's files say. In a set-user-ID program the environment does
    /// not count.
    pub fn from_environment() -> Self {
        let text = |name: &str| System::variable(name).and_then(|value| value.into_string().ok());
        let hosts = match System::variable(HOSTS_VARIABLE) {
            Some(paths) => std::env::split_paths(&paths).filter(|path| path.is_absolute()).collect(),
            None => usual_hosts(),
        };
        Self {
            credentials: CredentialFiles::from_variables(directory),
            config: UserConfig::from_environment(),
            hosts,
            proxies: Proxies::from_variables(text),
            ..Self::default()
        }
    }
}

/// An absolute path in a variable.
pub(super) fn directory(name: &str) -> Option<PathBuf> {
    System::variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Ours, and those of containerd and Docker, which have the same form.
fn usual_hosts() -> Vec<PathBuf> {
    if cfg!(windows) {
        let data = directory("ProgramData").into_iter();
        return data
            .flat_map(|data| ["containerv/hosts", "docker/certs.d"].map(|name| data.join(name)))
            .collect();
    }
    let own = directory("XDG_CONFIG_HOME").or_else(|| directory("HOME").map(|home| home.join(".config")));
    let system =
        ["/etc/containerv/hosts", "/etc/containerd/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    own.map(|own| own.join("containerv/hosts")).into_iter().chain(system).collect()
}
