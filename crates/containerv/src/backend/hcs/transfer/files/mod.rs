//! Copies between the host and a container's files, confined to the container's root.
//!
//! The container's side is never named by a path that the system resolves: each component is opened by
//! the handle of its directory and as what it is itself, and links are followed by our own resolver,
//! which knows no way out of the root. A process in the container that swaps directories for junctions
//! while we copy makes us fail or copy something else of the container, never anything of the host.
//! Nothing of the container is executed or loaded.
//!
//! Rules of `docker cp` hold: a directory that exists is copied into, a source that ends in `\.` means
//! its content, and the directory of the destination must exist. Directories that are there already
//! keep their attributes and times.

mod archive;
mod content;
mod make;
mod mappings;
mod node;
mod obstacle;
mod place;
mod plain;
mod tree;
mod walk;
mod writer;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::path::Path;
use std::time::{Duration, SystemTime};

use containerv_spec::OsText;
use containerv_sys::windows::relative::{self, Access, How};
use containerv_sys::windows::token::{self, Privilege};
use serde::{Deserialize, Serialize};

pub(crate) use self::archive::relay;
pub(crate) use self::mappings::Mapping;

use self::archive::{Below, Subject};
use self::content::Extent;
use self::make::{Directory, Making};
use self::mappings::{Mappings, begins_with};
use self::node::{Kind, Opened};
use self::obstacle::Obstacle;
use self::place::{Destination, Side, Source};
use self::tree::Into;
use self::walk::{Item, Reading};
use self::writer::{Rules, Writer};
use crate::backend::hcs::transfer::path::Name;
use crate::backend::hcs::transfer::time;
use crate::copy::{CopyOptions, CopySummary, SkipReason};
use crate::{Error, ErrorKind, Result};

/// What file systems count time by: the clock of Windows ticks every 16 ms.
const TICK: Duration = Duration::from_millis(20);

/// A container's drive `C:` as the host, or the container itself, reaches it.
#[derive(Debug)]
pub(crate) struct Root {
    directory: OwnedHandle,
    /// `Volume{GUID}`, if it is one.
    volume: Option<String>,
    mapped: Vec<Mapping>,
}

impl Root {
    /// Opens a root directory. `mapped` is what the container sees in the place of its own files.
    pub(crate) fn open_at(path: &Path, mapped: Vec<Mapping>) -> io::Result<Self> {
        let text = path.to_string_lossy();
        let volume = text.strip_prefix(r"\\?\").map(|volume| volume.trim_end_matches('\\'));
        let volume = volume.filter(|volume| volume.starts_with("Volume{") && !volume.contains('\\'));
        Ok(Self {
            directory: relative::open_path(path, Access::LIST)?,
            volume: volume.map(str::to_owned),
            mapped,
        })
    }

    fn volume(&self) -> Option<&str> {
        self.volume.as_deref()
    }

    /// The root directory, once more.
    fn open(&self) -> io::Result<Opened> {
        let how = How::directory(Access::LIST, true);
        relative::reopen(self.directory.as_handle(), how).and_then(Opened::led_to)
    }

    /// Refuses to write at a path that is, or is below, something mapped that is not to be written.
    fn refuse_writes(&self, at: &[Name]) -> Result<(), Obstacle> {
        let around = self.mapped.iter().filter(|mapping| begins_with(at, &mapping.names));
        match around.max_by_key(|mapping| mapping.names.len()) {
            None => Ok(()),
            Some(mapping) => mapping.refuse_writes(),
        }
    }
}

/// Copies a file or tree of the host into the container.
///
/// # Errors
///
/// The path that failed and what the system said. What was copied before stays.
pub(crate) fn upload(root: &Root, from: &Path, to: &OsText, options: &CopyOptions) -> Result<CopySummary> {
    privileged(options, || copy(Side::Host(from), Side::Container(root, to), options))
        .map_err(|error| error.context(format!("upload `{}` to `{to}`", from.display())))
}

/// Copies a file or tree of the container to the host.
///
/// # Errors
///
/// The path that failed and what the system said. What was copied before stays.
pub(crate) fn download(root: &Root, from: &OsText, to: &Path, options: &CopyOptions) -> Result<CopySummary> {
    privileged(options, || copy(Side::Container(root, from), Side::Host(to), options))
        .map_err(|error| error.context(format!("download `{from}` to `{}`", to.display())))
}

/// Unpacks a tar stream into a directory of the container that exists.
///
/// Names in the archive are below that directory, leading slashes cut off; the target of a hard
/// link is too. Links that the container has among a member's parents are followed inside the
/// container.
///
/// # Errors
///
/// An archive that is damaged, that has names which Windows reads as something else, or whose members
/// differ in upper and lower case alone: the member is named, and those before it stay.
pub(crate) fn upload_tar(
    root: &Root,
    archive: impl Read,
    to: &OsText,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let side = Side::Container(root, to);
    let below = Below { side, prefix: Vec::new(), plain: false };
    let unpack = || {
        let (top, at) = match place::find_destination(side)? {
            Destination::Directory(top, at) => (top, at),
            Destination::Name { .. } => {
                let text = format!("{} is no directory", side.name(&[]));
                return Err(Error::new(ErrorKind::NotFound, text)
                    .with_hint("an archive is unpacked into a directory that exists"));
            }
        };
        archive::extract(archive, (top, at), below, rules(side, options), options)
    };
    privileged(options, unpack).map_err(|error| error.context(format!("upload an archive to `{to}`")))
}

/// Writes a file or tree of the container as a tar stream (POSIX pax format).
///
/// Members are named after the last component of `from`, or `.` if that means the content of a
/// directory.
///
/// # Errors
///
/// The path that failed, or that the stream did; what was written before is an incomplete archive.
pub(crate) fn download_tar(
    root: &Root,
    from: &OsText,
    archive: impl Write,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let pack = || {
        let departure = Departure::of(Side::Container(root, from), options)?;
        let name = departure.source.name.clone();
        departure.pack(archive, &name, options)
    };
    privileged(options, pack).map_err(|error| error.context(format!("download `{from}` as an archive")))
}

/// A source that was found, to be packed.
pub(crate) struct Departure<'a> {
    side: Side<'a>,
    source: Source,
}

