//! The virtual machine of a layer begins as that of the layer below.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, OwnedHandle};

use containerv_sys::windows::relative::{self, Access, DIRECTORY, How, Information, Listing};

use super::folder::{Folder, failed, is_reparse_point, wide};
use crate::images::windows::path::{Part, Place};
use crate::{Error, ErrorKind, Result};

/// Files that finishing a virtual machine changes, so that they are copied: the boot configuration.
const CHANGED: [&str; 4] = ["BCD", "BCD.LOG", "BCD.LOG1", "BCD.LOG2"];
const BOOT: [&str; 4] = ["FILES", "EFI", "MICROSOFT", "BOOT"];

/// Clones the tree `UtilityVM\Files`: files as further names of the same ones.
pub(super) fn clone(from: &Folder, to: &mut Folder) -> Result<()> {
    let mut from = Cloning { from, to, times: Vec::new() };
    from.run()
}

struct Cloning<'a> {
    from: &'a Folder,
    to: &'a mut Folder,
    times: Vec<(Place, Information)>,
}

impl Cloning<'_> {
    fn run(&mut self) -> Result<()> {
        let top = Place { part: Part::UtilityVm, names: Vec::new() };
        self.to.make(&top, true)?;
        let files = Place { part: Part::UtilityVm, names: vec!["Files".into()] };
        let mut source = Folder::sharing(self.from);
        if source.directory(&files)?.is_none() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the layer changes the virtual machine of the layer below, which has none",
            ));
        }
        let mut pending = vec![files];
        while let Some(place) = pending.pop() {
            let Some(directory) = source.directory(&place)? else { continue };
            let read = |error| failed(error, "read", &place);
            let made = self.to.make(&place, true)?;
            same_security(directory.as_handle(), made.as_handle()).map_err(read)?;
            self.times.push((place.clone(), relative::information(directory.as_handle()).map_err(read)?));
            let mut listing = Listing::default();
            loop {
                let entries = listing.read(directory.as_handle()).map_err(read)?;
                if entries.is_empty() {
                    break;
                }
                for entry in entries {
                    let mut below = place.clone();
                    below.names.push(
                        String::from_utf16(&entry.name)
                            .map_err(|_| read(io::ErrorKind::InvalidFilename.into()))?,
                    );
                    let how = How::open(Access::READ.and(Access::CHANGE).and(Access::READ_SECURITY), true);
                    let opened = relative::open(directory.as_handle(), &entry.name, how).map_err(read)?;
                    let is_link = is_reparse_point(opened.as_handle()).map_err(read)?;
                    match entry.attributes & DIRECTORY != 0 && !is_link {
                        true => pending.push(below),
                        false => self
                            .file(&opened, &below, is_link)
                            .map_err(|error| failed(error, "clone", &below))?,
                    }
                }
            }
        }
        for (place, information) in self.times.drain(..).rev() {
            if let Some(directory) = self.to.find(&place, Access::CHANGE)? {
                relative::set_times(directory.as_handle(), &information.times, information.attributes)
                    .map_err(|error| failed(error, "set the times of", &place))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &OwnedHandle, place: &Place, is_link: bool) -> io::Result<()> {
        let (directory, name) = self.to.parent(place).map_err(io::Error::other)?;
        if !is_link && !is_changed(place) {
            return relative::hard_link(from.as_handle(), directory.as_handle(), &wide(name));
        }
        let information = relative::information(from.as_handle())?;
        let is_directory = information.attributes & DIRECTORY != 0;
        let to = File::from(self.to.make(place, is_directory).map_err(io::Error::other)?);
        match is_link {
            true => relative::set_reparse_data(to.as_handle(), &relative::reparse_data(from.as_handle())?)?,
            false => _ = io::copy(&mut &File::from(from.try_clone()?), &mut &to)?,
        }
        same_security(from.as_handle(), to.as_handle())?;
        relative::set_times(to.as_handle(), &information.times, information.attributes)
    }
}

fn same_security(
    from: std::os::windows::io::BorrowedHandle<'_>,
    to: std::os::windows::io::BorrowedHandle<'_>,
) -> io::Result<()> {
    let from = relative::reopen(from, How::open(Access::READ_SECURITY.and(Access::LOOK), true))?;
    relative::set_security_descriptor(to, &relative::security_descriptor(from.as_handle())?)
}

fn is_changed(place: &Place) -> bool {
    let folded: Vec<String> = place.names.iter().map(|name| name.to_uppercase()).collect();
    let Some((name, above)) = folded.split_last() else { return false };
    above == BOOT && CHANGED.contains(&&name[..])
}
