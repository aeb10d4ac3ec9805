//! Building a container step by step.

use std::collections::BTreeMap;
use std::time::Duration;

use containerv_spec::request::{
    Capabilities, IdRange, Isolation, Lifetime, Mount, MountOptions, MountSource, Namespaces, Network,
    Overlay, Process, Root, Security, Stop, TerminalSize, UserNamespace,
};
use containerv_spec::{Bound, ByteSize, Capability, Limits, OsText, Request};

use crate::process::{StdioSet, default_environment, os_text};
use crate::{Child, Container, Error, ErrorKind, Host, Image, ImageOverrides, Result};

/// A container to be made. Setters do not fail; [`ContainerBuilder::create`] reports everything
/// that is wrong.
#[derive(Clone, Debug)]
pub struct ContainerBuilder {
    root: Root,
    image: Option<Image>,
    isolation: Isolation,
    name: Option<String>,
    labels: BTreeMap<String, String>,
    overlay: Overlay,
    read_only: bool,
    mounts: Vec<Mount>,
    namespaces: Namespaces,
    network: Network,
    hostname: Option<String>,
    sysctls: BTreeMap<String, String>,
    limits: Limits,
    security: Security,
    process: Option<Process>,
    init: bool,
    lifetime: Lifetime,
    auto_remove: bool,
    stop: Stop,
}

impl ContainerBuilder {
    pub(crate) fn new(root: Root) -> Self {
        Self {
            root,
            image: None,
            isolation: Isolation::Default,
            name: None,
            labels: BTreeMap::new(),
            overlay: Overlay::Default,
            read_only: false,
            mounts: Vec::new(),
            namespaces: Namespaces::default(),
            network: Network::None,
            hostname: None,
            sysctls: BTreeMap::new(),
            limits: Limits::default(),
            security: Security::default(),
            process: None,
            init: false,
            lifetime: Lifetime::Detached,
            auto_remove: false,
            stop: Stop::default(),
        }
    }

    pub(crate) fn of_image(image: &Image) -> Result<Self> {
        Ok(Self { image: Some(image.clone()), ..Self::new(image.root()?) })
    }