impl<'a> Departure<'a> {
    /// Finds a file or tree of the host.
    pub(crate) fn of_host(path: &'a Path, options: &CopyOptions) -> Result<Self> {
        Self::of(Side::Host(path), options)
    }

    fn of(side: Side<'a>, options: &CopyOptions) -> Result<Self> {
        let source = place::find_source(side, options.follow_links || options.plain)?;
        if options.plain && source.opened.node.kind != Kind::File {
            let text = format!("{} is not a regular file", side.name(&[]));
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Ok(Self { side, source })
    }

    /// Its name in a directory that it is copied into, and whether it is a directory.
    pub(crate) fn arrival(&self) -> Arrival {
        let name = String::from_utf16_lossy(&self.source.name);
        Arrival { name, is_directory: self.source.opened.node.is_directory() }
    }

    /// Writes it as an archive whose members begin with `.`.
    pub(crate) fn pack_content(self, archive: impl Write, options: &CopyOptions) -> Result<CopySummary> {
        self.pack(archive, &Name::new(), options)
    }

    fn pack(self, archive: impl Write, name: &Name, options: &CopyOptions) -> Result<CopySummary> {
        let Self { side, source } = self;
        let mapped = Mappings::of(side, &source.at);
        let reading = Reading { from: side, mapped: &mapped, security: options.keep_owner };
        let failed = |obstacle: Obstacle| obstacle.into_error(&side.name(&[]), "the archive");
        let subject = if source.opened.node.is_directory() {
            Subject::Tree(open_directory(reading, &source.opened).map_err(failed)?)
        } else {
            let item = open_single(reading, source).map_err(failed)?;
            Subject::Entry(item.map_err(|reason| {
                let text = format!("{}: {reason}", side.name(&[]));
                Error::new(ErrorKind::InvalidArgument, text)
            })?)
        };
        archive::pack(archive, reading, name, subject, options)
    }
}

/// What an archive whose members begin with `.` is the copy of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// Its name in a directory that it is copied into; empty when only the content of a directory is
    /// copied.
    pub(crate) name: String,
    pub(crate) is_directory: bool,
}

/// Writes a file or tree of a container as an archive whose members begin with `.`, after `head` was told
/// whether it is a directory.
///
/// # Errors
///
/// As [`download_tar`].
pub(crate) fn send_from_container<W: Write>(
    root: &Root,
    from: &OsText,
    mut archive: W,
    head: impl FnOnce(&mut W, bool) -> io::Result<()>,
    options: &CopyOptions,
) -> Result<CopySummary> {
    privileged(options, || {
        let departure = Departure::of(Side::Container(root, from), options)?;
        let told = head(&mut archive, departure.arrival().is_directory);
        told.map_err(|error| Error::io(error, "write the archive"))?;
        departure.pack_content(archive, options)
    })
}

