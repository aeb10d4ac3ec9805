//! Linux containers: namespaces, control groups and mounts.

pub(crate) mod cgroup;
mod change;
mod children;
mod control;
mod dismantle;
mod doctor;
mod encode;
mod enter;
mod events;
mod execute;
mod explain;
mod features;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod idmap;
mod images;
mod journal;
mod lifecycle;
mod logs;
mod mounts;
mod mounts_below;
mod observe;
mod pack;
mod probe;
mod process;
mod remembered;
mod repair;
mod running;
mod settle;
mod store;
mod streams;
pub(crate) mod transfer;
mod veth;
mod view;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

use containerv_sys::linux::process::is_elevated;
use containerv_sys::linux::stage::StageFile;

use crate::{Error, ErrorKind, Result};

pub(crate) use control::{Attached, AttachedReader, AttachedWriter};
pub(crate) use events::Events;
pub(crate) use execute::die_at;
pub(crate) use logs::Logs;
pub(crate) use running::Process;
use store::Store;

/// The Linux backend of one host.
#[derive(Debug)]
pub(crate) struct System {
    store: Store,
    stage: OnceLock<StageFile>,
    fault: execute::Fault,
    children: children::Children,
}

impl System {
    /// A backend whose state is below these roots.
    pub(crate) fn new(run: PathBuf, data: PathBuf, fault: Option<u32>) -> Self {
        Self {
            store: Store::new(run, data),
            stage: OnceLock::new(),
            fault,
            children: children::Children::default(),
        }
    }

    /// The same, without what it has made; this process ends after the step of this number.
    pub(crate) fn with_fault(&self, fault: Option<u32>) -> Self {
        Self::new(self.store.run.clone(), self.store.data.clone(), fault)
    }

    /// Reads the environment, which does not count in a program with more rights than its caller:
    /// a state directory names files that are written to and control groups that are joined.
    pub(crate) fn variable(name: &str) -> Option<OsString> {
        if is_elevated() { None } else { std::env::var_os(name) }
    }

    /// The two roots: `/run` and `/var/lib` for root, the XDG directories for others.
    pub(crate) fn default_roots() -> Result<(PathBuf, PathBuf)> {
        if rustix::process::geteuid().is_root() {
            return Ok(("/run/containerv".into(), "/var/lib/containerv".into()));
        }
        let absolute = |name: &str| Self::variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || absolute("HOME");
        let data = absolute("XDG_DATA_HOME").or_else(|| home().map(|home| home.join(".local/share")));
        let data = data.map(|directory| directory.join("containerv")).ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "cannot find a directory for containers: HOME is not set")
                .with_hint("set HOME or XDG_DATA_HOME, or give `--root DIR`")
        })?;
        let run = absolute("XDG_RUNTIME_DIR").map(|directory| directory.join("containerv"));
        Ok((run.unwrap_or_else(|| data.join("run")), data))
    }

    fn stage(&self) -> Result<&StageFile> {
        if let Some(stage) = self.stage.get() {
            return Ok(stage);
        }
        let made =
            StageFile::new().map_err(|error| Error::io(error, "cannot make the stage's memory file"))?;
        Ok(self.stage.get_or_init(|| made))
    }
}
