//! Who somebody is to a registry: the files and programs that Docker and Podman keep it in.

mod document;
mod file;
mod program;

use std::fmt;
use std::path::PathBuf;

use containerv_spec::image::reference::DEFAULT_REGISTRY;

use crate::{Error, ErrorKind, Result};

pub(crate) use document::Document;
pub(super) use file::read;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use program::reply as helper_reply;

/// The key that Docker keeps credentials of the default registry by.
const DEFAULT_KEY: &str = "https://index.docker.io/v1/";
/// The user's name that says that the password is an identity token.
const TOKEN_USER: &str = "<token>";

/// What proves to a registry who somebody is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password, or an access token in its place.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// What an authorization server has given for a password once, and gives access for now.
    IdentityToken(String),
    /// What a registry takes as it is.
    RegistryToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { user, .. } => write!(f, "Basic {{ user: {user:?}, .. }}"),
            Self::IdentityToken(_) => f.write_str("IdentityToken(..)"),
            Self::RegistryToken(_) => f.write_str("RegistryToken(..)"),
        }
    }
}

/// The files with credentials: Docker's `config.json`, Podman's `auth.json`. The default is none.
#[derive(Clone, Debug, Default)]
pub struct CredentialFiles {
    /// Read in this order; the first that knows the registry counts.
    pub read: Vec<PathBuf>,
    /// Where a login is kept.
    pub write: Option<PathBuf>,
    /// Directories with programs `docker-credential-NAME`; those of `PATH` if there are none.
    pub programs: Vec<PathBuf>,
}

impl CredentialFiles {
    /// `REGISTRY_AUTH_FILE` alone if it is set; else `config.json` of `DOCKER_CONFIG` or the home directory's `.docker`,
    /// and Podman's files.
    pub(super) fn from_variables(directory: impl Fn(&str) -> Option<PathBuf>) -> Self {
        if let Some(file) = directory("REGISTRY_AUTH_FILE") {
            return Self { read: vec![file.clone()], write: Some(file), programs: Vec::new() };
        }
        let docker = docker_file(&directory);
        let podman = [
            directory("XDG_RUNTIME_DIR").map(|run| run.join("containers/auth.json")),
            directory("XDG_CONFIG_HOME")
                .or_else(|| home(&directory).map(|home| home.join(".config")))
                .map(|config| config.join("containers/auth.json")),
        ];
        let read = docker.clone().into_iter().chain(podman.into_iter().flatten()).collect();
        Self { read, write: docker, programs: Vec::new() }
    }

    /// Looks up who somebody is to a repository of a registry.
    ///
    /// # Errors
    ///
    /// For a file that cannot be read, and a program that fails.
    pub fn find(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
        for path in &self.read {
            let Some(document) = file::read(path)? else { continue };
            if let Some(name) = document.program(registry) {
                let found = program::get(&self.programs, &name, key(registry))?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            let found = document.find(registry, repository).map_err(|why| {
                let message = format!("`{}`: the credentials for `{registry}` {why}", path.display());
                Error::new(ErrorKind::Corrupt, message)
                    .with_hint(format!("log in again: `cv login {registry}`"))
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Keeps credentials, in the program that the file names or in the file itself, which nobody else may read then.
    /// Says where they are.
    ///
    /// # Errors
    ///
    /// If there is no file, it cannot be written, or the program fails.
    pub fn store(&self, registry: &str, credential: &Credential) -> Result<String> {
        let path = self.writable()?;
        let mut document = file::read(path)?.unwrap_or_default();
        if let Some(name) = document.program(registry) {
            program::store(&self.programs, &name, key(registry), credential)?;
            document.mark(key(registry));
            file::write(path, &document)?;
            return Ok(format!("the credential helper `{name}`"));
        }
        document.store(key(registry), credential);
        file::write(path, &document)?;
        Ok(format!("`{}`", path.display()))
    }

    /// Forgets credentials; false if there were none.
    ///
    /// # Errors
    ///
    /// If there is no file, it cannot be written, or the program fails.
    pub fn erase(&self, registry: &str) -> Result<bool> {
        let path = self.writable()?;
        let Some(mut document) = file::read(path)? else { return Ok(false) };
        let mut known = false;
        if let Some(name) = document.program(registry) {
            known = program::get(&self.programs, &name, key(registry))?.is_some();
            if known {
                program::erase(&self.programs, &name, key(registry))?;
            }
        }
        if document.erase(registry) {
            file::write(path, &document)?;
            known = true;
        }
        Ok(known)
    }

    fn writable(&self) -> Result<&PathBuf> {
        self.write.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "there is no file to keep credentials in")
                .with_hint("set HOME, DOCKER_CONFIG or REGISTRY_AUTH_FILE")
        })
    }
}

/// Docker's file.
pub(super) fn docker_file(directory: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let docker = directory("DOCKER_CONFIG").or_else(|| home(&directory).map(|home| home.join(".docker")));
    docker.map(|docker| docker.join("config.json"))
}

fn home(directory: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    directory("HOME").or_else(|| directory("USERPROFILE"))
}

/// What credentials of a registry are kept by.
fn key(registry: &str) -> &str {
    if registry == DEFAULT_REGISTRY { DEFAULT_KEY } else { registry }
}

#[cfg(test)]
mod tests;
