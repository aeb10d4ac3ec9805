//! Layers, the writable layer and what is mapped into the container.

use std::collections::BTreeSet;

use containerv_spec::hcs::system::{Layer, MappedPipe};
use containerv_spec::hcs::{Found, Text, path};
use containerv_spec::plan::hcs::{Call, Stage};
use containerv_spec::request::{Mount, MountSource, Overlay, Root};

use super::Draft;
use crate::ErrorKind::{InvalidArgument, Unsupported};

/// Most layers; an image has at most 127.
const MAX_LAYERS: usize = 127;
/// Most mounts.
const MAX_MOUNTS: usize = 400;

/// What is mapped.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    pub(super) directories: Vec<MappedPath>,
    pub(super) pipes: Vec<MappedPipe>,
}

/// A file or directory that is mapped.
#[derive(Debug)]
pub(super) struct MappedPath {
    pub(super) host: Text,
    pub(super) container: String,
    pub(super) read_only: bool,
}

/// What a mount leads from and to.
#[derive(Clone, Debug)]
pub(super) enum Ends {
    /// A file or directory: its path on the host, and in the container.
    Path { host: String, container: String },
    /// A named pipe.
    Pipe(MappedPipe),
}

impl Ends {
    /// Where it is seen in the container.
    pub(super) fn target(&self) -> String {
        match self {
            Self::Path { container, .. } => container.clone(),
            Self::Pipe(pipe) => format!(r"\\.\pipe\{}", pipe.container_pipe_name),
        }
    }
}

/// Reads the target of a mount, which may be a drive.
pub(super) fn in_container(text: &str) -> Result<String, path::PathProblem> {
    let drive = text.len() == 2 && text.ends_with(':');
    if drive { path::in_container(&format!("{text}\\")) } else { path::in_container(text) }
}

