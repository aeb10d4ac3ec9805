//! A host: where containers are kept, and what this machine can do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use containerv_spec::plan::Plan;
use containerv_spec::{ContainerId, Request};

use crate::backend::system::System;
use crate::{Container, Error, ErrorKind, Images, Result};

/// Environment variable that names the state root.
pub const ROOT_VARIABLE: &str = "CONTAINERV_ROOT";

/// Shortest prefix of an identifier that is looked up.
const MIN_PREFIX: usize = 1;

/// What to do about a container whose request is damaged.
pub(crate) const DAMAGED_REQUEST: &str =
    "mend the file, or remove the container with all that is in it: `cv rm --force`";

/// A host. Cheap to clone; may be used from any thread.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) system: Arc<System>,
    run: PathBuf,
    data: PathBuf,
    fault: Option<u32>,
}

impl Host {
    /// Opens the host with its usual state root: `CONTAINERV_ROOT` if it is set, else
    /// `/run/containerv` and `/var/lib/containerv` for root and the XDG directories for others.
    /// In a set-user-ID program the environment does not count.
    ///
    /// # Errors
    ///
    /// If no directory can be found. Nothing is made before the first container.
    pub fn open() -> Result<Self> {
        match System::variable(ROOT_VARIABLE).filter(|root| !root.is_empty()) {
            Some(root) => Self::open_at(PathBuf::from(root)),
            None => {
                let (run, data) = System::default_roots()?;
                Ok(Self::with_roots(run, data))
            }
        }
    }

    /// Opens the host with its state in `root`, which is made when it is first needed.
    ///
    /// # Errors
    ///
    /// If the path cannot be made absolute.
    pub fn open_at(root: impl Into<PathBuf>) -> Result<Self> {
        let root: PathBuf = root.into();
        let root = std::path::absolute(&root).map_err(|error| {
            Error::io(error, format!("`{}` is not a state directory", root.display()))
                .with_hint("give a directory")
        })?;
        Ok(Self::with_roots(root.join("run"), root.join("data")))
    }

    fn with_roots(run: PathBuf, data: PathBuf) -> Self {
        let system = Arc::new(System::new(run.clone(), data.clone(), None));
        Self { system, run, data, fault: None }
    }

    /// A host that ends this process with SIGKILL after the step of this number, for tests of the
    /// clean-up after a crash.
    #[doc(hidden)]
    #[must_use]
    pub fn with_fault(&self, step: u32) -> Self {
        Self { fault: Some(step), ..self.with_system(self.system.with_fault(Some(step))) }
    }

    /// A host whose detached commands are supervised by another `cv.exe` than the one beside the program
    /// that uses the library, or beside its DLL.
    #[cfg(windows)]
    #[must_use]
    pub fn with_monitor(&self, program: impl Into<PathBuf>) -> Self {
        self.with_system(self.system.with_monitor(program.into()))
    }

    fn with_system(&self, system: System) -> Self {
        Self { system: Arc::new(system), ..self.clone() }
    }

    /// Returns the images of this host.
    pub fn images(&self) -> Images {
        Images::new(self, self.fault)
    }

    /// Supervises a detached command, as its monitor tells over the pipe of this name.
    ///
    /// # Errors
    ///
    /// What went wrong, which whoever has started the monitor was told.
    #[cfg(windows)]
    #[doc(hidden)]
    pub fn serve_monitor(report: &str) -> Result<()> {
        crate::backend::system::serve(report)
    }

    /// Copies files in the container that this program runs in, as whoever has started it there asks for by
    /// this text.
    ///
    /// # Errors
    ///
    /// `Unsupported` outside of a Windows container.
    #[cfg(windows)]
    #[doc(hidden)]
    pub fn serve_guest_copy(job: &str) -> Result<()> {
        crate::backend::system::serve_guest_copy(job)
    }

    /// Returns the root of what may be gone after a restart, and of what stays.
    pub fn roots(&self) -> (&Path, &Path) {
        (&self.run, &self.data)
    }

    /// Returns a new identifier from the system's random source.
    ///
    /// # Errors
    ///
    /// If the system has no random source.
    pub fn new_id(&self) -> Result<ContainerId> {
        self.system.new_id()
    }

    /// Lowers a request for this machine without doing anything. `attached` plans for a command
    /// that is a child of this process.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the request, as [`Error::all_problems`].
    pub fn plan(&self, request: &Request, attached: bool) -> Result<Plan> {
        self.system.plan(request, attached)
    }

    /// Finds a container by identifier, unique prefix of it, or name.
    ///
    /// # Errors
    ///
    /// `NotFound`, or `InvalidArgument` if several containers fit.
    pub fn container(&self, reference: &str) -> Result<Container> {
        Container::open(self, self.find(reference)?)
    }

