//! What Docker's `config.json` says besides credentials: headers for registries, and proxies of containers.

use std::path::PathBuf;

use super::credentials::{docker_file, read};
use super::settings::directory;
use crate::{Error, ErrorKind, Result};

/// Docker's `config.json`, for what it says besides credentials. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserConfig {
    /// The file; it may be missing.
    pub file: Option<PathBuf>,
}

impl UserConfig {
    /// That in `DOCKER_CONFIG`, or in `.docker` of the home directory. In a set-user-ID program the environment does
    /// not count.
    pub fn from_environment() -> Self {
        Self { file: docker_file(directory) }
    }

    /// Headers that each request to a registry's own servers has: those of `HttpHeaders` whose names begin with
    /// `X-Meta-`. As Docker has it, others are for its daemon.
    pub(super) fn headers(&self) -> Result<Vec<(String, String)>> {
        self.ask(super::credentials::Document::headers)
    }

    /// Variables with which containers get proxies, and their values: of `proxies`, the entry `default`. Each is in
    /// capitals, as `HTTPS_PROXY`; Docker gives containers of Linux the same name in small letters, too.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is damaged.
    pub fn container_proxies(&self) -> Result<Vec<(&'static str, String)>> {
        self.ask(super::credentials::Document::proxies)
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&super::credentials::Document) -> Result<Vec<T>, String>,
    ) -> Result<Vec<T>> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let Some(document) = read(file)? else { return Ok(Vec::new()) };
        question(&document).map_err(|why| {
            Error::new(ErrorKind::Corrupt, format!("`{}`: {why}", file.display())).with_hint("mend the file")
        })
    }
}