    /// Says what keeps it apart from the host; the system's usual way unless set.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Names the container; 2 to 128 of `[a-zA-Z0-9_.-]`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets a label, for the caller's own use.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets the command that the container runs as its own. Without one it is a place to spawn
    /// processes into. For a container of an image these are further arguments of its entrypoint, in place of its
    /// command; none, and the command is the image's own.
    #[must_use]
    pub fn command<S: AsRef<std::ffi::OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        let args = arguments.into_iter().map(|argument| os_text(argument.as_ref())).collect();
        self.process = Some(Process { env: default_environment(), ..Process::new(args) });
        self
    }

    /// Changes the command set by [`ContainerBuilder::command`]; without one, nothing happens.
    #[must_use]
    pub fn with_process(mut self, change: impl FnOnce(&mut Process)) -> Self {
        if let Some(process) = &mut self.process {
            change(process);
        }
        self
    }

    /// Gives the command a terminal.
    #[must_use]
    pub fn terminal(self, size: TerminalSize) -> Self {
        self.with_process(|process| process.terminal = Some(size))
    }

    /// Says what becomes of writes to the root.
    #[must_use]
    pub fn overlay(mut self, overlay: Overlay) -> Self {
        self.overlay = overlay;
        self
    }

    /// Refuses writes to the root.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Binds a file or directory of this machine; made in the container if it is missing there.
    #[must_use]
    pub fn bind(self, source: impl AsRef<std::ffi::OsStr>, target: impl Into<OsText>) -> Self {
        self.bind_with(source, target.into(), false)
    }

    /// As [`ContainerBuilder::bind`], without letting the container write.
    #[must_use]
    pub fn bind_read_only(self, source: impl AsRef<std::ffi::OsStr>, target: impl Into<OsText>) -> Self {
        self.bind_with(source, target.into(), true)
    }

    fn bind_with(self, source: impl AsRef<std::ffi::OsStr>, target: OsText, read_only: bool) -> Self {
        let source = MountSource::Bind { path: os_text(source.as_ref()), recursive: true };
        let options = MountOptions { create_target: true, ..MountOptions::default() };
        self.mount(Mount { source, target, read_only, options })
    }

    /// Adds a mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Chooses the kernel namespaces.
    #[must_use]
    pub fn namespaces(mut self, namespaces: Namespaces) -> Self {
        self.namespaces = namespaces;
        self
    }

    /// Maps user and group ids into a user namespace.
    #[must_use]
    pub fn map_ids(mut self, uids: Vec<IdRange>, gids: Vec<IdRange>) -> Self {
        self.namespaces.user = UserNamespace::Mapped { uids, gids };
        self
    }

    /// Chooses the network; a container has only a loopback interface unless told otherwise.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Sets the host name.
    #[must_use]
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.hostname = Some(name.into());
        self
    }

    /// Sets a kernel setting of the container's namespaces.
    #[must_use]
    pub fn sysctl(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.sysctls.insert(name.into(), value.into());
        self
    }

    /// Limits the memory of all processes together; swap is not limited by this.
    #[must_use]
    pub fn memory(mut self, limit: ByteSize) -> Self {
        self.limits.memory = Some(Bound::At(limit));
        self
    }

    /// Limits CPU time, in processors: 1.5 is one and a half, as a quota of each 100 ms.
    #[must_use]
    pub fn cpus(mut self, cpus: f64) -> Self {
        let quota = (cpus * 100_000.0).round().clamp(0.0, 1e15) as u64;
        self.limits.cpu_quota = Some(Bound::At(quota));
        self.limits.cpu_period = Some(100_000);
        self
    }

    /// Limits the number of processes and threads.
    #[must_use]
    pub fn pids(mut self, limit: u64) -> Self {
        self.limits.pids = Some(Bound::At(limit));
        self
    }

    /// Sets all limits at once.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the privileges.
    #[must_use]
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Adds a capability.
    #[must_use]
    pub fn add_capability(mut self, capability: Capability) -> Self {
        self.security.capabilities = Capabilities(self.security.capabilities.0.with(capability));
        self
    }

    /// Takes a capability away.
    #[must_use]
    pub fn drop_capability(mut self, capability: Capability) -> Self {
        self.security.capabilities = Capabilities(self.security.capabilities.0.without(capability));
        self
    }

    /// Puts an init before the command that reaps orphans and passes signals on.
    #[must_use]
    pub fn init(mut self) -> Self {
        self.init = true;
        self
    }

    /// Ends the container when this process ends, however that comes: the kernel sees to it.
    #[must_use]
    pub fn owner_bound(mut self) -> Self {
        self.lifetime = Lifetime::OwnerBound;
        self
    }

    /// Removes the container once it has ended.
    #[must_use]
    pub fn auto_remove(mut self) -> Self {
        self.auto_remove = true;
        self
    }

    /// Sets the signal and the time that [`Container::stop`] uses.
    #[must_use]
    pub fn stop(mut self, signal: u8, timeout: Duration) -> Self {
        self.stop = Stop { signal, timeout_seconds: timeout.as_secs() };
        self
    }

    /// Turns everything into a request for this host.
    ///
    /// # Errors
    ///
    /// If the system has no random source, or the image's configuration cannot be followed.
    pub fn request(self, host: &Host) -> Result<Request> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let image = self.image;
        let mut request = Request {
            id: host.new_id()?,
            name: self.name,
            created_unix_ns: now.map_or(0, |time| time.as_nanos() as u64),
            labels: self.labels,
            isolation: self.isolation,
            root: self.root,
            overlay: self.overlay,
            read_only: self.read_only,
            mounts: self.mounts,
            namespaces: self.namespaces,
            network: self.network,
            ports: Vec::new(),
            dns: containerv_spec::request::Dns::default(),
            hostname: self.hostname,
            domainname: None,
            extra_hosts: Vec::new(),
            sysctls: self.sysctls,
            limits: self.limits,
            cgroup_parent: None,
            security: self.security,
            devices: Vec::new(),
            assigned_devices: Vec::new(),
            storage_bytes: None,
            shm_bytes: None,
            process: self.process,
            init: self.init,
            lifetime: self.lifetime,
            auto_remove: self.auto_remove,
            log: containerv_spec::request::Log::default(),
            stop: self.stop,
        };
        if let (Some(image), Some(process)) = (image, request.process.clone()) {
            let asked = overrides(&process, &request.stop);
            image.complete(&mut request, process, &asked)?;
        }
        Ok(request)
    }

    /// Makes the container; see [`Container::create`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the request, or the step that failed.
    pub fn create(self, host: &Host) -> Result<Container> {
        // Nobody removes the image meanwhile.
        let _image = self.image.clone();
        Container::create(host, self.request(host)?)
    }

    /// Makes the container and starts its command as a child of this process.
    ///
    /// # Errors
    ///
    /// As [`Container::run_attached`].
    pub fn run(self, host: &Host, stdio: StdioSet) -> Result<(Container, Child)> {
        if self.process.is_none() {
            return Err(Error::new(ErrorKind::InvalidArgument, "the container has no command to run")
                .with_hint("call `command` first, or `create` a container to spawn into"));
        }
        let _image = self.image.clone();
        Container::run_attached(host, self.request(host)?, stdio)
    }
}

/// What a command was given beyond what every command has: that counts in place of what its image says.
fn overrides(process: &Process, stop: &Stop) -> ImageOverrides {
    let usual = Process { env: default_environment(), ..Process::new(Vec::new()) };
    ImageOverrides {
        entrypoint: None,
        command: process.args.clone(),
        env: process.env.iter().filter(|entry| !usual.env.contains(entry)).cloned().collect(),
        default_env: usual.env,
        workdir: (process.cwd != usual.cwd).then(|| process.cwd.clone()),
        user: (process.user != usual.user).then(|| process.user.clone()),
        stop_signal: (*stop != Stop::default()).then_some(stop.signal),
    }
}
