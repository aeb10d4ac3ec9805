//! The layers of a root, their names, and what stands in for directories that cannot be layers.

use containerv_spec::OsText;
use containerv_spec::machine::MountsBelow;
use containerv_spec::plan::Action;
use containerv_spec::request::{Overlay, Request, Root};

use super::Draft;

/// Says whether a container's root consists of layers.
pub(crate) fn has_layers(request: &Request) -> bool {
    match (&request.overlay, &request.root) {
        (_, Root::Layers(_)) => true,
        (Overlay::None, _) | (Overlay::Default, Root::Directory(_)) => false,
        (Overlay::Default, Root::Host) => !request.read_only,
        (Overlay::Container | Overlay::Kept(_) | Overlay::Memory, _) => true,
    }
}

/// Most bytes of an overlay's options: mount(2) takes a page, with a NUL at its end.
const MAX_OPTIONS: usize = 4095;

/// Most layers of an overlay: the kernel's `OVL_MAX_STACK`.
pub(super) const MAX_LAYERS: usize = 500;

/// The option text of an overlay; kernel documentation, filesystems/overlayfs.
pub(crate) fn overlay_options(
    lower: &[OsText],
    upper: &OsText,
    work: &OsText,
    user_attributes: bool,
) -> Vec<u8> {
    let mut data = b"lowerdir=".to_vec();
    for (index, layer) in lower.iter().enumerate() {
        data.extend_from_slice(if index == 0 { b"" } else { b":" });
        data.extend_from_slice(layer.as_bytes());
    }
    data.extend_from_slice(b",upperdir=");
    data.extend_from_slice(upper.as_bytes());
    data.extend_from_slice(b",workdir=");
    data.extend_from_slice(work.as_bytes());
    if user_attributes {
        data.extend_from_slice(b",userxattr");
    }
    data
}

/// Says whether a path is read as another one among an overlay's options.
pub(super) fn has_separator(path: &OsText) -> bool {
    path.as_bytes().iter().any(|byte| matches!(byte, b',' | b':' | b'\\'))
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

    /// The layers of an image as the overlay gets them: by their paths, or, where these are too long together or
    /// have a separator, by the names of links in a directory.
    pub(super) fn named_layers(&self, folders: &[OsText], scratch: &OsText) -> (Vec<OsText>, Option<OsText>) {
        let (upper, work) = (scratch.join("upper"), scratch.join("work"));
        let plain = overlay_options(folders, &upper, &work, self.user_attributes()).len() <= MAX_OPTIONS;
        if plain && !folders.iter().any(has_separator) {
            return (folders.to_vec(), None);
        }
        let names = (0..folders.len()).map(|number| OsText::from(number.to_string()));
        (names.collect(), Some(self.file("layers")))
    }

    /// Host step: links to layers whose paths the overlay cannot take.
    pub(super) fn linked_layers(&mut self, scratch: &OsText) {
        let Root::Layers(layers) = &self.request.root else { return };
        if let (_, Some(path)) = self.named_layers(&layers.folders, scratch) {
            self.host(Action::LinkLayers { path, targets: layers.folders.clone() });
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
