//! What a container changed, read from the upper directory of its overlay.
//!
//! overlayfs(5) in the kernel's documentation (filesystems/overlayfs) gives the marks: a character
//! device 0:0 is a whiteout, and an extended attribute `overlay.opaque` of value `y`, in the
//! namespace `trusted` or `user`, hides what lower layers have below a directory.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use containerv_spec::OsText;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::listing::Listing;
use super::node::Node;
use super::place::open_below;
use crate::copy::{Change, ChangeKind};
use crate::{Error, ErrorKind, Result};

const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Lists what differs between the layers in `lower`, the topmost first, and those under `upper`,
/// sorted by path. A directory above a change counts as modified, as with `docker diff`. What of `points` was
/// only made to be mounted on is no difference; see [`made_points`].
///
/// # Errors
///
/// What cannot be read; a directory that was renamed with `redirect_dir=on`, whose content is not
/// where its name is.
pub(crate) fn changes(
    lower: &[BorrowedFd<'_>],
    upper: BorrowedFd<'_>,
    points: &[OsText],
) -> Result<Vec<Change>> {
    let all = (0..lower.len()).collect();
    let mut pending = vec![Directory { path: Vec::new(), lower: all, opaque: false }];
    let points = made_points(lower, upper, points)?;
    let mut comparison = Comparison { lower, upper, points, found: BTreeMap::new() };
    while let Some(directory) = pending.pop() {
        comparison.compare(&directory, &mut pending).map_err(|errno| {
            let path = OsText::from("/").join(&directory.path);
            match errno {
                Errno::XDEV => Error::new(
                    ErrorKind::Unsupported,
                    format!("compare `{path}`: it was renamed on an overlay with `redirect_dir=on`"),
                )
                .with_hint("mount the overlay with `redirect_dir=off`"),
                _ => Error::os(errno.raw_os_error(), format!("compare `{path}` with the image")),
            }
        })?;
    }
    comparison.add_parents();
    let absolute = |path: Vec<u8>| OsText::from("/").join(path);
    let changes = comparison.found.into_iter().map(|(path, kind)| Change { path: absolute(path), kind });
    Ok(changes.collect())
}

/// A directory of the upper layer.
struct Directory {
    path: Vec<u8>,
    /// Which lower layers have it and are not hidden by those above them.
    lower: Vec<usize>,
    /// Nothing of the lower layers shows through.
    opaque: bool,
}

struct Comparison<'a> {
    lower: &'a [BorrowedFd<'a>],
    upper: BorrowedFd<'a>,
    /// Mount points that were made in the upper layer.
    points: Vec<Vec<u8>>,
    found: BTreeMap<Vec<u8>, ChangeKind>,
}

/// What the lower layers together have under a name.
struct Below {
    node: Option<Node>,
    /// The layers whose directories are merged there, if it is a directory.
    layers: Vec<usize>,
}

