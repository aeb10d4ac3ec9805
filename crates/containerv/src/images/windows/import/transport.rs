//! A layer in transport format: what `ImportLayer` takes.
//!
//! A file is its attributes and backup streams, under its own name; a directory has a companion file with its own.
//! Files of the registry are as they are.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};

use containerv_sys::windows::relative::{self, Times};

use super::BUFFER;
use super::folder::{Folder, failed};
use crate::backend::hcs::transfer::changes::COMPANION;
use crate::backend::hcs::transfer::reparse::Link;
use crate::images::windows::backup;
use crate::images::windows::facts::{DIRECTORY, Facts};
use crate::images::windows::path::{Part, Place};
use crate::images::windows::unpack::ContentOf;
use crate::{Error, Result};

pub(super) struct Transport {
    path: PathBuf,
    folder: Folder,
    /// The last file, which streams may follow.
    last: Option<Last>,
    buffer: Vec<u8>,
}

struct Last {
    place: Place,
    file: BufWriter<File>,
    times: Times,
}

impl Transport {
    /// In a new folder; what an earlier import left there is removed.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let made = |error| Error::io(error, format!("make `{}`", path.display()));
        if path.exists() {
            fs::remove_dir_all(path).map_err(made)?;
        }
        fs::create_dir(path).map_err(made)?;
        Ok(Self { path: path.to_owned(), folder: Folder::open(path)?, last: None, buffer: vec![0; BUFFER] })
    }

    pub(super) fn put<R: Read>(
        &mut self,
        place: &Place,
        (facts, descriptor, link): (&Facts, Option<&[u8]>, Option<&Link>),
        times: Times,
        content: &mut ContentOf<'_, R>,
    ) -> Result<()> {
        self.end_last()?;
        let is_directory = facts.attributes & DIRECTORY != 0 || link.is_some_and(|link| link.junction);
        let at = match is_directory {
            true => {
                self.folder.make(place, true)?;
                companion(place)
            }
            false => place.clone(),
        };
        let file = self.make_file(&at)?;
        let mut last = Last { place: place.clone(), file: BufWriter::with_capacity(BUFFER, file), times };
        let written = |error| failed(error, "write", place);
        if at.part != Part::Hives || at.names.is_empty() || is_directory {
            let reparse = link.and_then(Link::write);
            let before = backup::before_content(facts, descriptor, reparse.as_deref());
            last.file.write_all(&before).map_err(written)?;
            if link.is_none() && !is_directory {
                last.file.write_all(&backup::head(backup::DATA, content.size, None)).map_err(written)?;
            }
        }
        self.copy(&mut last, content)?;
        self.last = Some(last);
        Ok(())
    }

    /// The companion of one of the three trees lies beside it, where no member of a layer may be.
    fn make_file(&mut self, at: &Place) -> Result<File> {
        if at.names.is_empty() {
            let path = self.path.join(format!("{}{COMPANION}", at.part.name()));
            return File::create_new(&path)
                .map_err(|error| Error::io(error, format!("make `{}`", path.display())));
        }
        self.folder.make(at, false).map(File::from)
    }

    pub(super) fn stream<R: Read>(
        &mut self,
        place: &Place,
        name: &str,
        content: &mut ContentOf<'_, R>,
    ) -> Result<()> {
        let Some(mut last) = self.last.take() else {
            return Err(failed(std::io::ErrorKind::NotFound.into(), "find the file of a stream of", place));
        };
        let head = backup::head(backup::ALTERNATE, content.size, Some(name));
        last.file.write_all(&head).map_err(|error| failed(error, "write", place))?;
        self.copy(&mut last, content)?;
        self.last = Some(last);
        Ok(())
    }

    fn copy<R: Read>(&mut self, last: &mut Last, content: &mut ContentOf<'_, R>) -> Result<()> {
        let mut left = content.size;
        while left > 0 {
            let count = content.read(&mut self.buffer)?;
            last.file
                .write_all(&self.buffer[..count])
                .map_err(|error| failed(error, "write", &last.place))?;
            left -= count as u64;
        }
        Ok(())
    }

    /// The times of a file are those of the file that it is written in.
    fn end_last(&mut self) -> Result<()> {
        let Some(Last { place, file, times }) = self.last.take() else { return Ok(()) };
        let file = file.into_inner().map_err(|error| failed(error.into_error(), "write", &place))?;
        relative::set_times(file.as_handle(), &times, 0)
            .map_err(|error| failed(error, "set the times of", &place))
    }

    /// The folder, whole.
    pub(super) fn finish(mut self) -> Result<PathBuf> {
        self.end_last()?;
        Ok(self.path)
    }
}

/// The place of a directory's companion.
fn companion(place: &Place) -> Place {
    let mut companion = place.clone();
    if let Some(name) = companion.names.last_mut() {
        name.push_str(COMPANION);
    }
    companion
}
