//! Containers.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use containerv_spec::request::{Mount, Process};
use containerv_spec::state::{Exit, Status};
use containerv_spec::{ContainerId, Limits, OsText, Request};

use crate::attach::{AttachOptions, Attachment};
use crate::builder::ContainerBuilder;
use crate::copy::{Change, CopyOptions, CopyProgress, CopySummary};
use crate::host::generated_name;
use crate::process::{Child, Command, ExecOptions, StdioSet};
use crate::{Host, Image, Result};

/// A container. Dropping it leaves the container as it is.
#[derive(Clone, Debug)]
pub struct Container {
    host: Host,
    request: Arc<Request>,
}

/// Where a container is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// One word for it.
    pub status: Status,
    /// Process id of its first process on the host, while that runs.
    pub pid: Option<u32>,
    /// When its command was started, in nanoseconds since 1970.
    pub started_unix_ns: Option<u64>,
    /// How it ended; `None` too if its supervisor was killed before it could tell.
    pub exit: Option<Exit>,
    /// Processes that the kernel has killed because memory ran out, since the last start and for as
    /// long as the control groups of that exist. Others may live on.
    pub oom_kills: u64,
}

impl Container {
    /// Begins a container on this root: [`Root::Host`](crate::spec::request::Root::Host) is this
    /// machine's own system, which needs no download.
    pub fn builder(root: containerv_spec::request::Root) -> ContainerBuilder {
        ContainerBuilder::new(root)
    }

    /// Begins a container of an image: with its files, and with what its configuration says of commands.
    ///
    /// # Errors
    ///
    /// As [`Image::root`].
    pub fn builder_of(image: &Image) -> Result<ContainerBuilder> {
        ContainerBuilder::of_image(image)
    }

    /// Makes a container. Without a command it runs at once, as a keeper into which processes are
    /// spawned; with one, that is prepared and waits for [`Container::start`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the request, or the step that failed; then nothing is left.
    pub fn create(host: &Host, request: Request) -> Result<Self> {
        let made = host.system.create(request)?;
        Ok(Self { host: host.clone(), request: Arc::new(made.request) })
    }

    /// Makes a container and starts its command under a monitor that outlives this process.
    ///
    /// # Errors
    ///
    /// As [`Container::create`], and `CommandNotFound` or `CommandNotExecutable`.
    pub fn run_detached(host: &Host, request: Request) -> Result<Self> {
        let made = host.system.run_detached(request)?;
        Ok(Self { host: host.clone(), request: Arc::new(made.request) })
    }

    /// Makes a container and starts its command as a child of this process.
    ///
    /// # Errors
    ///
    /// As [`Container::run_detached`].
    pub fn run_attached(host: &Host, request: Request, stdio: StdioSet) -> Result<(Self, Child)> {
        let made = host.system.run_attached(request, stdio)?;
        let container = Self { host: host.clone(), request: Arc::new(made.request) };
        let inner = made.process.ok_or_else(|| {
            crate::Error::new(crate::ErrorKind::InvalidArgument, "the request has no command to attach to")
        })?;
        Ok((container, Child::new(inner, made.ends)))
    }

    pub(crate) fn open(host: &Host, id: ContainerId) -> Result<Self> {
        let request = host.system.request(&id)?;
        Ok(Self { host: host.clone(), request: Arc::new(request) })
    }

    /// Returns the identifier.
    pub fn id(&self) -> &ContainerId {
        &self.request.id
    }

    /// Returns the name, given or generated.
    pub fn name(&self) -> String {
        self.request.name.clone().unwrap_or_else(|| generated_name(&self.request.id))
    }

    /// Returns what the container was made of, as it was when this handle was made.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Returns the host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Says where the container is in its life.
    ///
    /// # Errors
    ///
    /// `NotFound` once it was removed.
    pub fn state(&self) -> Result<State> {
        self.host.system.state(self.id())
    }

    /// Lets the prepared command go, or runs a container again that has ended. One that runs is
    /// left alone.
    ///
    /// # Errors
    ///
    /// The step that failed.
    pub fn start(&self) -> Result<()> {
        self.host.system.start(self.id())
    }

    /// Prepares the command of a container that has ended as [`Container::create`] does, so that its
    /// streams can be attached to before it is started again. One that has not ended is left alone;
    /// on Windows, where creation prepares no command, also one that was not started is prepared. There
    /// it stays prepared while somebody is attached, and a minute longer.
    ///
    /// # Errors
    ///
    /// The step that failed.
    pub fn prepare(&self) -> Result<()> {
        self.host.system.prepare(self.id())
    }

