//! A container's files as the archive of a layer.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use containerv_spec::ContainerId;
use containerv_spec::request::Root;

use super::System;
use super::transfer;
use super::view::scratch_of;
use crate::copy::{CopyProgress, CopySummary};
use crate::images::layers::decode::Compression;
use crate::images::layers::encode::Encoded;
use crate::images::layers::pack::{Form, pack, write};
use crate::lower::linux::SYSTEM_DIRECTORIES;
use crate::{Error, Result};

impl System {
    /// Packs what a container has changed.
    pub(crate) fn pack_changes(
        &self,
        id: &ContainerId,
        compression: Compression,
        sink: impl Write + Send,
    ) -> Result<(CopySummary, Encoded)> {
        let directory = self.directory(id)?;
        let upper = scratch_of(&directory, &directory.request()?)?.join("upper");
        let upper = File::open(&upper)
            .map_err(|error| Error::io(error, format!("cannot open the changes in `{}`", upper.display())))?;
        let maps = directory.journal()?.intent.maps;
        let (uids, gids) = maps.map_or_else(Default::default, |maps| (maps.uids, maps.gids));
        let root = transfer::Root { directory: upper.as_fd(), uids: &uids, gids: &gids };
        pack(&root, Form::Changes, compression, sink, None)
    }

    /// Packs all files of a container.
    pub(crate) fn pack_root(
        &self,
        id: &ContainerId,
        compression: Compression,
        sink: impl Write + Send,
    ) -> Result<(CopySummary, Encoded)> {
        let view = self.view(id)?;
        pack(&view.root(), self.whole(id)?, compression, sink, None)
    }

    /// Writes all files of a container as an archive.
    pub(crate) fn export_root(
        &self,
        id: &ContainerId,
        sink: impl Write,
        progress: Option<CopyProgress>,
    ) -> Result<CopySummary> {
        let view = self.view(id)?;
        write(&view.root(), self.whole(id)?, sink, progress)
    }

    /// What belongs to the root: the built-in image is made of mounts, others have mounts only in them.
    fn whole(&self, id: &ContainerId) -> Result<Form<'static>> {
        let request = self.directory(id)?.request()?;
        Ok(Form::Whole { mounts: if request.root == Root::Host { &SYSTEM_DIRECTORIES[..] } else { &[] } })
    }
}
