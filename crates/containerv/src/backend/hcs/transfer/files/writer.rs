//! Writing one entry of a tree to the destination.

use std::fs::File;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};

use containerv_sys::windows::relative::{self, Access, How, Information, Times};

use super::content::{self, BUFFER, Extent};
use super::make::{self, Making};
use super::node::{Node, Opened};
use super::obstacle::Obstacle;
use super::place::open_below;
use super::walk::Item;
use crate::backend::hcs::transfer::path::Name;
use crate::backend::transfer::{Links, Meter};
use crate::copy::CopyOptions;

const BACKSLASH: u16 = b'\\' as u16;

/// What holds for all entries of one copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) making: Making,
    pub(super) extent: Extent,
}

/// Writes entries and counts them.
pub(super) struct Writer {
    pub(super) rules: Rules,
    pub(super) meter: Meter,
    links: Links,
    buffer: Vec<u8>,
}

impl Writer {
    pub(super) fn new(rules: Rules, options: &CopyOptions) -> Self {
        let meter = Meter::new(options.progress.clone());
        Self { rules, meter, links: Links::default(), buffer: vec![0; BUFFER] }
    }

    /// Writes an entry under `name` in `parent`, as one more name of an earlier one if it is that.
    /// `path` is its path below `top`.
    pub(super) fn put(
        &mut self,
        top: &Opened,
        parent: BorrowedHandle<'_>,
        name: &Name,
        path: &[u16],
        (item, node): (&Item, &Node),
    ) -> Result<(), Obstacle> {
        if node.information.links < 2 || !matches!(item, Item::File(_)) {
            return self.write(parent, name, item, node).map(drop);
        }
        if self.link(top, parent, name, node)? {
            return Ok(());
        }
        let written = self.write(parent, name, item, node)?;
        let stat = |error| Obstacle::System("look at", error);
        let id = relative::information(written.as_handle()).map_err(stat)?.id;
        let path = path.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        match self.links.remember(node.id(), node.information.links.into(), path, id) {
            true => Ok(()),
            false => Err(Obstacle::Links),
        }
    }

    /// Makes a hard link to the first copy of this file; false if there is none to link to.
    fn link(
        &mut self,
        top: &Opened,
        parent: BorrowedHandle<'_>,
        name: &Name,
        node: &Node,
    ) -> Result<bool, Obstacle> {
        let Some(first) = self.links.first(node.id()) else { return Ok(false) };
        let units: Vec<u16> =
            first.path.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
        let mut names: Vec<Name> = units.split(|unit| *unit == BACKSLASH).map(<[u16]>::to_vec).collect();
        let Some(first_name) = names.pop() else { return Ok(false) };
        let making = self.rules.making;
        let Ok(Some(directory)) = open_below(top, &names, making.backup) else { return Ok(false) };
        let how = How::open(Access::CHANGE, making.backup);
        let found = Opened::at(directory.file.as_handle(), &first_name, how).ok().flatten();
        let Some(found) = found.filter(|found| found.node.id() == first.id) else { return Ok(false) };
        if !make::hard_link(making, &found, parent, name)? {
            return Ok(false);
        }
        self.links.met(node.id());
        self.meter.entry(|summary| &mut summary.files);
        Ok(true)
    }

    fn write(
        &mut self,
        parent: BorrowedHandle<'_>,
        name: &Name,
        item: &Item,
        node: &Node,
    ) -> Result<OwnedHandle, Obstacle> {
        let making = self.rules.making;
        let to = match item {
            Item::File(_) => make::file(making, parent, name)?,
            Item::Link(link, _) => make::link(making, parent, name, link, node.is_directory_link())?,
        };
        let (written, to) = self.fill(item, node, to);
        if let Err(obstacle) = written {
            // Half a file under the full name would be taken for the whole.
            let _ = relative::remove(to.as_handle());
            return Err(obstacle);
        }
        let is_file = matches!(item, Item::File(_));
        self.meter.entry(|summary| if is_file { &mut summary.files } else { &mut summary.symlinks });
        Ok(to)
    }

    fn fill(&mut self, item: &Item, node: &Node, to: OwnedHandle) -> (Result<(), Obstacle>, OwnedHandle) {
        let to = File::from(to);
        let mut copied = Ok(());
        if let Item::File(from) = item {
            let (extent, buffer, meter) = (self.rules.extent, &mut self.buffer, &mut self.meter);
            copied = content::copy(from, node, &to, extent, buffer, meter);
        }
        let finished =
            copied.and_then(|()| finish(self.rules, item.handle(), to.as_handle(), &node.information));
        (finished, to.into())
    }
}

/// Gives a written file, link or directory the attributes of its source.
pub(super) fn finish(
    rules: Rules,
    from: BorrowedHandle<'_>,
    to: BorrowedHandle<'_>,
    information: &Information,
) -> Result<(), Obstacle> {
    if rules.making.security {
        let descriptor = relative::security_descriptor(from).map_err(Obstacle::Owner)?;
        relative::set_security_descriptor(to, &descriptor).map_err(Obstacle::Owner)?;
    }
    stamp(to, &information.times, information.attributes)
}

/// Sets times and attributes, which everything else changes.
pub(super) fn stamp(to: BorrowedHandle<'_>, times: &Times, attributes: u32) -> Result<(), Obstacle> {
    let set = relative::set_times(to, times, attributes);
    set.map_err(|error| Obstacle::System("set times and attributes of", error))
}
