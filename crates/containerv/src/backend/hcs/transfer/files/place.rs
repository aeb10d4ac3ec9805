//! Finding what is copied and where to: on the host as the caller sees it, and in a container so that
//! no path leaves it.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::path::{Path, PathBuf};

use containerv_spec::OsText;
use containerv_sys::windows::relative::{self, Access, How};

use super::node::{Kind, Naming, Opened, look, naming};
use super::obstacle::Obstacle;
use super::{Root, mappings};
use crate::backend::hcs::transfer::failure::explain;
use crate::backend::hcs::transfer::path::{self, ContainerPath, Name, Step};
use crate::backend::hcs::transfer::reparse::Link;
use crate::backend::hcs::transfer::resolve::{self, Found, Last, Look, Lost, Stop};
use crate::{Error, ErrorKind, Result};

/// How many links of the host are followed at the end of a path.
const MOST_LINKS: usize = 63;

/// One end of a copy, as the caller named it.
#[derive(Clone, Copy)]
pub(super) enum Side<'a> {
    Host(&'a Path),
    Container(&'a Root, &'a OsText),
}

impl Side<'_> {
    /// Says whether files are opened with the privileges of backup programs: those of a container are,
    /// and on the host the caller's own rights decide.
    pub(super) fn backup(self) -> bool {
        matches!(self, Self::Container(..))
    }

    /// Names an entry below this side's path; `below` is in UTF-16.
    pub(super) fn name(self, below: &[u16]) -> String {
        let below = String::from_utf16_lossy(below);
        let path = match self {
            Self::Host(path) => path.to_string_lossy().into_owned(),
            Self::Container(_, path) => path.to_string(),
        };
        let joint = if below.is_empty() || path.ends_with(['\\', '/']) { "" } else { "\\" };
        match self {
            Self::Host(_) => format!("`{path}{joint}{below}`"),
            Self::Container(..) => format!("`{path}{joint}{below}` in the container"),
        }
    }

    fn refused(self, problem: impl std::fmt::Display, hint: &str) -> Error {
        let text = format!("the path {} is refused: {problem}", self.name(&[]));
        Error::new(ErrorKind::InvalidArgument, text).with_hint(hint)
    }

    fn failed(self, error: io::Error, step: &str) -> Error {
        explain(error, format!("{step} {}", self.name(&[])))
    }
}

/// What is to be copied.
pub(super) struct Source {
    pub(super) opened: Opened,
    /// Its name in a directory that it is copied into; empty when only its content is copied.
    pub(super) name: Name,
    /// Where it really is in the container.
    pub(super) at: Vec<Name>,
}

/// Where a copy goes.
pub(super) enum Destination {
    /// A directory that is there.
    Directory(Opened, Vec<Name>),
    /// A name in a directory.
    Name {
        parent: OwnedHandle,
        name: Name,
        /// Something other than a directory or link has the name.
        exists: bool,
        /// The path ended in a separator or `.`.
        asks_directory: bool,
        /// Where the directory really is in the container.
        at: Vec<Name>,
    },
}

/// A directory of a container, and where it is.
pub(crate) struct Inside {
    opened: Opened,
    at: Vec<Name>,
}

/// Names in directories of a container.
impl Look for Root {
    type Directory = Inside;
    type File = Opened;

    fn look(&self, directory: &Inside, name: &Name) -> io::Result<Found<Inside, Opened>> {
        let at = [&directory.at[..], std::slice::from_ref(name)].concat();
        let mapping = self
            .mapped
            .iter()
            .find(|mapping| mapping.names.len() == at.len() && mappings::begins_with(&at, &mapping.names));
        if let Some(mapping) = mapping {
            let opened = mapping.open(Access::LIST)?;
            return Ok(match opened.node.is_directory() {
                true => Found::Directory(Inside { opened, at }),
                false => Found::File(opened),
            });
        }
        let directory = &directory.opened;
        let Some(opened) = Opened::at(directory.file.as_handle(), name, look(true))? else {
            return Ok(Found::Nothing);
        };
        if path::is_short(name)
            && let Naming::Short(actual) = naming(directory.file.as_handle(), name)?
        {
            let text = format!(
                "it is the short name of `{}`, which is to be used",
                String::from_utf16_lossy(&actual)
            );
            return Err(io::Error::other(text));
        }
        Ok(match &opened.node.kind {
            Kind::Directory => Found::Directory(Inside { opened: to_list(opened)?, at }),
            Kind::Link(link) => {
                let target = link.lead(self.volume());
                Found::Link(opened, target)
            }
            _ => Found::File(opened),
        })
    }
}

