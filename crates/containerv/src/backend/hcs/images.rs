//! What the store of images needs of this system.

use std::fs;
use std::io;
use std::path::Path;

use containerv_sys::windows::version::Version;

use super::perform::make_private;
use super::system::System;
use crate::{Error, Result, images};

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
