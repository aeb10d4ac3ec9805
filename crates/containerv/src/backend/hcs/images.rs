//! What the store of images needs of this system.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use containerv_spec::ContainerId;
use containerv_sys::windows::version::Version;

use super::perform::make_private;
use super::system::System;
use crate::copy::CopySummary;
use crate::images::layers::decode::Compression;
use crate::images::layers::encode::{Encoded, encode};
use crate::{Error, ErrorKind, Result, images};

impl System {
    /// Makes the directory that everything is in, private to the caller.
    pub(crate) fn make_roots(&self) -> Result<()> {
        let root = self.store().data();
        match make_private(root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::io(error, format!("cannot make the state directory `{}`", root.display()))
                    .with_hint("choose another with `--root DIR` or CONTAINERV_ROOT"))
            }
            _ => Ok(()),
        }
    }

    /// Removes the directory of a layer. What is in the layer's own folder is often nobody's to remove, but for the
    /// service.
    pub(crate) fn remove_layer(&self, path: &Path) -> Result<()> {
        let failed = |error| Error::io(error, format!("cannot remove `{}`", path.display()));
        let mut destroyed = Ok(());
        for entry in fs::read_dir(path).map_err(failed)?.flatten() {
            if entry.path().is_dir() {
                destroyed = destroyed.and(images::windows::destroy(&entry.path()));
            }
        }
        match fs::remove_dir_all(path) {
            Ok(()) => Ok(()),
            Err(error) => destroyed.and(Err(failed(error))),
        }
    }

    /// The build of Windows.
    pub(crate) fn windows_build(&self) -> Option<u32> {
        Version::of_this_windows().ok().map(|version| version.build)
    }
}

impl System {
    /// Packs what a container has changed.
    pub(crate) fn pack_changes(
        &self,
        id: &ContainerId,
        compression: Compression,
        sink: impl Write + Send,
    ) -> Result<(CopySummary, Encoded)> {
        encode(sink, compression, |feed| self.write_changes(id, feed))
    }

    /// Packs all files of a container: an image of Windows begins with a base layer that Microsoft has made, and its
    /// archive cannot be had from its folder.
    pub(crate) fn pack_root(
        &self,
        _: &ContainerId,
        _: Compression,
        _: impl Write + Send,
    ) -> Result<(CopySummary, Encoded)> {
        let message = "it was made of folders of layers, whose archives nobody has, and not of an image";
        Err(Error::new(ErrorKind::Unsupported, message).with_hint(
            "make a container of an image (`cv pull` or `cv load` brings its base), or take the files with `cv export`",
        ))
    }
}