/// The same directory, to open what is in it: through its filter, if it has one.
fn to_list(opened: Opened) -> io::Result<Opened> {
    let file = opened.reopen(How { through: true, ..How::directory(Access::LIST, true) })?;
    Ok(Opened { file, node: opened.node })
}

fn explain_lost(side: Side<'_>, lost: Lost) -> Error {
    let at = format!("`C:\\{}` in the container", path::display(&lost.at));
    match lost.stop {
        Stop::System(error) => explain(error, format!("open {at}")),
        Stop::Missing => {
            Error::new(ErrorKind::NotFound, format!("open {}: there is no {at}", side.name(&[])))
                .with_hint("the directory must exist; make it first, or check the name")
        }
        Stop::NotDirectory => Error::new(
            ErrorKind::InvalidArgument,
            format!("open {}: {at} is not a directory", side.name(&[])),
        ),
        Stop::Link(refusal) => {
            let text = format!("open {}: the link {at} is not followed: {refusal}", side.name(&[]));
            Error::new(ErrorKind::InvalidArgument, text)
                .with_hint("links are followed inside of the container only")
        }
        Stop::Endless => {
            let text = format!("open {}: links lead in a circle at {at}", side.name(&[]));
            Error::new(ErrorKind::InvalidArgument, text)
        }
    }
}

type Place = resolve::Place<Inside, Opened>;

fn walk(side: Side<'_>, root: &Root, path: &ContainerPath, follow: bool) -> Result<(Place, Inside)> {
    let top = top(root).map_err(|error| side.failed(error, "open"))?;
    let way = path.names.iter().cloned().map(Step::Down);
    let place = resolve::resolve(root, &top, way, follow).map_err(|lost| explain_lost(side, lost))?;
    Ok((place, top))
}

fn top(root: &Root) -> io::Result<Inside> {
    Ok(Inside { opened: root.open()?, at: Vec::new() })
}

fn parse<'a>(side: Side<'a>, text: &OsText) -> Result<ContainerPath> {
    path::parse(text).map_err(|refusal| side.refused(refusal, refusal.hint()))
}

/// Finds the source of a copy. A path that ends in `\.`, in `..` or is the root means the content
/// of the directory; one that ends in a separator must be a directory.
pub(super) fn find_source(side: Side<'_>, follow: bool) -> Result<Source> {
    match side {
        Side::Host(path) => find_host_source(side, path, follow),
        Side::Container(root, text) => {
            let path = parse(side, text)?;
            let (mut place, top) = walk(side, root, &path, follow || path.asks_directory)?;
            let mut at: Vec<Name> = place.directories.iter().map(|(name, _)| name.clone()).collect();
            let opened = match place.last {
                Last::Directory => place.directories.pop().map_or(top, |(_, directory)| directory).opened,
                Last::File(..) if path.asks_directory => return Err(no_directory(side)),
                Last::File(name, file) | Last::Link(name, file) => {
                    at.push(name);
                    file
                }
                Last::Missing(_) => {
                    let text = format!("find {}: no such file or directory", side.name(&[]));
                    return Err(Error::new(ErrorKind::NotFound, text)
                        .with_hint("paths in a container begin at its drive `C:`; check the name"));
                }
            };
            let name = path.names.last().filter(|_| !path.content).cloned().unwrap_or_default();
            Ok(Source { opened, name, at })
        }
    }
}

