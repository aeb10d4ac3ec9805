//! What the store of images needs of this system.

use std::fs;
use std::io;
use std::path::Path;

use containerv_sys::windows::version::Version;

use super::perform::make_private;
use super::system::System;
use crate::images::windows::destroy;
use crate::{Error, Result};

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

    /// Removes the directory of a layer. Its tree `fs` is the system's, who alone may remove all of it.
    pub(crate) fn remove_layer(&self, path: &Path) -> Result<()> {
        let tree = path.join("fs");
        if tree.is_dir() {
            destroy(&tree)?;
        }
        fs::remove_dir_all(path)
            .map_err(|error| Error::io(error, format!("cannot remove `{}`", path.display())))
    }

    /// The build of Windows.
    pub(crate) fn windows_build(&self) -> Option<u32> {
        Version::of_this_windows().ok().map(|version| version.build)
    }
}