/// Makes the copy of what was packed, at a path of a container.
///
/// # Errors
///
/// As [`upload`] and [`upload_tar`].
pub(crate) fn receive_in_container(
    root: &Root,
    archive: impl Read,
    arrival: &Arrival,
    to: &OsText,
    options: &CopyOptions,
) -> Result<CopySummary> {
    privileged(options, || receive(Side::Container(root, to), archive, arrival, options))
}

/// Makes the copy of what was packed, at a path of the host. Links that the archive makes are not followed.
///
/// # Errors
///
/// As [`download`] and [`upload_tar`].
pub(crate) fn receive_on_host(
    archive: impl Read,
    arrival: &Arrival,
    to: &Path,
    options: &CopyOptions,
) -> Result<CopySummary> {
    privileged(options, || receive(Side::Host(to), archive, arrival, options))
}

fn receive(
    to: Side<'_>,
    archive: impl Read,
    arrival: &Arrival,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let destination = place::find_destination(to)?;
    if options.plain && !matches!(destination, Destination::Name { asks_directory: false, .. }) {
        return Err(plain::directory_refused(to));
    }
    let name: Name = arrival.name.encode_utf16().collect();
    let Aim { parent, at, name, .. } = Aim::at(to, destination, &name, arrival.is_directory)?;
    let prefix = if name.is_empty() { Vec::new() } else { vec![name] };
    let below = Below { side: to, prefix, plain: options.plain };
    archive::extract(archive, (parent, at), below, rules(to, options), options)
}

/// Runs a copy with the privileges of backup programs where the caller has them: a container's files
/// belong to its own users. To keep owners takes them.
fn privileged<T>(options: &CopyOptions, run: impl FnOnce() -> Result<T>) -> Result<T> {
    const NOT_HELD: i32 = 1300;
    let mut run = Some(run);
    let mut once = || match run.take() {
        Some(run) => run(),
        None => Err(Error::new(ErrorKind::Other, "the copy was begun twice")),
    };
    match token::with_privileges(&[Privilege::Backup, Privilege::Restore], &mut once) {
        Ok(outcome) => outcome,
        Err(error) if error.raw_os_error() == Some(NOT_HELD) && options.keep_owner => {
            let message =
                "`keep_owner`: the caller lacks the privileges SeBackupPrivilege and SeRestorePrivilege";
            Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("run elevated, or copy without keeping owners"))
        }
        Err(error) if error.raw_os_error() == Some(NOT_HELD) => once(),
        Err(error) => Err(Error::io(error, "enable the privileges of backup programs")),
    }
}

fn copy(from: Side<'_>, to: Side<'_>, options: &CopyOptions) -> Result<CopySummary> {
    let rules = rules(to, options);
    if options.plain {
        return plain::copy(from, to, rules, options);
    }
    let source = place::find_source(from, options.follow_links)?;
    let destination = place::find_destination(to)?;
    let mut writer = Writer::new(rules, options);
    if source.opened.node.is_directory() {
        copy_directory(&mut writer, (from, to), &source, destination, options)?;
    } else {
        copy_entry(&mut writer, (from, to), source, destination, options)?;
    }
    Ok(writer.meter.summary)
}

fn rules(to: Side<'_>, options: &CopyOptions) -> Rules {
    let began = SystemTime::now().checked_sub(TICK).and_then(time::ticks_of).unwrap_or(i64::MAX);
    let making = Making { backup: to.backup(), security: options.keep_owner, began };
    Rules { making, extent: if to.backup() { Extent::ToEnd } else { Extent::AsOpened } }
}

/// The directory that a copy goes into, and its name there.
struct Aim {
    parent: Opened,
    /// Where that really is in the container.
    at: Vec<Name>,
    /// Empty for the content of a directory, which goes into `parent` itself.
    name: Name,
    /// The name below the path that the caller gave, if it is that of the source.
    below: Name,
}

impl Aim {
    /// Applies the rules of `docker cp` to a source of this name, empty for the content of a directory.
    fn at(to: Side<'_>, destination: Destination, source: &Name, is_directory: bool) -> Result<Self> {
        match destination {
            Destination::Directory(parent, at) => {
                Ok(Self { parent, at, name: source.clone(), below: source.clone() })
            }
            Destination::Name { exists: true, .. } if is_directory => {
                let text = format!("cannot overwrite non-directory {} with a directory", to.name(&[]));
                Err(Error::new(ErrorKind::InvalidArgument, text)
                    .with_hint("cannot copy a directory to a file"))
            }
            Destination::Name { asks_directory: true, .. } if !is_directory => {
                let text = format!("open the directory {}: there is none", to.name(&[]));
                Err(Error::new(ErrorKind::NotFound, text)
                    .with_hint("no such directory: make it, or leave out the trailing separator"))
            }
            Destination::Name { parent, name, at, .. } => {
                let parent = Opened::led_to(parent).map_err(|error| {
                    Obstacle::System("look at the directory of", error).into_error("", &to.name(&[]))
                })?;
                Ok(Self { parent, at, name, below: Name::new() })
            }
        }
    }
}