fn no_directory(side: Side<'_>) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("open {}: it is not a directory", side.name(&[])))
}

/// Says what the end of a path of the host asks for: a directory, and only its content.
fn ending(path: &Path) -> (bool, bool) {
    const DOT: u16 = b'.' as u16;
    let separator = |unit: &u16| matches!(u8::try_from(*unit), Ok(b'\\' | b'/'));
    let text: Vec<u16> = path.as_os_str().encode_wide().collect();
    let last = text.rsplit(separator).next().unwrap_or_default();
    let content = path.file_name().is_none() || last == [DOT];
    (content || last.is_empty(), content)
}

fn wide(text: &OsStr) -> Name {
    text.encode_wide().collect()
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn check_host(side: Side<'_>, path: &Path) -> Result<()> {
    let text = path.as_os_str();
    if text.is_empty() || text.encode_wide().any(|unit| unit == 0) {
        return Err(side.refused("it is empty or has a NUL", "give the path of a file"));
    }
    Ok(())
}

fn find_host_source(side: Side<'_>, path: &Path, follow: bool) -> Result<Source> {
    check_host(side, path)?;
    let (asks_directory, content) = ending(path);
    let name = path.file_name().filter(|_| !content).map(wide).unwrap_or_default();
    let how = look(false);
    let opened = if follow || asks_directory {
        relative::open_path(path, Access::LOOK).and_then(Opened::led_to)
    } else {
        relative::open_path(parent_of(path), Access::LIST)
            .and_then(|parent| relative::open(parent.as_handle(), &name, how))
            .and_then(|file| Opened::of(file, how))
    };
    let opened = opened.map_err(|error| side.failed(error, "find"))?;
    if asks_directory && !opened.node.is_directory() {
        return Err(no_directory(side));
    }
    Ok(Source { opened, name, at: Vec::new() })
}

/// Finds the destination of a copy; links are followed to what they name, even if that is not there
/// yet.
pub(super) fn find_destination(side: Side<'_>) -> Result<Destination> {
    match side {
        Side::Host(path) => find_host_destination(side, path),
        Side::Container(root, text) => {
            let path = parse(side, text)?;
            let (mut place, top) = walk(side, root, &path, true)?;
            let at: Vec<Name> = place.directories.iter().map(|(name, _)| name.clone()).collect();
            let current = place.directories.pop().map_or(top, |(_, directory)| directory).opened;
            let asks_directory = path.asks_directory;
            let name = match &place.last {
                Last::Directory => &[][..],
                Last::File(name, _) | Last::Link(name, _) | Last::Missing(name) => std::slice::from_ref(name),
            };
            let refused = root.refuse_writes(&[&at, name].concat());
            refused.map_err(|obstacle| obstacle.into_error("", &side.name(&[])))?;
            let (parent, name, exists) = match place.last {
                Last::Directory => return Ok(Destination::Directory(current, at)),
                Last::File(name, _) | Last::Link(name, _) => (current.file, name, true),
                Last::Missing(name) => (current.file, name, false),
            };
            Ok(Destination::Name { parent, name, exists, asks_directory, at })
        }
    }
}

fn find_host_destination(side: Side<'_>, path: &Path) -> Result<Destination> {
    check_host(side, path)?;
    let asks_directory = ending(path).0;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if path.is_dir() {
            let opened = relative::open_path(&path, Access::LIST).and_then(Opened::led_to);
            let opened = opened.map_err(|error| side.failed(error, "open the directory"))?;
            return Ok(Destination::Directory(opened, Vec::new()));
        }
        let Some(name) = path.file_name().map(wide) else {
            return Err(side.failed(io::Error::from_raw_os_error(3), "open the directory"));
        };
        path::check(&name).map_err(|problem| side.refused(problem, "choose another name"))?;
        let parent = relative::open_path(parent_of(&path), Access::LIST).map_err(|error| {
            let error = explain(error, format!("open the directory `{}`", parent_of(&path).display()));
            error.with_hint("the directory of the destination must exist; make it first")
        })?;
        let found = Opened::at(parent.as_handle(), &name, look(false));
        match found.map_err(|error| side.failed(error, "look at"))? {
            Some(Opened { node, .. }) if matches!(node.kind, Kind::Link(_)) => {
                let Kind::Link(link) = &node.kind else { continue };
                path = aim(parent_of(&path), link);
            }
            found => {
                let exists = found.is_some();
                return Ok(Destination::Name { parent, name, exists, asks_directory, at: Vec::new() });
            }
        }
    }
    Err(side.refused("links lead in a circle", "choose another name"))
}

