//! A container's files as the archive of a layer.

use std::io::Write;
use std::os::fd::AsFd;

use containerv_spec::ContainerId;
use containerv_spec::request::Root;

use super::System;
use super::transfer;
use super::view::{layers, scratch_of};
use crate::copy::{CopyProgress, CopySummary};
use crate::images::layers::decode::Compression;
use crate::images::layers::encode::Encoded;
use crate::images::layers::pack::{Form, pack, write};
use crate::lower::linux::{SYSTEM_DIRECTORIES, mount_points};
use crate::{Error, ErrorKind, Result};

impl System {
    /// Packs what a container has changed.
    pub(crate) fn pack_changes(
        &self,
        id: &ContainerId,
        compression: Compression,
        sink: impl Write + Send,
    ) -> Result<(CopySummary, Encoded)> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        let layers = layers(&request, &directory.path, &scratch_of(&directory, &request)?)?;
        let [(lower, upper, _)] = &layers[..] else {
            let message = "it was made of the built-in image, whose changes are no layer";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let lower: Vec<_> = lower.iter().map(AsFd::as_fd).collect();
        let left_out = transfer::made_points(&lower, upper.as_fd(), &mount_points(&request))?;
        let maps = directory.journal()?.intent.maps;
        let (uids, gids) = maps.map_or_else(Default::default, |maps| (maps.uids, maps.gids));
        let root = transfer::Root { directory: upper.as_fd(), uids: &uids, gids: &gids };
        pack(&root, Form::Changes { left_out: &left_out }, compression, sink, None)
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
