//! Layers of Windows images to the folders that Windows makes containers of.
//!
//! A base layer is written into its folder file by file and then finished (`ProcessBaseImage`). Any other is written in
//! transport format into an empty folder beside it, of which `ImportLayer` makes the layer; what refers to
//! layers below, tombstones and hard links, is done in the layer afterwards, and times of directories last.

mod folder;
#[cfg(test)]
mod tests;
mod transport;
mod utility;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};

use containerv_sys::windows::library::Libraries;
use containerv_sys::windows::relative::{self, Access, How, Times};
use containerv_sys::windows::security::SecurityDescriptor;

use self::folder::{Folder, wide};
use self::transport::Transport;
use super::backup;
use super::check::Item;
use super::facts::{DIRECTORY, Facts, Security};
use super::path::{Part, Place};
use super::unpack::{ContentOf, Headers, Sink, walk};
use crate::archive::Member;
use crate::backend::hcs::transfer::reparse::Link;
use crate::backend::system::{Windows, privileged};
use crate::{Error, ErrorKind, Result};

/// The layers below, nearest first; as Docker has it.
const CHAIN: &str = "layerchain.json";
const BUFFER: usize = 256 << 10;

/// Makes a layer folder of a layer's archive without compression. `folder` must not exist, or be empty; `parents` are
/// the folders of the layers below, the topmost first, and none for a base layer.
///
/// # Errors
///
/// What [`super::unpack`] refuses; what the system says. Nothing is left then.
pub fn import(source: impl Read, folder: &Path, parents: &[PathBuf]) -> Result<()> {
    let windows = Windows::load(&Libraries::system32());
    let made = |error| Error::io(error, format!("make `{}`", folder.display()));
    let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty {
        fs::create_dir(folder).map_err(made)?;
    }
    let mut source = Some(source);
    let mut imported = None;
    let done = privileged(|| {
        imported = source.take().map(|source| Import::run(&windows, source, folder, parents));
        Ok(())
    });
    let result = done.map_err(|failure| failure.explain("import the layer")).and_then(|()| {
        imported.unwrap_or_else(|| Err(Error::new(ErrorKind::Other, "the layer was taken already")))
    });
    result.map_err(|error| match destroy(folder) {
        Ok(()) => error,
        Err(left) => error.with_hint(format!("`{}` is left behind: {left}", folder.display())),
    })
}

/// Removes a layer folder, whole or not, and what an import that was interrupted has left beside it.
///
/// # Errors
///
/// The system's.
pub fn destroy(folder: &Path) -> Result<()> {
    let transport = transport_of(folder);
    match fs::remove_dir_all(&transport) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io(error, format!("remove `{}`", transport.display())));
        }
        _ => {}
    }
    let windows = Windows::load(&Libraries::system32());
    windows
        .destroy_layer(folder)
        .map_err(|failure| failure.explain(&format!("remove the layer `{}`", folder.display())))
}

/// Where a layer is written in transport format before it is imported.
fn transport_of(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push("-transport");
    name.into()
}

struct Import<'a> {
    windows: &'a Windows,
    path: &'a Path,
    parents: &'a [PathBuf],
    layer: Folder,
    /// None for a base layer.
    transport: Option<Transport>,
    /// Directories in the layer's folder, parents first: they get their times last.
    directories: Vec<(Place, Times, u32)>,
    links: Vec<(Place, Place, bool)>,
    gone: Vec<Place>,
    own: HashSet<String>,
    has_utility: bool,
    buffer: Vec<u8>,
}

impl<'a> Import<'a> {
    fn run(windows: &'a Windows, source: impl Read, path: &'a Path, parents: &'a [PathBuf]) -> Result<()> {
        let transport = match parents.is_empty() {
            true => None,
            false => Some(Transport::new(&transport_of(path))?),
        };
        let mut import = Self {
            windows,
            path,
            parents,
            layer: Folder::open(path)?,
            transport,
            directories: Vec::new(),
            links: Vec::new(),
            gone: Vec::new(),
            own: HashSet::new(),
            has_utility: false,
            buffer: vec![0; BUFFER],
        };
        walk(source, parents.is_empty(), &mut import)?;
        import.finish()
    }

    fn failed(&self, failure: crate::backend::system::Failure) -> Error {
        failure.explain(&format!("make the layer `{}`", self.path.display()))
    }