impl Comparison<'_> {
    fn compare(&mut self, directory: &Directory, pending: &mut Vec<Directory>) -> Result<(), Errno> {
        let upper = match open_to_read(self.upper, &directory.path) {
            // It was removed, or replaced by a file, since its parent was listed.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            opened => opened?,
        };
        let mut lower = Vec::new();
        for &layer in &directory.lower {
            lower.push((layer, open_to_read(self.lower[layer], &directory.path)?));
        }
        let opaque = directory.opaque || has_mark(&upper, "opaque")?;
        if !directory.opaque && has_mark(&upper, "redirect")? {
            return Err(Errno::XDEV);
        }
        for_each_entry(&upper, |name| {
            let Some(node) = look(&upper, name)? else { return Ok(()) };
            let path = join(&directory.path, name);
            let below = find_below(&lower, name)?;
            self.note(path, &node, below, opaque, pending);
            Ok(())
        })?;
        if opaque {
            self.note_hidden(&directory.path, &upper, &lower)?;
        }
        Ok(())
    }

    fn note(&mut self, path: Vec<u8>, node: &Node, below: Below, opaque: bool, pending: &mut Vec<Directory>) {
        let kind = match (&below.node, is_whiteout(node)) {
            (None, true) => return,
            (Some(_), true) => ChangeKind::Deleted,
            (None, false) => ChangeKind::Added,
            (Some(_), false) => ChangeKind::Modified,
        };
        let both = node.is_directory() && below.node.as_ref().is_some_and(Node::is_directory);
        if node.is_directory() {
            let layers = if both { below.layers } else { Vec::new() };
            pending.push(Directory { path: path.clone(), lower: layers, opaque });
        }
        // A directory is in the upper layer as soon as anything below it is.
        let same = below.node.is_some_and(|lower| both && self.is_same_directory(&path, node, &lower));
        if !same && !self.points.contains(&path) {
            self.found.insert(path, kind);
        }
    }

    /// Compares attributes. A mount point that was made in the directory has changed its time.
    fn is_same_directory(&self, path: &[u8], node: &Node, lower: &Node) -> bool {
        let attributes = |node: &Node| (node.mode, node.uid, node.gid);
        let has_point = || self.points.iter().any(|point| parent_and_name(point).0 == path);
        attributes(node) == attributes(lower) && (node.modified == lower.modified || has_point())
    }

    /// Notes what an opaque directory hides of the layers under it.
    fn note_hidden(&mut self, path: &[u8], upper: &OwnedFd, lower: &[(usize, OwnedFd)]) -> Result<(), Errno> {
        for (_, layer) in lower {
            for_each_entry(layer, |name| {
                if look(upper, name)?.is_none() && find_below(lower, name)?.node.is_some() {
                    self.found.insert(join(path, name), ChangeKind::Deleted);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn add_parents(&mut self) {
        let changed: Vec<_> = self.found.keys().cloned().collect();
        for mut path in changed {
            while let Some(cut) = path.iter().rposition(|&byte| byte == b'/') {
                path.truncate(cut);
                if self.found.contains_key(&path) {
                    break;
                }
                self.found.insert(path.clone(), ChangeKind::Modified);
            }
        }
    }
}

fn open_to_read(layer: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let directory = open_below(layer, path)?;
    rustix::fs::openat(&directory, c".", READ, Mode::empty())
}

fn for_each_entry(
    directory: &OwnedFd,
    mut visit: impl FnMut(&CStr) -> Result<(), Errno>,
) -> Result<(), Errno> {
    rustix::fs::seek(directory, rustix::fs::SeekFrom::Start(0))?;
    let mut listing = Listing::new();
    while listing.read(directory.as_fd())? {
        for index in 0..listing.len() {
            let Some((name, _)) = listing.entry(index) else { break };
            visit(name)?;
        }
    }
    Ok(())
}

fn look(directory: &OwnedFd, name: &CStr) -> Result<Option<Node>, Errno> {
    match Node::at(directory, name) {
        Ok(node) => Ok(Some(node)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Looks a name up in layers as overlayfs does: the topmost that has it decides.
fn find_below(layers: &[(usize, OwnedFd)], name: &CStr) -> Result<Below, Errno> {
    let mut below = Below { node: None, layers: Vec::new() };
    for (layer, directory) in layers {
        let Some(node) = look(directory, name)? else { continue };
        if is_whiteout(&node) || (below.node.is_some() && !node.is_directory()) {
            break;
        }
        let is_directory = node.is_directory();
        below.node.get_or_insert(node);
        if !is_directory {
            break;
        }
        below.layers.push(*layer);
        if has_mark(rustix::fs::openat(directory, name, READ, Mode::empty())?.as_fd(), "opaque")? {
            break;
        }
    }
    Ok(below)
}

pub(crate) fn is_whiteout(node: &Node) -> bool {
    node.kind == FileType::CharacterDevice && node.device == 0
}

/// Returns which of these absolute paths are mount points that the container's start made in its upper layer, as
/// paths below the root: nothing is in them, and no lower layer has them. While the container ran, nobody could
/// write there.
///
/// # Errors
///
/// What cannot be read.
pub(crate) fn made_points(
    lower: &[BorrowedFd<'_>],
    upper: BorrowedFd<'_>,
    points: &[OsText],
) -> Result<Vec<Vec<u8>>> {
    let mut made = Vec::new();
    for point in points {
        let path = point.as_bytes().strip_prefix(b"/").unwrap_or(point.as_bytes());
        let was_made = || Ok(is_hollow(upper, path)? && !exists_in_any(lower, path)?);
        let failed =
            |errno: Errno| Error::os(errno.raw_os_error(), format!("look for the mount point `{point}`"));
        if was_made().map_err(failed)? {
            made.push(path.to_vec());
        }
    }
    Ok(made)
}

fn is_hollow(layer: BorrowedFd<'_>, path: &[u8]) -> Result<bool, Errno> {
    match node_at(layer, path)? {
        Some(node) if node.is_directory() => {
            let mut is_empty = true;
            for_each_entry(&open_to_read(layer, path)?, |_| {
                is_empty = false;
                Ok(())
            })?;
            Ok(is_empty)
        }
        Some(node) => Ok(node.kind == FileType::RegularFile && node.size == 0),
        None => Ok(false),
    }
}

fn exists_in_any(layers: &[BorrowedFd<'_>], path: &[u8]) -> Result<bool, Errno> {
    for &layer in layers {
        if node_at(layer, path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn node_at(layer: BorrowedFd<'_>, path: &[u8]) -> Result<Option<Node>, Errno> {
    let (parent, name) = parent_and_name(path);
    match open_below(layer, parent) {
        Ok(directory) => look(&directory, &CString::new(name).map_err(|_| Errno::INVAL)?),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn parent_and_name(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// Says whether overlayfs marked a directory; `opaque` counts only with the value `y`, because `x`
/// means that it holds whiteouts of another kind.
pub(crate) fn has_mark(directory: impl AsFd + Copy, mark: &str) -> Result<bool, Errno> {
    let mut value = [0u8; 256];
    for namespace in ["trusted", "user"] {
        let name = format!("{namespace}.overlay.{mark}");
        match rustix::fs::fgetxattr(directory, name, &mut value) {
            Ok(count) if mark != "opaque" || &value[..count] == b"y" => return Ok(true),
            Ok(_) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(Errno::RANGE) => return Ok(mark != "opaque"),
            Err(errno) => return Err(errno),
        }
    }
    Ok(false)
}

fn join(path: &[u8], name: &CStr) -> Vec<u8> {
    let slash = if path.is_empty() { &b""[..] } else { b"/" };
    [path, slash, name.to_bytes()].concat()
}
