//! Files with credentials: read within bounds, replaced as a whole, and for nobody else's eyes.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as Io, Read, Write};
use std::path::{Path, PathBuf};

use super::Document;
use crate::{Error, ErrorKind, Result};

/// Most bytes of a file.
const MAX_BYTES: u64 = 4 << 20;
/// Most links that lead to the file.
const MAX_LINKS: usize = 8;

/// Reads a file; nothing if there is none.
pub(in super::super) fn read(path: &Path) -> Result<Option<Document>> {
    let doing = || format!("cannot read `{}`", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => return Ok(None),
        Err(error) => return Err(Error::io(error, doing())),
    };
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(|error| Error::io(error, doing()))?;
    let damaged = |why: &str| {
        Error::new(ErrorKind::Corrupt, format!("{}: {why}", doing()))
            .with_hint("mend the file, or move it away")
    };
    if text.len() as u64 > MAX_BYTES {
        return Err(damaged("it is too large"));
    }
    Document::parse(&text).map(Some).map_err(|why| damaged(&why))
}

/// Replaces a file, which is never there in part, and keeps others from reading it.
pub(super) fn write(path: &Path, document: &Document) -> Result<()> {
    let target = target(path);
    replace(&target, &document.text())
        .map_err(|error| Error::io(error, format!("cannot write the credentials to `{}`", path.display())))
}

/// What a link leads to: the link stays, as people keep this file elsewhere.
fn target(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = target.parent().map_or(next.clone(), |parent| parent.join(next)),
            Err(_) => break,
        }
    }
    target
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().ok_or(Io::InvalidInput)?;
    make_private_directory(directory)?;
    let name = path.file_name().ok_or(Io::InvalidInput)?.to_string_lossy();
    let (mut file, temporary) = (0..1000)
        .find_map(|number| {
            let temporary = directory.join(format!(".{name}.{}.{number}", std::process::id()));
            match private_file(&temporary) {
                Err(error) if error.kind() == Io::AlreadyExists => None,
                opened => Some(opened.map(|file| (file, temporary))),
            }
        })
        .unwrap_or(Err(Io::AlreadyExists.into()))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    drop(file);
    let replaced = written.and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    replaced
}

#[cfg(unix)]
fn private_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The user's profile is the user's own on Windows.
#[cfg(not(unix))]
fn private_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn make_private_directory(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private_directory(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}