    /// Removes a container that is named as for [`Host::container`]. One that runs is ended first if `force` is set,
    /// and refused otherwise; so is one whose request cannot be read.
    ///
    /// # Errors
    ///
    /// As [`Host::container`] and [`Container::delete`]; `Corrupt` without `force`.
    pub fn delete(&self, reference: &str, force: bool) -> Result<()> {
        let id = self.find(reference)?;
        if !force {
            Container::open(self, id.clone())?;
        }
        self.system.delete(&id, force)
    }

    /// Finds the identifier of a container; a whole one may be nobody's.
    fn find(&self, reference: &str) -> Result<ContainerId> {
        if let Ok(id) = reference.parse::<ContainerId>() {
            return Ok(id);
        }
        if containerv_spec::id::is_valid_name(reference)
            && let Some(id) = self.system.named(reference)
        {
            return Ok(id);
        }
        let fits = |id: &ContainerId| {
            (reference.len() >= MIN_PREFIX && id.as_str().starts_with(reference))
                || generated_name(id) == reference
        };
        let mut found: Vec<ContainerId> = self.system.ids()?.into_iter().filter(fits).collect();
        match (found.pop(), found.is_empty()) {
            (Some(id), true) => Ok(id),
            (Some(_), false) => {
                Err(Error::new(ErrorKind::InvalidArgument, format!("`{reference}` fits several containers"))
                    .with_hint("give more digits of the identifier"))
            }
            (None, _) => Err(Error::new(ErrorKind::NotFound, format!("no container `{reference}`"))
                .with_hint("`cv ps -a` lists all containers")),
        }
    }

    /// Lists all containers, oldest first. One that is being made or removed meanwhile, or whose
    /// files are damaged, is left out; see [`Host::repair`] and [`Host::delete`].
    ///
    /// # Errors
    ///
    /// If the state directory cannot be read.
    pub fn containers(&self) -> Result<Vec<Container>> {
        let ids = self.system.ids()?;
        let mut containers: Vec<Container> =
            ids.into_iter().filter_map(|id| Container::open(self, id).ok()).collect();
        containers.sort_by_key(|container| container.request().created_unix_ns);
        Ok(containers)
    }

    /// Removes what crashes have left behind; with `dry_run`, only tells. Returns what was, or
    /// would be, done.
    ///
    /// # Errors
    ///
    /// If something could not be removed; the rest was.
    pub fn repair(&self, dry_run: bool) -> Result<Vec<RepairAction>> {
        let mut actions = self.system.repair(dry_run)?;
        actions.extend(self.images().repair(dry_run)?);
        Ok(actions)
    }
}

/// One thing that [`Host::repair`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairAction {
    /// The container it is about, or the file.
    pub object: String,
    /// What is done.
    pub action: String,
}

impl std::fmt::Display for RepairAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.object, self.action)
    }
}

/// The name that people see for a container that was given none: two words that follow from its
/// identifier.
pub(crate) fn generated_name(id: &ContainerId) -> String {
    let number =
        |at: usize| usize::from_str_radix(id.as_str().get(at..at + 4).unwrap_or("0"), 16).unwrap_or(0);
    format!("{}_{}", QUALITIES[number(0) % QUALITIES.len()], THINGS[number(4) % THINGS.len()])
}

const QUALITIES: [&str; 64] = [
    "able", "amber", "ample", "azure", "bold", "brave", "brief", "bright", "brisk", "calm", "candid",
    "clear", "clever", "crisp", "daring", "deft", "eager", "early", "exact", "fair", "fine", "firm", "fleet",
    "frank", "fresh", "gentle", "glad", "golden", "grand", "green", "hale", "handy", "hardy", "honest",
    "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "mellow", "merry", "mild", "neat",
    "nimble", "noble", "patient", "plain", "polite", "proud", "quick", "quiet", "rapid", "ready", "robust",
    "sharp", "silent", "smart", "solid", "steady", "swift", "tidy", "warm",
];

const THINGS: [&str; 64] = [
    "acorn", "anchor", "anvil", "apple", "arrow", "badge", "barge", "basin", "beacon", "birch", "bobbin",
    "bridge", "brook", "bucket", "cabin", "cairn", "candle", "canoe", "cedar", "chisel", "cliff", "clover",
    "comet", "compass", "copper", "coral", "crane", "delta", "ember", "falcon", "fern", "ferry", "flint",
    "forge", "galley", "garnet", "glacier", "harbor", "hazel", "heron", "island", "ivory", "kettle",
    "lantern", "lark", "linen", "maple", "marble", "meadow", "mill", "oar", "orchard", "otter", "pebble",
    "pier", "pine", "quarry", "raft", "reef", "river", "sable", "thistle", "valley", "willow",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_follows_from_the_id_and_is_a_name() {
        let id = ContainerId::from_random([0x5a; 32]);
        assert_eq!(generated_name(&id), generated_name(&id));
        assert!(containerv_spec::id::is_valid_name(&generated_name(&id)));
    }
}
