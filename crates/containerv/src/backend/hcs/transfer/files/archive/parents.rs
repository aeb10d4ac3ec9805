//! The directories of the destination that members of an archive go into.

use std::os::windows::io::AsHandle;
use std::rc::Rc;

use super::super::make::{Directory, Making};
use super::super::mappings::again;
use super::super::node::Opened;
use super::super::obstacle::Obstacle;
use super::super::place::{open_below, resolve_directory};
use super::super::{Mappings, Root, Side};
use crate::backend::hcs::transfer::path::Name;

/// How many directories stay open: the members of one directory usually follow each other.
const OPEN: usize = 16;

/// A directory that members go into, and what may not be written in it.
pub(super) struct Parent {
    pub(super) opened: Opened,
    pub(super) mapped: Mappings,
}

/// Finds directories below the destination by the paths that an archive uses.
pub(super) struct Parents<'a> {
    /// None where links are not followed.
    root: Option<&'a Root>,
    side: Side<'a>,
    making: Making,
    top: Rc<Parent>,
    /// Where the destination really is.
    at: Vec<Name>,
    open: Vec<(Vec<Name>, Rc<Parent>)>,
}

/// A directory that was made because a member needed it.
pub(super) struct Implied {
    pub(super) names: Vec<Name>,
    pub(super) directory: Directory,
}

impl<'a> Parents<'a> {
    pub(super) fn new(
        root: Option<&'a Root>,
        side: Side<'a>,
        making: Making,
        (top, at): (Opened, Vec<Name>),
    ) -> Self {
        let mapped = Mappings::of(side, &at);
        Self { root, side, making, top: Rc::new(Parent { opened: top, mapped }), at, open: Vec::new() }
    }

    /// Opens the directory of these names; those that are missing are made and added to `implied`.
    ///
    /// A link that the container has among them is followed, inside the container.
    pub(super) fn find(
        &mut self,
        names: &[Name],
        implied: &mut Vec<Implied>,
    ) -> Result<Rc<Parent>, Obstacle> {
        if names.is_empty() {
            return Ok(self.top.clone());
        }
        if let Some(index) = self.open.iter().position(|(open, _)| open == names) {
            return Ok(self.open[index].1.clone());
        }
        let opened = match self.open(names)? {
            Some(opened) => Rc::new(opened),
            None => self.make(names, implied)?,
        };
        if self.open.len() == OPEN {
            self.open.remove(0);
        }
        self.open.push((names.to_vec(), opened.clone()));
        Ok(opened)
    }

    /// The same for a directory that has to be there; none if it is not.
    pub(super) fn find_existing(&mut self, names: &[Name]) -> Result<Option<Rc<Parent>>, Obstacle> {
        if names.is_empty() {
            return Ok(Some(self.top.clone()));
        }
        if let Some((_, open)) = self.open.iter().find(|(open, _)| open == names) {
            return Ok(Some(open.clone()));
        }
        Ok(self.open(names)?.map(Rc::new))
    }

    /// Opens a directory that is there.
    fn open(&self, names: &[Name]) -> Result<Option<Parent>, Obstacle> {
        let at = [&self.at[..], names].concat();
        let opened = open_below(&self.top.opened, names, self.making.backup);
        let Some(root) = self.root else {
            return Ok(opened?.map(|opened| Parent { opened, mapped: Mappings::default() }));
        };
        let found = match opened {
            // A component is a link, which may also be absolute, or mapped: begin at the root.
            _ if self.top.mapped.cover(names) => resolve_directory(root, &at)?,
            Err(Obstacle::NotDirectory) => resolve_directory(root, &at)?,
            opened => opened?.map(|opened| (opened, at)),
        };
        let Some((opened, at)) = found else { return Ok(None) };
        root.refuse_writes(&at)?;
        Ok(Some(Parent { opened, mapped: Mappings::of(self.side, &at) }))
    }

    /// Makes what is missing of a way, from the top down.
    fn make(&mut self, names: &[Name], implied: &mut Vec<Implied>) -> Result<Rc<Parent>, Obstacle> {
        // The nearest directory that exists is found from below: usually it is the last one.
        let mut depth = names.len() - 1;
        let mut at = loop {
            if depth == 0 {
                break self.top.clone();
            }
            if let Some(found) = self.open(&names[..depth])? {
                break Rc::new(found);
            }
            depth -= 1;
        };
        for end in depth..names.len() {
            let name = &names[end];
            let made = at.mapped.enter(self.making, at.opened.file.as_handle(), name, name)?;
            let again = again(&made, self.making)?;
            let mapped = at.mapped.inside(&names[end]);
            if made.new {
                implied.push(Implied { names: names[..=end].to_vec(), directory: made });
            }
            at = Rc::new(Parent { opened: again, mapped });
        }
        Ok(at)
    }
}