    /// Connects to the streams of the command of a supervised container, before or after it is
    /// started. On Windows, a container that was made and not started is prepared first.
    ///
    /// # Errors
    ///
    /// `InvalidState` if it has no monitor.
    pub fn attach(&self, options: AttachOptions) -> Result<Attachment> {
        self.host.system.attach(self.id(), options).map(Attachment)
    }

    /// Begins a command to be run in the container.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command<'_> {
        Command::new(self, program)
    }

    /// Starts a process in the running container.
    ///
    /// # Errors
    ///
    /// As [`Command::spawn`].
    pub fn exec(&self, process: &Process, stdio: StdioSet, options: ExecOptions) -> Result<Child> {
        let (inner, ends) = self.host.system.exec(self.id(), process, stdio, options)?;
        Ok(Child::new(inner, ends))
    }

    /// Makes the calling process a member of the running container: its namespaces, control
    /// groups, root and restrictions. Meant to be followed by the execution of a program.
    ///
    /// The process keeps its process id; its children are the first to be in the container's
    /// process namespace. Ids change only where the container has a user namespace: there the
    /// process becomes root. Open descriptors stay open.
    ///
    /// # Errors
    ///
    /// `InvalidState` if the container does not run, `InvalidArgument` for a process with several
    /// threads, `PermissionDenied` without the capabilities to do it. The process is then as before.
    pub fn enter(&self) -> Result<()> {
        self.host.system.enter(self.id())
    }

    /// Sends a signal to the container's first process.
    ///
    /// # Errors
    ///
    /// `InvalidState` if it does not run.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.host.system.signal(self.id(), signal)
    }

    /// Kills everything in the container.
    ///
    /// # Errors
    ///
    /// `InvalidState` if it does not run.
    pub fn kill(&self) -> Result<()> {
        self.signal(9)
    }

    /// Asks the container to end, and kills it if it does not within `timeout`, or within the time
    /// that its request gives. Returns once it has ended.
    ///
    /// # Errors
    ///
    /// Failures of sending or waiting; a container that does not run is fine.
    pub fn stop(&self, timeout: Option<Duration>) -> Result<()> {
        self.host.system.stop(self.id(), None, timeout)
    }

    /// As [`Container::stop`], with another signal than the request's.
    ///
    /// # Errors
    ///
    /// As [`Container::stop`], and `InvalidArgument` for a number that is no signal.
    pub fn stop_with(&self, signal: i32, timeout: Option<Duration>) -> Result<()> {
        self.host.system.stop(self.id(), Some(signal), timeout)
    }

    /// Returns the directory where the container is kept.
    ///
    /// # Errors
    ///
    /// `NotFound` once it was removed.
    pub fn directory(&self) -> Result<PathBuf> {
        self.host.system.path(self.id())
    }

    /// Returns how many bytes the container takes on disk: its own layers and its log.
    ///
    /// # Errors
    ///
    /// `NotFound` once it was removed.
    pub fn disk_usage(&self) -> Result<u64> {
        self.host.system.disk_usage(self.id())
    }

    /// Waits until the container has ended.
    ///
    /// # Errors
    ///
    /// `NotFound` once it was removed.
    pub fn wait(&self) -> Result<Exit> {
        self.host.system.wait(self.id())
    }

    /// Stops every process of the container where it is.
    ///
    /// # Errors
    ///
    /// `Unavailable` without a control group that can do it, `InvalidState` if it is paused already.
    pub fn pause(&self) -> Result<()> {
        self.host.system.pause(self.id())
    }

    /// Lets a paused container go on.
    ///
    /// # Errors
    ///
    /// `Unavailable` as for [`Container::pause`], `InvalidState` if it is not paused.
    pub fn resume(&self) -> Result<()> {
        self.host.system.resume(self.id())
    }

    /// Changes limits: those that `change` names, the others stay.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the change; then nothing was changed.
    pub fn update(&self, change: &Limits) -> Result<()> {
        self.host.system.update(self.id(), change)
    }

    /// Mounts something in the container: at once if it runs, and at each start from now on. What is added, and
    /// where, is checked as at a creation.
    ///
    /// A container that runs takes files and directories of the host ([`MountSource::Bind`]) and, on Windows with
    /// process isolation, named pipes. Other kinds come with the next start, and are added while it does not run.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the mount, `Unsupported` for what cannot be added while the container runs;
    /// then nothing was changed.
    ///
    /// [`MountSource::Bind`]: containerv_spec::request::MountSource::Bind
    pub fn add_mount(&self, mount: &Mount) -> Result<()> {
        self.host.system.add_mount(self.id(), mount)
    }

    /// Takes the mount at a target away: at once if the container runs, and at each start from now on. Files that
    /// are open in the container stay open on Linux.
    ///
    /// # Errors
    ///
    /// `NotFound` if the request has no mount at that target, `Unsupported` for what cannot be taken away while
    /// the container runs; then nothing was changed.
    pub fn remove_mount(&self, target: impl Into<OsText>) -> Result<()> {
        self.host.system.remove_mount(self.id(), &target.into())
    }

    /// Gives the container another name.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if another container has it.
    pub fn rename(&self, name: &str) -> Result<()> {
        self.host.system.rename(self.id(), name)
    }

    /// Copies a file or tree of this machine into the container, running or not, by the rules of
    /// `docker cp`.
    ///
    /// # Errors
    ///
    /// The path that failed and what the system said; what was copied before stays.
    pub fn upload(
        &self,
        from: impl AsRef<Path>,
        to: impl Into<OsText>,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        self.host.system.upload(self.id(), from.as_ref(), &to.into(), options)
    }

    /// Copies a file or tree of the container, running or not, to this machine.
    ///
    /// # Errors
    ///
    /// As [`Container::upload`].
    pub fn download(
        &self,
        from: impl Into<OsText>,
        to: impl AsRef<Path>,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        self.host.system.download(self.id(), &from.into(), to.as_ref(), options)
    }

    /// Unpacks a tar stream into a directory of the container that exists.
    ///
    /// # Errors
    ///
    /// A damaged or hostile archive, naming the member; those before it stay.
    pub fn upload_tar(
        &self,
        archive: impl Read,
        to: impl Into<OsText>,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        self.host.system.upload_tar(self.id(), archive, &to.into(), options)
    }

    /// Writes a file or tree of the container as a tar stream (POSIX pax format).
    ///
    /// # Errors
    ///
    /// The path that failed, or that the stream did; what was written is an incomplete archive.
    pub fn download_tar(
        &self,
        from: impl Into<OsText>,
        archive: impl Write,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        self.host.system.download_tar(self.id(), &from.into(), archive, options)
    }

    /// Writes all files of the container as a tar archive (POSIX pax format), as `docker export` does: of what is
    /// mounted in it, only the mount points. The container need not run.
    ///
    /// On Windows it may not. Attributes, security descriptors, times of creation and junctions are in records as layers
    /// of images have them; alternate streams and extended attributes are left out.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, with its name; what the stream said. `InvalidState` for one that runs on Windows.
    pub fn export(&self, archive: impl Write, progress: Option<CopyProgress>) -> Result<CopySummary> {
        let exported = self.host.system.export_root(self.id(), archive, progress);
        exported.map_err(|error| error.context(format!("cannot export container `{}`", self.name())))
    }

    /// Lists what the container changed in its root file system, sorted by path.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the root is used in place, or in memory.
    pub fn changes(&self) -> Result<Vec<Change>> {
        self.host.system.changes(self.id())
    }

    /// Removes the container and everything that was made for it.
    ///
    /// # Errors
    ///
    /// `InvalidState` if it runs and `force` is not set.
    pub fn delete(&self, force: bool) -> Result<()> {
        self.host.system.delete(self.id(), force)
    }

    /// Returns a handle that removes the container when it is dropped.
    pub fn delete_on_drop(self) -> OwnedContainer {
        OwnedContainer(Some(self))
    }
}

/// A container that is removed when this is dropped.
#[derive(Debug)]
pub struct OwnedContainer(Option<Container>);

impl OwnedContainer {
    /// Keeps the container after all.
    ///
    /// # Panics
    ///
    /// Never: the container is there until this call or the drop takes it.
    #[allow(clippy::expect_used, reason = "the option is empty only after `self` was consumed")]
    pub fn keep(mut self) -> Container {
        self.0.take().expect("taken once")
    }
}

impl std::ops::Deref for OwnedContainer {
    type Target = Container;

    #[allow(clippy::expect_used, reason = "the option is empty only after `self` was consumed")]
    fn deref(&self) -> &Container {
        self.0.as_ref().expect("taken only by value")
    }
}

impl Drop for OwnedContainer {
    fn drop(&mut self) {
        if let Some(container) = self.0.take() {
            // Nobody is there to hear of a failure; `repair` finds what is left.
            let _ = container.delete(true);
        }
    }
}
