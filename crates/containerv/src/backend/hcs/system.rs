//! The backend of one Windows host.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use containerv_spec::ContainerId;
use containerv_sys::windows::library::Libraries;
use containerv_sys::windows::random;

use super::compute;
use super::perform::Windows;
use super::running::Child;
use super::store::{Directory, Store};
use crate::{Error, ErrorKind, Result};

/// The Windows backend of one host.
#[derive(Debug)]
pub(crate) struct System {
    store: Store,
    windows: OnceLock<Windows>,
    /// For tests: the step after which this process ends.
    fault: Option<u32>,
    /// The program that supervises detached commands, if it is not where it is looked for.
    monitor: Option<PathBuf>,
    owned: Owned,
    /// Commands of containers that this process supervises.
    pub(super) attached: Mutex<Vec<Arc<Child>>>,
}

/// Systems that end with this process: Windows ends them when their last handle is closed.
#[derive(Debug, Default)]
struct Owned(Mutex<Vec<(ContainerId, compute::System)>>);

impl Drop for Owned {
    /// Their owner is this process and not this value: the handles stay open for as long as it lives.
    fn drop(&mut self) {
        std::mem::forget(std::mem::take(self.0.get_mut().unwrap_or_else(PoisonError::into_inner)));
    }
}

impl System {
    /// A backend whose state is below the second root. Nothing of it is lost in a restart of the
    /// machine, so that the first is not used.
    pub(crate) fn new(_run: PathBuf, data: PathBuf, fault: Option<u32>) -> Self {
        Self {
            store: Store::new(data),
            windows: OnceLock::new(),
            fault,
            monitor: None,
            owned: Owned::default(),
            attached: Mutex::default(),
        }
    }

    /// The same, without what it has loaded, and with another program that supervises detached commands.
    pub(crate) fn with_monitor(&self, monitor: PathBuf) -> Self {
        Self { monitor: Some(monitor), ..self.with_fault(self.fault) }
    }

    /// The same, without what it has loaded; this process ends after the step of this number.
    pub(crate) fn with_fault(&self, fault: Option<u32>) -> Self {
        let new = Self::new(PathBuf::new(), self.store.data().to_owned(), fault);
        Self { monitor: self.monitor.clone(), ..new }
    }

    /// Reads the environment.
    pub(crate) fn variable(name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    /// The two roots, which are one.
    pub(crate) fn default_roots() -> Result<(PathBuf, PathBuf)> {
        let data = std::env::var_os("ProgramData").map(PathBuf::from).filter(|path| path.is_absolute());
        let root = data.map(|data| data.join("containerv")).ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "cannot find a directory for containers: ProgramData is not set",
            )
            .with_hint("set it, or give `--root DIR`")
        })?;
        Ok((root.clone(), root))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn fault(&self) -> Option<u32> {
        self.fault
    }

    pub(crate) fn monitor(&self) -> Option<&Path> {
        self.monitor.as_deref()
    }

    /// Windows' DLLs, loaded when they are first needed.
    pub(crate) fn windows(&self) -> &Windows {
        self.windows.get_or_init(|| Windows::load(&Libraries::system32()))
    }

    /// Returns a new identifier from the system's random source.
    pub(crate) fn new_id(&self) -> Result<ContainerId> {
        let bytes = random::bytes::<32>();
        bytes.map(ContainerId::from_random).map_err(|error| Error::io(error, "cannot get random bytes"))
    }

    /// Opens an existing container's directory.
    pub(crate) fn directory(&self, id: &ContainerId) -> Result<Directory> {
        self.store.find(id).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no container `{}`", id.short()))
                .with_hint("`cv ps -a` lists all containers")
        })
    }

    /// Keeps a system open for as long as this process runs.
    pub(crate) fn own(&self, id: &ContainerId, system: compute::System) {
        self.owned.0.lock().unwrap_or_else(PoisonError::into_inner).push((id.clone(), system));
    }

    /// Lets go of a system that has ended.
    pub(crate) fn disown(&self, id: &ContainerId) {
        self.owned.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(owned, _)| owned != id);
    }
}
