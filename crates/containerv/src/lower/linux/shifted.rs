//! Layers of root's below a container with other ids: an overlay that root of the machine makes, over mounts that show
//! the files with the container's ids. The container gets a clone of it; mount_setattr(2), `MOUNT_ATTR_IDMAP`.

use containerv_spec::OsText;
use containerv_spec::plan::{Action, IdMaps, Phase, Shift, Slot};
use containerv_spec::request::{IdRange, Overlay, Root};

use super::Draft;
use super::root::Writes;
use crate::ErrorKind;

/// The id on the host that is root in the container.
fn root_of(ranges: &[IdRange]) -> u32 {
    ranges.iter().find(|range| range.inside == 0).map_or(0, |range| range.outside)
}

fn lies_in(path: &OsText, directory: &OsText) -> bool {
    let rest = path.as_bytes().strip_prefix(directory.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || directory.as_bytes() == b"/")
}

impl Draft<'_> {
    /// Says whether the layers belong to ids that the container does not have.
    pub(super) fn shifts(&self) -> bool {
        let own_mounts = self.request.namespaces.mount && self.writes() != Writes::InPlace;
        own_mounts && self.user_namespace && self.machine.is_privileged()
    }

    fn shifted_maps(&mut self) -> Option<IdMaps> {
        if self.shifts() { self.id_maps() } else { None }
    }

    /// Outer steps: makes the root, and clones it.
    pub(super) fn shifted_root(&mut self) {
        let Some(maps) = self.shifted_maps() else { return };
        self.shift(Shift::Begin { maps });
        for path in self.shifted_layers() {
            self.shift(Shift::Layer { path });
        }
        self.root_phase = Phase::Outer;
        self.layered_root();
        self.clone_tree(Slot::ROOT, self.file("rootfs"), self.root_attributes());
        self.root_phase = Phase::Inside;
        self.shift(Shift::End);
    }

    /// Inside steps: attaches the clone.
    pub(super) fn attached_root(&mut self) {
        let rootfs = self.file("rootfs");
        self.inside(Action::AttachOutside { slot: Slot::ROOT, at: rootfs.clone() });
        if self.request.root == Root::Host && self.request.read_only {
            for directory in self.layered() {
                let slot = self.slot();
                self.inside(Action::OpenHost { slot, path: rootfs.join(&directory) });
                self.protected.push((slot, OsText::from("/").join(&directory)));
            }
        }
    }

    /// Outer steps: the container's own layers belong to its root.
    pub(super) fn given_layers(&mut self, scratch: &OsText) {
        let Some(maps) = self.shifted_maps() else { return };
        let (uid, gid) = (root_of(&maps.uids), root_of(&maps.gids));
        for (name, _) in self.layer_directories() {
            // The work directory is the kernel's.
            if !name.as_bytes().starts_with(b"work") {
                self.shift(Shift::Give { path: scratch.join(name), uid, gid });
            }
        }
    }

    /// A layer is covered where it lies, with everything of its file system that lies below.
    pub(super) fn check_shifted(&mut self) {
        if !self.shifts() {
            return;
        }
        let mut own = vec![(self.places.directory.clone(), "the container's own directory")];
        if let Overlay::Kept(path) = &self.request.overlay {
            own.push((path.clone(), "its overlay"));
        }
        for layer in self.shifted_layers() {
            for (path, what) in own.iter().filter(|(path, _)| lies_in(path, &layer)) {
                self.problem(
                    ErrorKind::Unsupported,
                    format!("`--overlay` with mapped ids: {what}, `{path}`, lies in the layer `{layer}`"),
                    "use a directory beside it: another `--root` of `cv`, or another `--overlay`",
                );
            }
        }
    }

    /// The directories below the container's own layers.
    fn shifted_layers(&self) -> Vec<OsText> {
        match &self.request.root {
            Root::Directory(path) => vec![path.clone()],
            Root::Layers(layers) => layers.folders.clone(),
            Root::Host => self.layered(),
        }
    }

    fn shift(&mut self, step: Shift) {
        self.push(Phase::Outer, Action::Shift(step));
    }
}
