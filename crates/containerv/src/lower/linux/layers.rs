//! The layers of a root, their names, and what stands in for directories that cannot be layers.

use containerv_spec::OsText;
use containerv_spec::machine::MountsBelow;
use containerv_spec::plan::Action;
use containerv_spec::request::{Overlay, Request, Root};

use super::Draft;

/// Says whether a container's root consists of layers.
pub(crate) fn has_layers(request: &Request) -> bool {
    match (&request.overlay, &request.root) {
        (Overlay::None, _) | (Overlay::Default, Root::Directory(_) | Root::Layers(_)) => false,
        (Overlay::Default, Root::Host) => !request.read_only,
        (Overlay::Container | Overlay::Kept(_) | Overlay::Memory, _) => true,
    }
}

/// Name of the layer of a directory of the built-in image, given by its path, such as
/// `upper-usr%2Flib`.
pub(crate) fn layer_name(kind: &str, directory: &OsText) -> OsText {
    let mut name = format!("{kind}-").into_bytes();
    let path = directory.as_bytes();
    for byte in path.strip_prefix(b"/").unwrap_or(path) {
        match byte {
            b'/' => name.extend_from_slice(b"%2F"),
            b'%' => name.extend_from_slice(b"%25"),
            _ => name.push(*byte),
        }
    }
    OsText::from_bytes(name)
}

/// The path of the directory that an upper layer belongs to: undoes [`layer_name`].
pub(crate) fn layer_directory(name: &[u8]) -> Option<OsText> {
    let mut rest = name.strip_prefix(b"upper-")?;
    let mut path = vec![b'/'];
    while let Some((first, tail)) = rest.split_first() {
        (path, rest) = match rest {
            [b'%', b'2', b'F', tail @ ..] => ([&path[..], b"/"].concat(), tail),
            [b'%', b'2', b'5', tail @ ..] => ([&path[..], b"%"].concat(), tail),
            _ => ([&path[..], &[*first]].concat(), tail),
        };
    }
    Some(OsText::from_bytes(path))
}

impl Draft<'_> {
    /// Host steps: copies of directories of the image that cannot be layers themselves.
    pub(super) fn copied_layers(&mut self) {
        if self.request.root != Root::Host {
            return;
        }
        for below in self.machine.mounts_below.iter().filter(|below| below.copied_without.is_some()) {
            self.notes.push(format!(
                "the container has a copy of `{}`: `{}` is mounted, and over mounts the kernel lets an ordinary user lay no overlay",
                below.directory, below.mount
            ));
            let path = self.places.directory.join(layer_name("lower", &below.directory));
            self.host(Action::CopyTree { below: below.clone(), path });
        }
    }

    /// Directories of the image that are layers, those in others behind them.
    pub(super) fn layered(&self) -> Vec<OsText> {
        let mut layered = Vec::new();
        for name in &self.machine.system.directories {
            let directory = OsText::from("/").join(name);
            let below = self.mounts_below(&directory).and_then(|below| below.copied_without.clone());
            layered.push(directory);
            layered.extend(below.unwrap_or_default());
        }
        layered
    }

    pub(super) fn mounts_below(&self, directory: &OsText) -> Option<&MountsBelow> {
        self.machine.mounts_below.iter().find(|below| below.directory == *directory)
    }
}
