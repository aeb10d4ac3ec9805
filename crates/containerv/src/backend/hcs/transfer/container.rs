//! The files of a container, wherever it is in its life.

use std::path::Path;

use containerv_spec::{ContainerId, OsText};

use crate::backend::hcs::system::System;
use crate::copy::{Change, CopyOptions, CopySummary};
use crate::{Error, ErrorKind, Result};

fn missing<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, "not offered on Windows yet"))
}

impl System {
    pub(crate) fn upload(
        &self,
        _id: &ContainerId,
        _from: &Path,
        _to: &OsText,
        _options: &CopyOptions,
    ) -> Result<CopySummary> {
        missing()
    }

    pub(crate) fn download(
        &self,
        _id: &ContainerId,
        _from: &OsText,
        _to: &Path,
        _options: &CopyOptions,
    ) -> Result<CopySummary> {
        missing()
    }

    pub(crate) fn upload_tar(
        &self,
        _id: &ContainerId,
        _archive: impl std::io::Read,
        _to: &OsText,
        _options: &CopyOptions,
    ) -> Result<CopySummary> {
        missing()
    }

    pub(crate) fn download_tar(
        &self,
        _id: &ContainerId,
        _from: &OsText,
        _archive: impl std::io::Write,
        _options: &CopyOptions,
    ) -> Result<CopySummary> {
        missing()
    }

    pub(crate) fn changes(&self, _id: &ContainerId) -> Result<Vec<Change>> {
        missing()
    }

    pub(crate) fn disk_usage(&self, _id: &ContainerId) -> Result<u64> {
        missing()
    }
}