/// Writes the path that a link of the host in `parent` names.
fn aim(parent: &Path, link: &Link) -> PathBuf {
    let text = std::ffi::OsString::from_wide(&link.target);
    match text.to_str().and_then(|text| text.strip_prefix(r"\??\")) {
        // What is raw in the kernel's words is raw in those of Win32 too.
        Some(rest) => PathBuf::from(format!(r"\\?\{rest}")),
        None => parent.join(text),
    }
}

/// Opens a directory below another one by names of which none may be a link.
pub(super) fn open_below(top: &Opened, names: &[Name], backup: bool) -> Result<Option<Opened>, Obstacle> {
    let how = How::open(Access::LIST, backup);
    let failed = |error| Obstacle::System("open the directory of", error);
    let mut at: Option<Opened> = None;
    for name in names {
        let from = at.as_ref().unwrap_or(top);
        match Opened::at(from.file.as_handle(), name, how).map_err(failed)? {
            Some(found) if found.node.is_directory() => at = Some(found),
            Some(_) => return Err(Obstacle::NotDirectory),
            None => return Ok(None),
        }
    }
    match at {
        Some(found) => Ok(Some(found)),
        None => {
            let file = top.reopen(How::directory(Access::LIST, backup)).map_err(failed)?;
            Ok(Some(Opened { file, node: top.node.clone() }))
        }
    }
}

/// Opens the directory at these names from the root, through links inside of it; none if it is not there.
pub(super) fn resolve_directory(
    root: &Root,
    names: &[Name],
) -> Result<Option<(Opened, Vec<Name>)>, Obstacle> {
    let failed = |error| Obstacle::System("open the directory of", error);
    let top = top(root).map_err(failed)?;
    let way = names.iter().cloned().map(Step::Down);
    match resolve::resolve(root, &top, way, true) {
        Ok(mut place) => match place.last {
            Last::Directory => {
                let at = place.directories.iter().map(|(name, _)| name.clone()).collect();
                Ok(Some((place.directories.pop().map_or(top, |(_, directory)| directory).opened, at)))
            }
            Last::Missing(_) => Ok(None),
            Last::File(..) | Last::Link(..) => Err(Obstacle::NotDirectory),
        },
        Err(Lost { stop: Stop::Missing, .. }) => Ok(None),
        Err(Lost { stop: Stop::System(error), .. }) => Err(failed(error)),
        Err(Lost { stop: Stop::NotDirectory, .. }) => Err(Obstacle::NotDirectory),
        Err(Lost { stop: Stop::Link(refusal), .. }) => {
            Err(failed(io::Error::other(format!("a link on the way is not followed: {refusal}"))))
        }
        Err(Lost { stop: Stop::Endless, .. }) => {
            Err(failed(io::Error::other("links on the way lead in a circle")))
        }
    }
}

/// Says whether a link in the directory at these names leads to a directory of the container.
pub(super) fn leads_to_directory(root: &Root, directory: &[Name], link: &Link) -> bool {
    let Ok(target) = link.lead(root.volume()) else { return false };
    let Ok(top) = top(root) else { return false };
    let start = if target.from_root { &[][..] } else { directory };
    let way = start.iter().cloned().map(Step::Down).chain(target.steps);
    let place = resolve::resolve(root, &top, way, true);
    place.is_ok_and(|place| matches!(place.last, Last::Directory))
}
