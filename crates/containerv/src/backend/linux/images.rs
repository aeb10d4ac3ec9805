//! What the store of images needs of this system.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use containerv_spec::plan::IdMaps;
use containerv_sys::linux::stage::wire::op;

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

impl System {
    /// The ids that an ordinary user may give to files of layers; none for root, who may give all, and for who has
    /// no others.
    pub(crate) fn subordinate_maps(&self) -> Option<IdMaps> {
        layer_maps().filter(|maps| maps.helpers.is_some())
    }

    /// Gives files below a directory their owners, as root of a user namespace with these mappings.
    pub(crate) fn give_owners(
        &self,
        maps: &IdMaps,
        records: BorrowedFd<'_>,
        directory: BorrowedFd<'_>,
    ) -> io::Result<()> {
        self.run_mapped(maps, &[records, directory], |program| {
            let number = |fd: BorrowedFd<'_>| fd.as_raw_fd() as u64;
            program.op(4, op::OWNERS).int(number(records)).int(number(directory));
        })
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