fn copy_directory(
    writer: &mut Writer,
    (from, to): (Side<'_>, Side<'_>),
    source: &Source,
    destination: Destination,
    options: &CopyOptions,
) -> Result<()> {
    let Aim { parent, at, name, below } = Aim::at(to, destination, &source.name, true)?;
    let failed = |obstacle: Obstacle| obstacle.into_error(&from.name(&[]), &to.name(&below));
    let making = writer.rules.making;
    let (made, top) = if name.is_empty() {
        (Directory { file: parent.file, node: parent.node, new: false, other_case: false }, at)
    } else {
        let mapped = Mappings::of(to, &at);
        let made = mapped.enter(making, parent.file.as_handle(), &name, &name).map_err(failed)?;
        (made, [at, vec![name]].concat())
    };
    let (hidden, covered) = (Mappings::of(from, &source.at), Mappings::of(to, &top));
    let reading = Reading { from, mapped: &hidden, security: options.keep_owner };
    let directory = open_directory(reading, &source.opened).map_err(failed)?;
    tree::copy(writer, reading, Into { to, below: &below, mapped: &covered }, directory, made)
}

/// Opens the directory that was found, to be read.
fn open_directory(reading: Reading<'_>, source: &Opened) -> Result<Opened, Obstacle> {
    let how = How { through: true, directory: Some(true), ..reading.how(Access::LIST) };
    let file = source.reopen(how).map_err(Obstacle::Read)?;
    Ok(Opened { file, node: source.node.clone() })
}

/// Opens the regular file that was found, and no other that took its name since.
fn open_file(from: Side<'_>, source: &Opened, access: Access) -> Result<File, Obstacle> {
    let how = How { through: true, directory: Some(false), ..How::open(access, from.backup()) };
    source.reopen(how).map(File::from).map_err(Obstacle::Read)
}

fn copy_entry(
    writer: &mut Writer,
    (from, to): (Side<'_>, Side<'_>),
    source: Source,
    destination: Destination,
    options: &CopyOptions,
) -> Result<()> {
    let Aim { parent, at, name, below } = Aim::at(to, destination, &source.name, false)?;
    let (from_name, to_name) = (from.name(&[]), to.name(&below));
    let failed = |obstacle: Obstacle| obstacle.into_error(&from_name, &to_name);
    Mappings::of(to, &at).refuse(&name).map_err(failed)?;
    let nothing = Mappings::default();
    let reading = Reading { from, mapped: &nothing, security: options.keep_owner };
    let shown = walk::shown(&source.name);
    match open_single(reading, source).map_err(failed)? {
        Err(reason) => writer.meter.skip(&shown, reason),
        Ok((item, node)) => {
            let directory = parent.file.as_handle();
            writer.put(&parent, directory, &name, &name, (&item, &node)).map_err(failed)?;
        }
    }
    Ok(())
}

/// One entry that is no directory, opened.
type Single = (Item, node::Node);

/// Opens a source that is no directory, or says why that cannot be copied.
fn open_single(reading: Reading<'_>, source: Source) -> Result<Result<Single, SkipReason>, Obstacle> {
    let opened = source.opened;
    let mut node = opened.node.clone();
    // Its other names, if any, are not copied.
    node.information.links = 1;
    let item = match node.kind.clone() {
        Kind::File => {
            let how = How { through: true, directory: Some(false), ..reading.how(Access::READ) };
            Item::File(opened.reopen(how).map_err(Obstacle::Read)?.into())
        }
        Kind::Link(link) => {
            let file = match reading.security {
                true => opened.reopen(reading.how(Access::LOOK)).map_err(Obstacle::Read)?,
                false => opened.file,
            };
            Item::Link(link, file)
        }
        Kind::Socket => return Ok(Err(SkipReason::Socket)),
        Kind::Directory | Kind::Other(_) => return Ok(Err(SkipReason::ReparsePoint)),
    };
    Ok(Ok((item, node)))
}

#[cfg(test)]
mod tests;
