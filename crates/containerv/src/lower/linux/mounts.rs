//! What is mounted in the root.

use containerv_spec::OsText;
use containerv_spec::cgroup::{GroupSet, GroupVersion};
use containerv_spec::plan::{Action, Entry, MountAttributes, Resolve, Slot, TargetKind};
use containerv_spec::request::{Mount, MountSource, Network, Request, Root, Share};

use super::Draft;

/// Device nodes of every container: name, major and minor; admin-guide/devices.
pub(super) const DEFAULT_DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Paths that tell of the host or reach the hardware; Docker's list.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Paths that change the host when they are written.
const PROTECTED: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Where something is mounted in every root, as far as the root itself has to have the mount point.
const MOUNT_POINTS: [&str; 6] = ["/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/// Returns the paths in the root that may have been made for a mount.
pub(crate) fn mount_points(request: &Request) -> Vec<OsText> {
    let asked = request.mounts.iter().map(|mount| mount.target.clone());
    MOUNT_POINTS.map(OsText::from).into_iter().chain(asked).collect()
}

/// Size of `/dev/shm` unless asked otherwise.
const SHM_BYTES: u64 = 64 << 20;

const NOSUID_NODEV_NOEXEC: MountAttributes =
    MountAttributes { read_only: false, nosuid: true, nodev: true, noexec: true };

/// Mounts that were cloned before the root was attached.
#[derive(Default)]
pub(super) struct Sources {
    /// One for each bind of the request, by its index.
    binds: Vec<(usize, Slot)>,
    /// The host's nodes, where the container may not make its own.
    devices: Vec<(&'static str, Slot)>,
    /// Devices of the request.
    extra_devices: Vec<(OsText, Slot)>,
    /// Files that tell the container its name and name servers, with their targets.
    files: Vec<(OsText, Slot)>,
    null: Option<Slot>,
    shm: Option<Slot>,
    all_devices: Option<Slot>,
    /// The container's own control group.
    cgroup: Option<Slot>,
}

impl Draft<'_> {
    fn unmasked(&self) -> bool {
        self.request.security.privileged || self.request.security.unmask
    }

    /// A new proc needs a PID namespace of the same user namespace, which that of a joined
    /// container is and the host's is not.
    fn borrows_proc(&self) -> bool {
        self.user_namespace && self.request.namespaces.pid == Share::Host
    }

    /// A new sysfs likewise needs a network namespace of the same user namespace.
    fn borrows_sys(&self) -> bool {
        self.user_namespace && self.request.network == Network::Host
    }

    /// Host steps: sources that `-v` shall make.
    pub(super) fn missing_sources(&mut self) {
        for mount in &self.request.mounts {
            if let (MountSource::Bind { path, .. }, true) = (&mount.source, mount.options.create_source) {
                self.steps.push(containerv_spec::plan::Step {
                    phase: containerv_spec::plan::Phase::Host,
                    action: Action::MakeSource { path: path.clone() },
                });
            }
        }
    }

    /// Says whether `/etc/hosts` and `/etc/hostname` are written for the container.
    fn writes_network_files(&self) -> bool {
        self.request.namespaces.mount
            && (!matches!(self.request.root, Root::Directory(_)) || !self.request.extra_hosts.is_empty())
    }

    /// Host steps: the files that tell the container its name.
    pub(super) fn network_files(&mut self) {
        if !self.writes_network_files() {
            return;
        }
        let name = self.request.host_name().into_owned();
        let mut hosts = String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        let own = match &self.request.network {
            Network::Veth(veth) => veth.container_address.to_string(),
            _ => "127.0.0.1".to_owned(),
        };
        hosts.push_str(&format!("{own}\t{name}\n"));
        for (name, address) in &self.request.extra_hosts {
            hosts.push_str(&format!("{address}\t{name}\n"));
        }
        self.host(Action::WriteFile { path: self.file("hosts"), contents: hosts, mode: 0o644 });
        self.host(Action::WriteFile {
            path: self.file("hostname"),
            contents: format!("{name}\n"),
            mode: 0o644,
        });
    }

    /// Clones everything of the host that is mounted later.
    pub(super) fn clone_sources(&mut self, groups: &GroupSet) -> Sources {
        let mut sources = Sources::default();
        for (index, mount) in self.request.mounts.iter().enumerate() {
            let slot = self.clone_source(mount);
            sources.binds.extend(slot.map(|slot| (index, slot)));
        }
        if self.writes_network_files() {
            for (name, target) in [("hosts", "/etc/hosts"), ("hostname", "/etc/hostname")] {
                let slot = self.clone_host(&self.file(name), NOSUID_NODEV_NOEXEC);
                sources.files.push((target.into(), slot));
            }
        }
        if let (Network::Host, Some(path)) = (&self.request.network, self.machine.system.resolver.clone()) {
            let slot = self.clone_host(&path, MountAttributes { read_only: true, ..NOSUID_NODEV_NOEXEC });
            // Files of the built-in image that are links of the host lead to their targets.
            let target = if self.request.root == Root::Host { path } else { "/etc/resolv.conf".into() };
            sources.files.push((target, slot));
        }
        self.clone_device_nodes(&mut sources);
        sources.cgroup = self.clone_cgroup_view(groups);
        if self.borrows_proc() {
            self.clone_tree(Slot::PROC, "/proc".into(), NOSUID_NODEV_NOEXEC);
        }
        if self.borrows_sys() {
            let attributes = MountAttributes { read_only: true, ..NOSUID_NODEV_NOEXEC };
            self.clone_tree(Slot::SYS, "/sys".into(), attributes);
        }
        if self.request.namespaces.ipc == Share::Host {
            sources.shm = Some(self.clone_host(&"/dev/shm".into(), NOSUID_NODEV_NOEXEC));
        }
        sources
    }

    /// Clones the source of a bind with its attributes.
    pub(super) fn clone_source(&mut self, mount: &Mount) -> Option<Slot> {
        let MountSource::Bind { path, recursive } = &mount.source else { return None };
        let slot = self.slot();
        self.inside(Action::CloneTree {
            slot,
            source: path.clone(),
            recursive: *recursive || self.user_namespace,
            attributes: self.attributes(mount),
            propagation: mount.options.propagation,
        });
        Some(slot)
    }

    fn clone_host(&mut self, source: &OsText, attributes: MountAttributes) -> Slot {
        let slot = self.slot();
        self.clone_tree(slot, source.clone(), attributes);
        slot
    }

    fn clone_device_nodes(&mut self, sources: &mut Sources) {
        let usable = MountAttributes { nosuid: true, noexec: true, ..MountAttributes::default() };
        if !self.unmasked() {
            sources.null = Some(self.clone_host(&"/dev/null".into(), usable));
        }
        if self.request.security.privileged && !self.user_namespace {
            sources.all_devices = Some(self.clone_host(&"/dev".into(), usable));
        } else if self.user_namespace {
            for (name, _, _) in DEFAULT_DEVICES {
                let path = OsText::from("/dev").join(name);
                sources.devices.push((name, self.clone_host(&path, usable)));
            }
        }
        for device in self.request.devices.clone() {
            let slot = self.clone_host(&device.host_path, usable);
            sources.extra_devices.push((device.path, slot));
        }
    }

    fn attributes(&self, mount: &Mount) -> MountAttributes {
        let privileged = self.request.security.privileged;
        MountAttributes {
            read_only: mount.read_only,
            nosuid: matches!(mount.source, MountSource::Tmpfs { .. }) && !mount.options.suid,
            nodev: !mount.options.dev && !privileged,
            noexec: mount.options.noexec,
        }
    }

    fn new_file_system(
        &mut self,
        slot: Slot,
        kind: &str,
        options: &[(&str, String)],
        attributes: MountAttributes,
    ) {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        self.inside(Action::NewFileSystem { slot, kind: kind.to_owned(), options, attributes });
    }

    /// `/proc`, `/sys` and `/dev`. Their mount points are never reached through a link: a root
    /// whose `/proc` is one would get its masks somewhere else (CVE-2019-16884).
    pub(super) fn system_mounts(&mut self, sources: &Sources) {
        self.mount_proc();
        self.mount_sys();
        self.mount_dev(sources);
    }

    fn mount_proc(&mut self) {
        if !self.borrows_proc() {
            self.new_file_system(Slot::PROC, "proc", &[], NOSUID_NODEV_NOEXEC);
        }
        self.attach(Slot::PROC, "/proc".into(), TargetKind::Directory, Resolve::NoLinks);
        for (name, value) in self.request.sysctls.clone() {
            self.inside(Action::SetSysctl { name, value });
        }
    }

    fn mount_sys(&mut self) {
        if !self.borrows_sys() {
            let read_only = !self.request.security.privileged;
            let attributes = MountAttributes { read_only, ..NOSUID_NODEV_NOEXEC };
            self.new_file_system(Slot::SYS, "sysfs", &[], attributes);
        }
        self.attach(Slot::SYS, "/sys".into(), TargetKind::Directory, Resolve::NoLinks);
    }

    /// Shows the container its own group of version 2. A clone of the host's directory shows the
    /// same as a new mount in the cgroup namespace, which costs the kernel milliseconds.
    fn clone_cgroup_view(&mut self, groups: &GroupSet) -> Option<Slot> {
        let version_2_only = groups.groups.iter().all(|group| group.version == GroupVersion::V2);
        let private = self.request.namespaces.cgroup == Share::Private;
        let group = groups.v2().filter(|_| version_2_only && private && !self.borrows_sys())?;
        let read_only = !self.request.security.privileged;
        Some(self.clone_host(&group.path.clone(), MountAttributes { read_only, ..NOSUID_NODEV_NOEXEC }))
    }

    fn mount_dev(&mut self, sources: &Sources) {
        match sources.all_devices {
            Some(slot) => self.attach(slot, "/dev".into(), TargetKind::Directory, Resolve::NoLinks),
            None => self.make_dev(sources),
        }
        let nosuid_noexec = MountAttributes { nosuid: true, noexec: true, ..MountAttributes::default() };
        let mut options = vec![("ptmxmode", "0666".to_owned()), ("mode", "0620".to_owned())];
        if self.maps_group(5) {
            options.push(("gid", "5".to_owned()));
        }
        self.new_file_system(Slot::DEVPTS, "devpts", &options, nosuid_noexec);
        self.attach(Slot::DEVPTS, "/dev/pts".into(), TargetKind::Directory, Resolve::NoLinks);
        self.mount_ipc(sources);
        for (target, slot) in &sources.extra_devices {
            self.attach(*slot, target.clone(), TargetKind::File, Resolve::InRoot);
        }
        for (target, slot) in &sources.files {
            self.attach(*slot, target.clone(), TargetKind::File, Resolve::InRoot);
        }
    }

    fn make_dev(&mut self, sources: &Sources) {
        let slot = self.slot();
        let options = [("mode", "0755".to_owned()), ("size", "65536".to_owned())];
        let attributes = MountAttributes { nosuid: true, noexec: true, ..MountAttributes::default() };
        self.new_file_system(slot, "tmpfs", &options, attributes);
        for (name, major, minor) in DEFAULT_DEVICES {
            let entry = if sources.devices.is_empty() {
                Entry::Device { major, minor, mode: 0o666, block: false }
            } else {
                Entry::File { mode: 0o666 }
            };
            self.inside(Action::MakeEntry { slot, name: name.into(), entry });
        }
        for (name, target) in DEVICE_LINKS {
            let entry = Entry::Link { target: target.into() };
            self.inside(Action::MakeEntry { slot, name: name.into(), entry });
        }
        for name in ["pts", "shm", "mqueue"] {
            let entry = Entry::Directory { mode: 0o755 };
            self.inside(Action::MakeEntry { slot, name: name.into(), entry });
        }
        self.attach(slot, "/dev".into(), TargetKind::Directory, Resolve::NoLinks);
        for (name, slot) in &sources.devices {
            let target = OsText::from("/dev").join(name);
            self.attach(*slot, target, TargetKind::Existing, Resolve::NoLinks);
        }
    }

    fn mount_ipc(&mut self, sources: &Sources) {
        let shm = match sources.shm {
            Some(slot) => slot,
            None => {
                let slot = self.slot();
                let size = self.request.shm_bytes.unwrap_or(SHM_BYTES);
                let options = [("mode", "1777".to_owned()), ("size", size.to_string())];
                self.new_file_system(slot, "tmpfs", &options, NOSUID_NODEV_NOEXEC);
                slot
            }
        };
        self.attach(shm, "/dev/shm".into(), TargetKind::Directory, Resolve::NoLinks);
        if self.request.namespaces.ipc == Share::Private {
            let slot = self.slot();
            self.new_file_system(slot, "mqueue", &[], NOSUID_NODEV_NOEXEC);
            self.attach(slot, "/dev/mqueue".into(), TargetKind::Directory, Resolve::NoLinks);
        }
    }

    /// Says whether a group id exists in the container.
    fn maps_group(&self, gid: u32) -> bool {
        use containerv_spec::request::UserNamespace;
        if !self.user_namespace {
            return true;
        }
        match &self.request.namespaces.user {
            UserNamespace::Mapped { gids, .. } => {
                gids.iter().any(|range| range.inside <= gid && gid - range.inside < range.count)
            }
            UserNamespace::Auto => {
                let subordinate = &self.machine.subordinate;
                subordinate.helpers.is_some() && subordinate.missing.is_none()
            }
            UserNamespace::Single { .. } | UserNamespace::Host => false,
        }
    }

    /// The caller's mounts, in the caller's order.
    pub(super) fn user_mounts(&mut self, sources: &Sources) {
        for (index, mount) in self.request.mounts.clone().into_iter().enumerate() {
            let bind = sources.binds.iter().find(|(bind, _)| *bind == index).map(|entry| entry.1);
            let slot = match (&mount.source, bind) {
                (_, Some(slot)) => slot,
                (MountSource::Tmpfs { size, mode }, None) => self.new_tmpfs(&mount, *size, *mode),
                (MountSource::FileSystem { kind }, None) => {
                    let (slot, attributes) = (self.slot(), self.attributes(&mount));
                    self.new_file_system(slot, kind, &[], attributes);
                    slot
                }
                (MountSource::Bind { .. } | MountSource::NamedPipe { .. }, None) => continue,
            };
            self.attach_mount(slot, &mount);
        }
    }

    /// Attaches a mount of the caller's at its target.
    pub(super) fn attach_mount(&mut self, slot: Slot, mount: &Mount) {
        let create = if mount.options.create_target { TargetKind::Like } else { TargetKind::Existing };
        self.attach(slot, mount.target.clone(), create, resolution(mount));
    }

    fn new_tmpfs(&mut self, mount: &Mount, size: Option<u64>, mode: Option<u32>) -> Slot {
        let slot = self.slot();
        let mut options = vec![("mode", format!("{:04o}", mode.unwrap_or(0o1777)))];
        if let Some(size) = size {
            options.push(("size", size.to_string()));
        }
        let attributes = self.attributes(mount);
        self.new_file_system(slot, "tmpfs", &options, attributes);
        slot
    }

    /// Hides and protects what a container must not see or write.
    pub(super) fn protect_system(&mut self, sources: &Sources) {
        if let Some(slot) = sources.cgroup {
            self.attach(slot, "/sys/fs/cgroup".into(), TargetKind::Existing, Resolve::NoLinks);
        }
        let (Some(null), false) = (sources.null, self.unmasked()) else { return };
        let empty = self.slot();
        let attributes = MountAttributes { read_only: true, ..NOSUID_NODEV_NOEXEC };
        self.new_file_system(
            empty,
            "tmpfs",
            &[("size", "4096".to_owned()), ("mode", "0555".to_owned())],
            attributes,
        );
        let mut paths: Vec<OsText> = MASKED.map(OsText::from).to_vec();
        if self.request.root == Root::Host {
            paths.extend(self.machine.system.secrets.iter().cloned());
        }
        self.inside(Action::Mask { empty, null, paths });
        self.inside(Action::ProtectPaths { paths: PROTECTED.map(OsText::from).to_vec() });
    }
}

/// How the target of a mount is resolved.
pub(super) fn resolution(mount: &Mount) -> Resolve {
    if mount.options.strict_target { Resolve::Beneath } else { Resolve::InRoot }
}
