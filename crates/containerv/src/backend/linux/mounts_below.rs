//! Directories with mounts below them, which an ordinary user cannot lay an overlay over, and the
//! copies that stand in for them.
//!
//! An overlay clones the mount of each layer without what is mounted below. In a mount namespace of
//! a new user namespace the kernel refuses that: it would show what those mounts cover
//! (`has_locked_children` in the kernel's fs/namespace.c).

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, FileTimes, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use containerv_spec::OsText;
use containerv_spec::machine::MountsBelow;
use rustix::fs::OFlags;

use super::cgroup::probe::unescape;
use super::store::{path, text};
use crate::{Error, Result};

/// Longest path of a directory that becomes a layer of its own: its name has to fit in one component.
const MAX_LAYER_PATH: usize = 120;

/// A number of entries and of bytes.
#[derive(Clone, Copy)]
struct Amount {
    entries: u64,
    bytes: u64,
}

/// What is copied of one directory at most.
const MOST: Amount = Amount { entries: 20_000, bytes: 64 << 20 };
/// A directory below that has more becomes a layer of its own.
const SMALL: Amount = Amount { entries: 1000, bytes: 4 << 20 };

impl Amount {
    /// Takes a part away; false if there is not as much.
    fn take(&mut self, part: Self) -> bool {
        match (self.entries.checked_sub(part.entries), self.bytes.checked_sub(part.bytes)) {
            (Some(entries), Some(bytes)) => {
                *self = Self { entries, bytes };
                true
            }
            _ => false,
        }
    }

    fn of(metadata: &Metadata) -> Self {
        Self { entries: 1, bytes: if metadata.is_file() { metadata.len() } else { 0 } }
    }
}

/// One line of the mount table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) id: u64,
    pub(super) parent: u64,
    pub(super) at: PathBuf,
}

/// Finds those of the directories that have mounts below them.
pub(super) fn find(directories: &[OsText]) -> Result<Vec<MountsBelow>> {
    let table = fs::read("/proc/self/mountinfo")
        .map_err(|error| Error::io(error, "cannot read `/proc/self/mountinfo`"))?;
    let mounts = parse(&table);
    Ok(directories.iter().filter_map(|directory| examine(directory, &mounts)).collect())
}

/// Keeps to what a container was made with: its changes are in layers by that.
pub(super) fn keep(found: &mut Vec<MountsBelow>, copied: &[MountsBelow]) {
    found.retain(|below| copied.iter().all(|copy| copy.directory != below.directory));
    for below in
        found.iter_mut().filter(|below| below.copied_without.as_ref().is_some_and(|large| !large.is_empty()))
    {
        below.copied_without = None;
    }
    found.extend_from_slice(copied);
}

/// Reads a mount table; see proc_pid_mountinfo(5).
pub(super) fn parse(table: &[u8]) -> Vec<Mounted> {
    let line = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse::<u64>().ok();
        let (id, parent) = (number()?, number()?);
        let at = PathBuf::from(OsStr::from_bytes(&unescape(fields.nth(2)?)));
        Some(Mounted { id, parent, at })
    };
    table.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// What the kernel looks at: the children of the directory's own mount that are below the directory.
fn examine(directory: &OsText, mounts: &[Mounted]) -> Option<MountsBelow> {
    let top = path(directory);
    // Of several mounts at one place the last is on top, which is what `max_by_key` returns.
    let own = mounts.iter().filter(|mount| top.starts_with(&mount.at));
    let own = own.max_by_key(|mount| mount.at.as_os_str().len())?;
    let child = mounts.iter().find(|mount| mount.parent == own.id && is_below(&mount.at, top))?;
    let mut survey = Survey { mounts, left: MOST, large: Vec::new() };
    let copied_without = survey.directory(top).then_some(survey.large);
    Some(MountsBelow { directory: directory.clone(), mount: text(&child.at), copied_without })
}

fn is_below(mount_point: &Path, directory: &Path) -> bool {
    mount_point != directory && mount_point.starts_with(directory)
}

/// How a directory can be copied.
struct Survey<'a> {
    mounts: &'a [Mounted],
    left: Amount,
    /// Directories that need not be copied.
    large: Vec<OsText>,
}

impl Survey<'_> {
    /// Looks at a directory with mounts below it. Returns false if there is too much to copy.
    fn directory(&mut self, directory: &Path) -> bool {
        entries(directory).all(|(path, metadata)| {
            if !metadata.is_dir() {
                return self.left.take(Amount::of(&metadata));
            }
            if self.mounts.iter().any(|mount| is_below(&mount.at, &path)) {
                return self.directory(&path);
            }
            let mut left = SMALL;
            if weigh(&path, &mut left) {
                let used = Amount { entries: SMALL.entries - left.entries, bytes: SMALL.bytes - left.bytes };
                return self.left.take(used);
            }
            let can_be_layer = is_layer_path(&path);
            if can_be_layer {
                self.large.push(text(&path));
            }
            can_be_layer
        })
    }
}

/// The kernel parts the options of an overlay by these.
fn is_layer_path(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.len() <= MAX_LAYER_PATH && !bytes.iter().any(|byte| matches!(byte, b',' | b':' | b'\\'))
}

/// Takes a tree from what is left; false, as soon as it is too much.
fn weigh(directory: &Path, left: &mut Amount) -> bool {
    entries(directory).all(|(path, metadata)| {
        left.take(Amount::of(&metadata)) && (!metadata.is_dir() || weigh(&path, left))
    })
}

