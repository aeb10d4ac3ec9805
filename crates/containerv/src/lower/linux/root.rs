//! The root file system.

use containerv_spec::OsText;
use containerv_spec::cgroup::GroupSet;
use containerv_spec::plan::{Action, MountAttributes, Resolve, Slot, TargetKind};
use containerv_spec::request::{Overlay, Propagation, Root};

use super::Draft;
use super::layers::{has_layers, layer_name};

/// Where writes go, with the choice of [`Overlay::Default`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    /// Into the directory itself; for the built-in image, nowhere.
    InPlace,
    /// Into layers below this directory of the host, made before.
    Disk(OsText),
    /// Into layers in memory that is attached at this directory of the host.
    Memory(OsText),
}

/// Directories of the built-in image that belong to the container alone, with their modes.
const PRIVATE_DIRECTORIES: [(&str, u32); 9] = [
    ("root", 0o700),
    ("home", 0o755),
    ("var", 0o755),
    ("mnt", 0o755),
    ("srv", 0o755),
    ("proc", 0o555),
    ("sys", 0o555),
    ("dev", 0o755),
    ("run", 0o755),
];

/// Paths that every container of the built-in image has of its own.
pub(crate) const HOST_IMAGE_PATHS: [&str; 11] =
    ["/root", "/home", "/var", "/var/tmp", "/mnt", "/srv", "/proc", "/sys", "/dev", "/run", "/tmp"];

/// Directories of the machine that the built-in image consists of.
pub(crate) const SYSTEM_DIRECTORIES: [&str; 8] =
    ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc"];

const PLAIN: MountAttributes =
    MountAttributes { read_only: false, nosuid: false, nodev: true, noexec: false };
const READ_ONLY: MountAttributes =
    MountAttributes { read_only: true, nosuid: false, nodev: true, noexec: false };

