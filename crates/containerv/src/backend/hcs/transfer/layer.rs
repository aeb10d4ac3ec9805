//! The writable layer of a container beside those below it, and what it takes on disk.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::path::{Path, PathBuf};

use containerv_sys::windows::relative::{self, Access, DIRECTORY, How, Listing};

use super::changes::{COMPANION, Changes, MOST_TOMBSTONES, tombstones};
use super::failure::explain;
use super::path::Name;
use crate::copy::{Change, ChangeKind};
use crate::{Error, ErrorKind, Result};

/// A directory of the exported layer.
struct Level {
    directory: OwnedHandle,
    /// From the root, with backslashes.
    path: String,
    /// The same directory of the layers below that have it.
    below: Vec<OwnedHandle>,
}

/// Compares an exported layer with the folders of those below it.
pub(super) fn changes(exported: &Path, parents: &[PathBuf]) -> Result<Vec<Change>> {
    let failed = |error: io::Error, path: &Path| explain(error, format!("read `{}`", path.display()));
    let open = |path: PathBuf| relative::open_path(&path, Access::LIST).map_err(|error| failed(error, &path));
    let mut found = Changes::default();
    let below = parents.iter().map(|parent| open(parent.join("Files"))).collect::<Result<Vec<_>>>()?;
    let top = Level { directory: open(exported.join("Files"))?, path: String::new(), below };
    let mut pending = vec![top];
    while let Some(level) = pending.pop() {
        compare(&level, &mut found, &mut pending)
            .map_err(|error| explain(error, format!("compare `C:\\{}` with the layers below", level.path)))?;
    }
    let list = exported.join("tombstones.txt");
    match File::open(&list) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => {
            let mut content = Vec::new();
            let read = opened.and_then(|file| file.take(MOST_TOMBSTONES + 1).read_to_end(&mut content));
            read.map_err(|error| failed(error, &list))?;
            let gone = tombstones(&content).map_err(|problem| {
                Error::new(ErrorKind::Corrupt, format!("read `{}`: {problem}", list.display()))
            })?;
            gone.into_iter().for_each(|path| found.add(path, ChangeKind::Deleted));
        }
    }
    Ok(found.finish())
}

fn compare(level: &Level, found: &mut Changes, pending: &mut Vec<Level>) -> io::Result<()> {
    let mut listing = Listing::default();
    loop {
        let entries = listing.read(level.directory.as_handle())?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            let name = String::from_utf16_lossy(&entry.name);
            if name.ends_with(COMPANION) {
                continue;
            }
            let path = if level.path.is_empty() { name } else { format!("{}\\{name}", level.path) };
            let is_directory = entry.attributes & DIRECTORY != 0;
            let below = find_below(level, &entry.name)?;
            if !below.any {
                found.add(path.clone(), ChangeKind::Added);
            } else if !is_directory {
                found.add(path.clone(), ChangeKind::Modified);
            }
            if is_directory {
                let how = How::directory(Access::LIST, true);
                let directory = relative::open(level.directory.as_handle(), &entry.name, how)?;
                pending.push(Level { directory, path, below: below.directories });
            }
        }
    }
}

/// What the layers below have of a name.
struct Below {
    any: bool,
    directories: Vec<OwnedHandle>,
}

fn find_below(level: &Level, name: &Name) -> io::Result<Below> {
    let mut found = Below { any: false, directories: Vec::new() };
    for layer in &level.below {
        match relative::open(layer.as_handle(), name, How::open(Access::LIST, true)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => {
                let opened = opened?;
                found.any = true;
                if relative::information(opened.as_handle())?.attributes & DIRECTORY != 0 {
                    found.directories.push(opened);
                }
            }
        }
    }
    Ok(found)
}

/// Sums what the files of a directory of ours take. What cannot be looked at counts nothing.
pub(super) fn disk_usage(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => disk_usage(&entry.path()),
            Ok(kind) if kind.is_file() => {
                let file = relative::open_path(&entry.path(), Access::LOOK);
                file.and_then(|file| relative::allocated(file.as_handle())).unwrap_or(0)
            }
            _ => 0,
        })
        .sum()
}