    fn finish(mut self) -> Result<()> {
        let Some(transport) = self.transport.take() else {
            self.times()?;
            self.windows.process_base_image(self.path).map_err(|failure| self.failed(failure))?;
            return self.finish_utility();
        };
        let from = transport.finish()?;
        // Handles in the folders would be in the way.
        self.layer.forget();
        self.windows.import_layer(self.path, &from, self.parents).map_err(|failure| self.failed(failure))?;
        fs::remove_dir_all(&from)
            .map_err(|error| Error::io(error, format!("remove `{}`", from.display())))?;
        for place in std::mem::take(&mut self.gone) {
            // What this layer has itself is not what is gone.
            if !self.own.contains(&place.key()) {
                self.layer.remove(&place)?;
            }
        }
        for (place, target, own) in std::mem::take(&mut self.links) {
            self.layer.remove(&place)?;
            self.link(&place, &target, own)?;
        }
        self.times()?;
        self.finish_utility()?;
        self.write_chain()
    }

    fn finish_utility(&mut self) -> Result<()> {
        if !self.has_utility {
            return Ok(());
        }
        let folder = self.path.join(Part::UtilityVm.name());
        self.windows.process_utility_image(&folder).map_err(|failure| self.failed(failure))
    }

    /// Times of directories: those below first, because a change in one changes its own.
    fn times(&mut self) -> Result<()> {
        for (place, times, attributes) in std::mem::take(&mut self.directories).into_iter().rev() {
            let Some(directory) = self.layer.find(&place, Access::CHANGE)? else { continue };
            relative::set_times(directory.as_handle(), &times, attributes)
                .map_err(|error| folder::failed(error, "set the times of", &place))?;
        }
        Ok(())
    }

    fn write_chain(&self) -> Result<()> {
        let chain: Vec<String> = self.parents.iter().map(|parent| parent.display().to_string()).collect();
        let path = self.path.join(CHAIN);
        let text =
            serde_json::to_vec(&chain).map_err(|error| Error::new(ErrorKind::Other, error.to_string()))?;
        fs::write(&path, text).map_err(|error| Error::io(error, format!("write `{}`", path.display())))
    }

    /// Gives a file one more name; the other one may be of a layer below.
    fn link(&mut self, place: &Place, target: &Place, own: bool) -> Result<()> {
        let mut found = None;
        if own {
            found = self.layer.find(target, Access::CHANGE)?;
        } else {
            for parent in self.parents {
                found = Folder::open(parent)?.find(target, Access::CHANGE)?;
                if found.is_some() {
                    break;
                }
            }
        }
        let Some(found) = found else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the layer has a hard link `{place}` to `{target}`, which no layer below has"),
            ));
        };
        let (directory, name) = self.layer.parent(place)?;
        relative::hard_link(found.as_handle(), directory.as_handle(), &wide(name))
            .map_err(|error| folder::failed(error, "make the hard link", place))
    }

    /// Writes a file, directory or link into the layer's folder itself.
    fn write<R: Read>(
        &mut self,
        place: &Place,
        facts: &Facts,
        link: Option<&Link>,
        content: &mut ContentOf<'_, R>,
    ) -> Result<()> {
        let is_directory = facts.attributes & DIRECTORY != 0 || link.is_some_and(|link| link.junction);
        if !self.parents.is_empty() && !self.layer.make_room(place, is_directory && link.is_none())? {
            self.layer.remove(place)?;
        }
        let made = self.layer.make(place, is_directory)?;
        let file = File::from(made);
        let mut left = content.size;
        while left > 0 {
            let count = content.read(&mut self.buffer)?;
            (&file)
                .write_all(&self.buffer[..count])
                .map_err(|error| folder::failed(error, "write", place))?;
            left -= count as u64;
        }
        let extended = backup::extended(&facts.extended);
        if !extended.is_empty() {
            relative::set_extended(file.as_handle(), &extended)
                .map_err(|error| folder::failed(error, "give extended attributes to", place))?;
        }
        if let Some(data) = link.and_then(Link::write) {
            relative::set_reparse_data(file.as_handle(), &data)
                .map_err(|error| folder::failed(error, "make the link", place))?;
        }
        if let Some(descriptor) = descriptor(facts, place)? {
            relative::set_security_descriptor(file.as_handle(), &descriptor)
                .map_err(|error| folder::failed(error, "secure", place))?;
        }
        if is_directory {
            self.directories.push((place.clone(), times(facts), facts.attributes));
        }
        relative::set_times(file.as_handle(), &times(facts), facts.attributes)
            .map_err(|error| folder::failed(error, "set the times of", place))
    }

    fn stream<R: Read>(&mut self, place: &Place, name: &str, content: &mut ContentOf<'_, R>) -> Result<()> {
        let (directory, file) = self.layer.parent(place)?;
        let how = How { directory: None, ..How::new_file(Access::WRITE, true) };
        let stream = relative::open_stream(directory.as_handle(), &wide(file), &wide(name), how)
            .map_err(|error| folder::failed(error, "make a stream of", place))?;
        let mut stream = File::from(stream);
        let mut left = content.size;
        while left > 0 {
            let count = content.read(&mut self.buffer)?;
            stream.write_all(&self.buffer[..count]).map_err(|error| folder::failed(error, "write", place))?;
            left -= count as u64;
        }
        Ok(())
    }

    /// Where a member goes: the layer's folder, or the transport's.
    fn goes_to_transport(&self, place: &Place) -> bool {
        self.transport.is_some() && place.part != Part::UtilityVm
    }

    fn begin_utility(&mut self, place: &Place) -> Result<bool> {
        if place.part != Part::UtilityVm {
            return Ok(false);
        }
        let first = !std::mem::replace(&mut self.has_utility, true);
        if let Some(parent) = self.parents.first().filter(|_| first) {
            utility::clone(&Folder::open(parent)?, &mut self.layer)?;
        }
        // The clone has made it.
        Ok(place.names.is_empty() && !self.parents.is_empty())
    }
}