impl Draft<'_> {
    pub(super) fn writes(&self) -> Writes {
        match &self.request.overlay {
            _ if !has_layers(self.request) => Writes::InPlace,
            Overlay::Kept(path) => Writes::Disk(path.clone()),
            Overlay::Memory => Writes::Memory(self.file("scratch")),
            _ => Writes::Disk(self.file("scratch")),
        }
    }

    /// Where the root is attached on the host, seen by the container's process only.
    fn attach_point(&self) -> OsText {
        match (&self.request.root, self.writes()) {
            (Root::Directory(path), Writes::InPlace) => path.clone(),
            _ => self.file("rootfs"),
        }
    }

    /// Host steps: the directories that layers and the root need.
    pub(super) fn root_directories(&mut self) {
        if !self.request.namespaces.mount {
            return;
        }
        let writes = self.writes();
        if let Writes::Disk(path) | Writes::Memory(path) = &writes {
            self.linked_layers(path);
        }
        if self.attach_point() == self.file("rootfs") {
            self.host(Action::MakeDirectory { path: self.file("rootfs"), mode: 0o755 });
        }
        self.copied_layers();
        match writes {
            Writes::InPlace => {}
            Writes::Memory(path) => self.host(Action::MakeDirectory { path, mode: 0o700 }),
            Writes::Disk(path) => {
                let kept = matches!(self.request.overlay, Overlay::Kept(_));
                if kept {
                    self.host(Action::MakeSource { path: path.clone() });
                } else {
                    self.host(Action::MakeDirectory { path: path.clone(), mode: 0o755 });
                }
                for (name, mode) in self.layer_directories() {
                    let path = path.join(name);
                    self.host(if kept {
                        Action::MakeSource { path }
                    } else {
                        Action::MakeDirectory { path, mode }
                    });
                }
            }
        }
    }

    /// Names and modes of the directories below the scratch directory.
    pub(super) fn layer_directories(&self) -> Vec<(OsText, u32)> {
        match self.request.root {
            Root::Directory(_) | Root::Layers(_) => vec![("upper".into(), 0o755), ("work".into(), 0o700)],
            Root::Host => {
                let mut names = vec![("root".into(), 0o755)];
                for directory in self.layered() {
                    names.push((layer_name("upper", &directory), 0o755));
                    names.push((layer_name("work", &directory), 0o700));
                }
                names
            }
        }
    }

    /// Inside steps: makes and attaches the root; trees of the host that mounts need are cloned
    /// before, because the root may cover their paths.
    pub(super) fn mounted_root(&mut self, groups: &GroupSet) {
        // A clone of a shared mount is its peer only as long as the mounts are as the host has them.
        let sources = self.clone_sources(groups);
        self.inside(Action::IsolateMounts);
        match (self.request.root.clone(), self.writes()) {
            (Root::Directory(path), Writes::InPlace) => self.directory_root(path),
            (Root::Host, Writes::InPlace) => self.host_root(),
            (root, _) => {
                if self.shifts() {
                    self.attached_root();
                } else {
                    self.layered_root();
                }
                self.become_root();
                if root == Root::Host {
                    self.private_directories();
                }
            }
        }
        self.system_mounts(&sources);
        self.user_mounts(&sources);
        self.protect_system(&sources);
        if self.request.read_only {
            for (slot, path) in std::mem::take(&mut self.protected) {
                self.inside(Action::ProtectMount { slot, path });
            }
            self.inside(Action::ProtectRoot);
        }
        self.inside(Action::PivotRoot);
    }

    /// Without a mount namespace the root is only changed to.
    pub(super) fn bare_root(&mut self) {
        if let Root::Directory(path) = self.request.root.clone() {
            self.inside(Action::OpenRoot { path });
            self.become_root();
            self.inside(Action::ChangeRoot);
        }
    }

    fn become_root(&mut self) {
        if self.user_namespace {
            self.inside(Action::BecomeRoot);
        }
    }

    /// A directory, in place.
    fn directory_root(&mut self, path: OsText) {
        self.clone_tree(Slot::ROOT, path.clone(), self.root_attributes());
        self.inside(Action::AttachOutside { slot: Slot::ROOT, at: path });
        self.become_root();
    }

    /// What is below as one, and a layer of the container's own over it.
    pub(super) fn layered_root(&mut self) {
        let scratch = self.scratch(self.writes());
        match self.request.root.clone() {
            Root::Directory(path) => self.overlay_root(vec![path], None, &scratch),
            Root::Layers(layers) => {
                let (lower, base) = self.named_layers(&layers.folders, &scratch);
                self.overlay_root(lower, base, &scratch);
            }
            Root::Host => self.layered_host(&scratch),
        }
    }

    pub(super) fn root_attributes(&self) -> MountAttributes {
        if self.request.security.privileged { MountAttributes::default() } else { PLAIN }
    }

    /// A step that makes the root.
    fn root_step(&mut self, action: Action) {
        self.push(self.root_phase, action);
    }

    /// Says whether an overlay keeps its notes in attributes of a user: one of a user namespace may set no others.
    pub(super) fn user_attributes(&self) -> bool {
        self.user_namespace && !self.shifts()
    }

    fn overlay_root(&mut self, lower: Vec<OsText>, base: Option<OsText>, scratch: &OsText) {
        let (at, user_attributes) = (self.file("rootfs"), self.user_attributes());
        let (upper, work) = (scratch.join("upper"), scratch.join("work"));
        // A mount that is cloned later is not the root itself.
        let slot = Some(Slot::ROOT).filter(|_| !self.shifts());
        self.root_step(Action::MountOverlay { at, lower, base, upper, work, user_attributes, slot });
    }

    /// Attaches memory where layers are wanted in memory; returns the directory of the layers.
    fn scratch(&mut self, writes: Writes) -> OsText {
        let path = match writes {
            Writes::Disk(path) => path,
            Writes::Memory(path) => {
                let slot = self.slot();
                let options = vec![("mode".to_owned(), "0700".to_owned())];
                self.root_step(Action::NewFileSystem {
                    slot,
                    kind: "tmpfs".to_owned(),
                    options,
                    attributes: PLAIN,
                });
                self.root_step(Action::AttachOutside { slot, at: path.clone() });
                // A new file system has no room for ids that are not mapped.
                if self.user_attributes() {
                    self.inside(Action::BecomeRoot);
                }
                for (name, mode) in self.layer_directories() {
                    self.root_step(Action::MakePrivateDirectory { path: path.join(name), mode });
                }
                path
            }
            Writes::InPlace => self.file("scratch"),
        };
        self.given_layers(&path);
        path
    }

    /// The built-in image in memory, with the system directories in it.
    fn host_root(&mut self) {
        let system = self.clone_system();
        let mut options = vec![("mode".to_owned(), "0755".to_owned())];
        if self.user_namespace {
            // It is made by the caller, whose ids the container may not have.
            options.extend(["uid", "gid"].map(|name| (name.to_owned(), "0".to_owned())));
        }
        let kind = "tmpfs".to_owned();
        self.inside(Action::NewFileSystem { slot: Slot::ROOT, kind, options, attributes: PLAIN });
        self.inside(Action::AttachOutside { slot: Slot::ROOT, at: self.file("rootfs") });
        self.become_root();
        self.private_directories();
        for (name, slot) in system {
            let target = OsText::from("/").join(&name);
            self.attach(slot, target, TargetKind::Directory, Resolve::NoLinks);
        }
    }

    /// The built-in image: a private directory, with layers over the system directories in it.
    fn layered_host(&mut self, scratch: &OsText) {
        let rootfs = self.file("rootfs");
        self.clone_tree(Slot::ROOT, scratch.join("root"), PLAIN);
        self.root_step(Action::AttachOutside { slot: Slot::ROOT, at: rootfs.clone() });
        for directory in self.layered() {
            let at = rootfs.join(&directory);
            let lower = match self.mounts_below(&directory) {
                Some(_) => self.places.directory.join(layer_name("lower", &directory)),
                None => directory.clone(),
            };
            let layer = |kind| scratch.join(layer_name(kind, &directory));
            let (upper, work) = (layer("upper"), layer("work"));
            self.root_step(Action::MakePrivateDirectory { path: at.clone(), mode: 0o755 });
            let protected = self.request.read_only && !self.shifts();
            let slot = protected.then(|| self.slot());
            self.protected.extend(slot.map(|slot| (slot, OsText::from("/").join(&directory))));
            let (lower, user_attributes) = (vec![lower], self.user_attributes());
            self.root_step(Action::MountOverlay {
                at,
                lower,
                base: None,
                upper,
                work,
                user_attributes,
                slot,
            });
        }
    }

    fn clone_system(&mut self) -> Vec<(OsText, Slot)> {
        let names = self.machine.system.directories.clone();
        let mut system = Vec::with_capacity(names.len());
        for name in names {
            let slot = self.slot();
            self.clone_tree(slot, OsText::from("/").join(&name), READ_ONLY);
            system.push((name, slot));
        }
        system
    }

    /// The links and the directories of the image that are nobody else's.
    fn private_directories(&mut self) {
        for (name, target) in self.machine.system.links.clone() {
            let entry = containerv_spec::plan::Entry::Link { target };
            self.inside(Action::MakeEntry { slot: Slot::ROOT, name, entry });
        }
        for (name, mode) in PRIVATE_DIRECTORIES {
            let entry = containerv_spec::plan::Entry::Directory { mode };
            self.inside(Action::MakeEntry { slot: Slot::ROOT, name: name.into(), entry });
        }
        for (target, mode) in [("/tmp", "1777"), ("/run", "0755"), ("/var/tmp", "1777")] {
            let slot = self.slot();
            let options = vec![("mode".to_owned(), mode.to_owned())];
            let attributes = MountAttributes { nosuid: true, nodev: true, ..MountAttributes::default() };
            self.inside(Action::NewFileSystem { slot, kind: "tmpfs".to_owned(), options, attributes });
            self.attach(slot, target.into(), TargetKind::Directory, Resolve::NoLinks);
        }
    }

    /// Clones a tree of the host. In a user namespace only with what is mounted below: the kernel
    /// does not let a mount that came from outside be uncovered (mount_namespaces(7)).
    pub(super) fn clone_tree(&mut self, slot: Slot, source: OsText, attributes: MountAttributes) {
        let propagation = Propagation::Private;
        self.root_step(Action::CloneTree { slot, source, recursive: true, attributes, propagation });
    }

    pub(super) fn attach(&mut self, slot: Slot, target: OsText, create: TargetKind, resolve: Resolve) {
        self.inside(Action::Attach { slot, target, create, resolve });
    }
}
