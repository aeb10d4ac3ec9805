//! What the store of images needs of this system.

use std::path::Path;

use containerv_spec::plan::IdMaps;

use super::System;
use super::probe;
use crate::Result;
use crate::lower::linux::automatic_maps;

impl System {
    /// Makes the directories that everything is in, private to the caller.
    pub(crate) fn make_roots(&self) -> Result<()> {
        self.store.make_roots()
    }

    /// Removes the tree of a layer. What subordinate ids of the caller own is removed by a process that has them.
    pub(crate) fn remove_layer(&self, path: &Path) -> Result<()> {
        self.remove_owned(path, layer_maps)
    }

    /// The build of Windows: there is none.
    pub(crate) fn windows_build(&self) -> Option<u32> {
        None
    }
}

/// The mappings of the user namespace that an ordinary user unpacks layers in.
fn layer_maps() -> Option<IdMaps> {
    let mut machine = probe::caller(None);
    if machine.is_privileged() {
        return None;
    }
    machine.subordinate = probe::subordinate(machine.uid);
    Some(automatic_maps(&machine))
}