impl Draft<'_> {
    /// The read-only layers, topmost first; their GUIDs are asked for.
    pub(super) fn layers(&mut self) -> Vec<Layer> {
        self.check_overlay();
        let Root::Layers(layers) = &self.request.root else {
            let (message, hint) = match &self.request.root {
                Root::Directory(path) => (
                    format!(
                        "`--rootfs {path}`: what a directory is depends on what it holds, and nobody has looked"
                    ),
                    "plan it on Windows, or name the folders of the layers: `--layer TOP --layer BASE`",
                ),
                _ => (
                    "the image `host` is of this machine's Linux".to_owned(),
                    "name the folder of a Windows image's layer in its place, or `--layer TOP --layer BASE`",
                ),
            };
            self.problem(Unsupported, message, hint);
            return Vec::new();
        };
        if layers.folders.is_empty() || layers.folders.len() > MAX_LAYERS {
            let message =
                format!("`--layer`: {} layers, and there must be 1 to {MAX_LAYERS}", layers.folders.len());
            self.problem(InvalidArgument, message, "name the topmost layer first and the base layer last");
        }
        let mut names = BTreeSet::new();
        let mut found = Vec::new();
        for (number, folder) in (0..).zip(layers.folders.iter().take(MAX_LAYERS)) {
            let folder = match path::on_host(folder.to_str().unwrap_or_default()) {
                Ok(folder) => folder.trim_end_matches('\\').to_owned(),
                Err(problem) => {
                    let message = format!("`--layer {folder}`: {problem}");
                    self.problem(
                        InvalidArgument,
                        message,
                        "give the absolute path of a layer's folder on Windows",
                    );
                    continue;
                }
            };
            let name = folder.rsplit('\\').next().unwrap_or_default().to_owned();
            // The GUID follows from the last component alone.
            if name.is_empty() || name.ends_with(':') || !names.insert(name.to_lowercase()) {
                let message =
                    format!("`--layer {folder}`: another layer's folder has the same name, or it has none");
                self.problem(InvalidArgument, message, "each layer needs a folder of its own name");
            }
            let id = Found::LayerId(number);
            self.push(Stage::Create, Call::NameToGuid { name, found: id }, Vec::new());
            found.push(Layer { id: id.into(), path: folder });
        }
        found
    }

    fn check_overlay(&mut self) {
        if self.request.read_only {
            self.problem(
                Unsupported,
                "`--read-only`: Windows has no read-only root",
                "leave it out; map what has to stay unchanged with `:ro`",
            );
        }
        if !matches!(self.request.overlay, Overlay::Default | Overlay::Container) {
            self.problem(
                Unsupported,
                "`--overlay`: writes of a Windows container go to a layer of its own",
                "leave it out, or use `--overlay container`",
            );
        }
    }

    /// Makes the writable layer.
    pub(super) fn scratch(&mut self, layers: &[Layer]) {
        let layer = self.places.scratch();
        let call = Call::CreateSandboxLayer { layer: layer.clone(), parents: layers.to_vec() };
        self.push(Stage::Create, call, vec![Call::DestroyLayer { layer: layer.clone() }]);
        if let Some(bytes) = self.disk() {
            self.push(Stage::Create, Call::ExpandSandboxSize { layer: layer.clone(), bytes }, Vec::new());
            // Preparing a layer extends the volume as well; for Hyper-V it is never prepared here.
            if self.is_hyperv() {
                self.push(Stage::Create, Call::ExtendVolume { layer }, Vec::new());
            }
        }
    }

    /// Mounts the writable layer over the others; for Hyper-V the virtual machine does.
    pub(super) fn volume(&mut self, layers: &[Layer]) -> Option<Text> {
        if self.is_hyperv() {
            return None;
        }
        let layer = self.places.scratch();
        let undo = vec![Call::DeactivateLayer { layer: layer.clone() }];
        self.push(Stage::Start, Call::ActivateLayer { layer: layer.clone() }, undo);
        let call = Call::PrepareLayer { layer: layer.clone(), parents: layers.to_vec() };
        self.push(Stage::Start, call, vec![Call::UnprepareLayer { layer: layer.clone() }]);
        let found = Found::ScratchVolume;
        self.push(Stage::Start, Call::GetLayerMountPath { layer, found }, Vec::new());
        Some(found.into())
    }

    /// Files, directories and pipes of the host.
    pub(super) fn mounts(&mut self) -> Mapped {
        let mut mapped = Mapped::default();
        let mut targets = BTreeSet::new();
        let mounts = &self.request.mounts;
        if mounts.len() > MAX_MOUNTS {
            let message = format!("`--mount`: {} mounts are more than {MAX_MOUNTS}", mounts.len());
            self.problem(InvalidArgument, message, "map a directory that holds several of them");
        }
        for (number, mount) in (0..).zip(mounts.iter().take(MAX_MOUNTS)) {
            self.check_options(mount);
            let Some(ends) = self.ends(mount) else { continue };
            let target = ends.target();
            match ends {
                Ends::Path { host, container } => {
                    let found = Found::MountSource(number);
                    if mount.options.create_source {
                        self.push(Stage::Start, Call::MakeSource { path: host.clone() }, Vec::new());
                    }
                    self.push(Stage::Start, Call::ResolvePath { path: host, found }, Vec::new());
                    let path = MappedPath { host: found.into(), container, read_only: mount.read_only };
                    mapped.directories.push(path);
                }
                Ends::Pipe(pipe) => mapped.pipes.push(pipe),
            }
            if !targets.insert(target.to_lowercase()) {
                let message = format!("mount: `{target}` is the target of two mounts");
                self.problem(
                    InvalidArgument,
                    message,
                    "names that differ in case only are the same on Windows",
                );
            }
        }
        mapped
    }

    /// What a mount leads from and to, as Windows has it.
    pub(super) fn ends(&mut self, mount: &Mount) -> Option<Ends> {
        match &mount.source {
            MountSource::Bind { path, .. } => {
                // Both, so that all that is wrong is told.
                let (host, container) = (self.host_path(mount, path), self.target(mount));
                Some(Ends::Path { host: host?, container: container? })
            }
            MountSource::NamedPipe { path } => {
                self.pipe(mount, path.to_str().unwrap_or_default()).map(Ends::Pipe)
            }
            MountSource::Tmpfs { .. } | MountSource::FileSystem { .. } => {
                let message = format!("`--tmpfs {}`: Windows has no file system in memory", mount.target);
                self.problem(Unsupported, message, "map a directory, or write to the container's own disk");
                None
            }
        }
    }

    fn check_options(&mut self, mount: &Mount) {
        let options = &mount.options;
        let defaults = containerv_spec::request::MountOptions {
            create_target: options.create_target,
            create_source: options.create_source,
            ..Default::default()
        };
        if *options != defaults {
            self.problem(
                Unsupported,
                format!("mount at `{}`: of the options, Windows has `ro` only", mount.target),
                "leave the others out",
            );
        }
    }

    fn host_path(&mut self, mount: &Mount, source: &containerv_spec::OsText) -> Option<String> {
        match path::on_host(source.to_str().unwrap_or_default()) {
            Ok(path) => Some(path),
            Err(problem) => {
                let message = format!("mount at `{}`: source `{source}`: {problem}", mount.target);
                self.problem(InvalidArgument, message, "give an absolute path of the host, as `C:\\data`");
                None
            }
        }
    }

    /// Where it is mapped: a drive other than C, or below a drive.
    fn target(&mut self, mount: &Mount) -> Option<String> {
        let text = mount.target.to_str().unwrap_or_default();
        match in_container(text) {
            Ok(target) if target == "C:\\" => {
                let message = format!("mount: nothing may be mapped at `{text}`");
                self.problem(
                    InvalidArgument,
                    message,
                    "it is the container's own disk; choose a directory below",
                );
                None
            }
            Ok(target) => Some(target),
            Err(problem) => {
                let message = format!("mount: target `{}`: {problem}", mount.target);
                self.problem(InvalidArgument, message, "give a path with its drive, as `C:\\data`");
                None
            }
        }
    }

    fn pipe(&mut self, mount: &Mount, source: &str) -> Option<MappedPipe> {
        let target = mount.target.to_str().unwrap_or_default();
        let (Some(host), Some(container)) = (path::pipe_name(source), path::pipe_name(target)) else {
            self.problem(
                InvalidArgument,
                format!("mount: `{source}` to `{}`: not two named pipes", mount.target),
                r"write both as `\\.\pipe\NAME`",
            );
            return None;
        };
        if mount.read_only {
            let message = format!("mount: the pipe `{}` cannot be read-only", mount.target);
            self.problem(Unsupported, message, "leave `ro` out");
        }
        Some(MappedPipe { container_pipe_name: container, host_path: format!(r"\\.\pipe\{host}") })
    }
}