impl Sink for Import<'_> {
    fn take<R: Read>(
        &mut self,
        item: &Item,
        _member: &Member,
        _headers: Headers,
        content: &mut ContentOf<'_, R>,
    ) -> Result<()> {
        let place = match item {
            Item::Directory(place, _)
            | Item::File(place, _)
            | Item::Link(place, ..)
            | Item::Stream(place, _) => place,
            Item::HardLink { place, .. } | Item::Gone(place) => place,
        };
        if self.begin_utility(place)? {
            return Ok(());
        }
        let in_transport = self.goes_to_transport(place);
        match item {
            Item::Gone(place) if in_transport => {
                self.gone.push(place.clone());
                Ok(())
            }
            Item::Gone(place) => self.layer.remove(place),
            Item::HardLink { place, target, own } if in_transport => {
                self.own.insert(place.key());
                self.links.push((place.clone(), target.clone(), *own));
                Ok(())
            }
            Item::HardLink { place, target, .. } => {
                if !self.parents.is_empty() {
                    self.layer.remove(place)?;
                }
                // All of the virtual machine's files are in this layer's folder by now.
                self.link(place, target, true)
            }
            Item::Stream(place, name) => match self.transport.as_mut().filter(|_| in_transport) {
                Some(transport) => transport.stream(place, name, content),
                None => self.stream(place, name, content),
            },
            Item::Directory(place, facts) | Item::File(place, facts) => {
                self.put(place, facts, None, content, in_transport)
            }
            Item::Link(place, facts, link) => self.put(place, facts, Some(link), content, in_transport),
        }
    }
}

impl Import<'_> {
    fn put<R: Read>(
        &mut self,
        place: &Place,
        facts: &Facts,
        link: Option<&Link>,
        content: &mut ContentOf<'_, R>,
        in_transport: bool,
    ) -> Result<()> {
        let Some(transport) = self.transport.as_mut().filter(|_| in_transport) else {
            return self.write(place, facts, link, content);
        };
        let descriptor = descriptor(facts, place)?;
        transport.put(place, (facts, descriptor.as_deref(), link), times(facts), content)?;
        self.own.insert(place.key());
        if facts.attributes & DIRECTORY != 0 && link.is_none() {
            self.directories.push((place.clone(), times(facts), facts.attributes));
        }
        Ok(())
    }
}

fn times(facts: &Facts) -> Times {
    let times = facts.times;
    Times { created: times.created, accessed: times.accessed, modified: times.modified }
}

fn descriptor(facts: &Facts, place: &Place) -> Result<Option<Vec<u8>>> {
    match &facts.security {
        None => Ok(None),
        Some(Security::Raw(raw)) => Ok(Some(raw.clone())),
        Some(Security::Text(text)) => SecurityDescriptor::from_text(text)
            .map(|descriptor| Some(descriptor.to_bytes()))
            .map_err(|error| folder::failed(error, "read the security descriptor of", place)),
    }
}