/// What the caller can see of a directory; nothing, if it may not read it.
fn entries(directory: &Path) -> impl Iterator<Item = (PathBuf, Metadata)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
}

/// Copies what the caller may read of a directory, unless the copy exists. It is made under another
/// name first, so that a copy is there as a whole or not at all.
pub(super) fn copy(below: &MountsBelow, to: &OsText) -> Result<()> {
    let (source, to) = (&below.directory, path(to));
    let without = below.copied_without.as_deref().unwrap_or_default();
    if to.is_dir() {
        return Ok(());
    }
    let unfinished = to.with_extension("unfinished");
    let failed = |error: io::Error| {
        let message = format!("cannot copy `{source}` to `{}`", to.display());
        Error::io(error, message)
    };
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let metadata = fs::metadata(path(source)).map_err(failed)?;
    copy_directory(path(source), &metadata, &unfinished, without).map_err(failed)?;
    fs::rename(&unfinished, to).map_err(failed)
}

fn copy_directory(from: &Path, metadata: &Metadata, to: &Path, without: &[OsText]) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    if !without.iter().any(|path| path.as_bytes() == from.as_os_str().as_bytes()) {
        for (path, metadata) in entries(from) {
            let to = to.join(path.file_name().unwrap_or_default());
            if metadata.is_dir() {
                copy_directory(&path, &metadata, &to, without)?;
            } else if metadata.is_symlink() {
                rustix::fs::symlink(&fs::read_link(&path)?, &to)?;
            } else if metadata.is_file() {
                copy_file(&path, &to)?;
            }
        }
    }
    // Whoever removes the copy has to be able to.
    fs::set_permissions(to, Permissions::from_mode(metadata.mode() & 0o777 | 0o700))
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let mut source = match File::options().read(true).custom_flags(flags).open(from) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound) => {
            return Ok(());
        }
        other => other?,
    };
    let metadata = source.metadata()?;
    let mut copy = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.set_times(FileTimes::new().set_modified(metadata.modified()?))?;
    copy.set_permissions(Permissions::from_mode(metadata.mode() & 0o777))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[(u64, u64, &str)]) -> Vec<Mounted> {
        lines.iter().map(|(id, parent, at)| Mounted { id: *id, parent: *parent, at: at.into() }).collect()
    }

    #[test]
    fn a_mount_table_is_read() {
        let table = b"24 1 254:0 / / rw - ext4 /dev/vda rw\n31 24 0:5 /a /etc/a\\040b rw shared:1 - tmpfs t rw\nodd\n";
        assert_eq!(parse(table), lines(&[(24, 1, "/"), (31, 24, "/etc/a b")]));
    }

    #[test]
    fn only_children_of_the_own_mount_count() {
        let named =
            |directory: &str, mounts: &[Mounted]| examine(&directory.into(), mounts).map(|below| below.mount);
        let mounts = lines(&[
            (1, 0, "/"),
            (2, 1, "/nowhere/etc/hosts"),
            (3, 1, "/nowhere/etcetera"),
            // Mounted at the place itself, and below what that covers.
            (4, 1, "/nowhere/usr/local"),
            (5, 1, "/nowhere/usr"),
            (6, 5, "/nowhere/usr/lib/wsl"),
        ]);
        assert_eq!(named("/nowhere/etc", &mounts), Some("/nowhere/etc/hosts".into()));
        assert_eq!(named("/nowhere/usr", &mounts), Some("/nowhere/usr/lib/wsl".into()));
        assert_eq!(named("/nowhere/lib", &mounts), None);
    }

    #[test]
    fn large_directories_are_left_out_and_too_much_is_refused() {
        let top = std::env::temp_dir().join(format!("containerv-below-{}", std::process::id()));
        let make = |name: &str| fs::create_dir_all(top.join(name)).unwrap();
        ["large/x", "small", "split/large", "split/mounted"].into_iter().for_each(make);
        let sized = |name: &str, bytes| File::create(top.join(name)).unwrap().set_len(bytes).unwrap();
        sized("large/x/file", SMALL.bytes + 1);
        sized("split/large/file", SMALL.bytes + 1);
        sized("small/file", 1 << 20);
        let mounts = lines(&[(1, 0, "/"), (2, 1, top.join("split/mounted").to_str().unwrap())]);
        let examine = || examine(&text(&top), &mounts).unwrap();
        let mut below = examine();
        below.copied_without.as_mut().unwrap().sort();
        assert_eq!(
            below.copied_without,
            Some(vec![text(&top.join("large")), text(&top.join("split/large"))])
        );
        let copy_at = text(&top.with_extension("copy"));
        copy(&below, &copy_at).unwrap();
        let in_copy = |name: &str| path(&copy_at).join(name);
        assert_eq!(in_copy("small/file").metadata().unwrap().len(), 1 << 20);
        assert!(in_copy("split/mounted").is_dir() && in_copy("split/large").is_dir());
        assert!(!in_copy("large/x").exists() && !in_copy("split/large/file").exists());
        sized("split/much", MOST.bytes);
        assert_eq!(examine().copied_without, None, "a file beside a mount can only be copied");
        fs::remove_dir_all(&top).unwrap();
        fs::remove_dir_all(path(&copy_at)).unwrap();
    }
}
