//! Files and directories of containers.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use containerv_spec::request::CredentialSpec;
use containerv_spec::{ContainerId, OsText, Request};
use containerv_sys::windows::retry::{Backoff, Momentary};
use containerv_sys::windows::security::{self, SecurityDescriptor};
use containerv_sys::windows::{file, registry, volume};

use super::Result;
use crate::backend::hcs::explain::Failure;

/// Where the system keeps credential specifications.
const CREDENTIALS: &str =
    r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Virtualization\Containers\CredentialSpecs";
/// The longest credential specification.
const MAX_CREDENTIALS: u64 = 64 << 10;

/// Returns a plan's path; all of Windows' paths are Unicode to us.
pub(super) fn path(text: &OsText) -> Result<&Path> {
    let unicode = text.to_str().map(Path::new);
    unicode.ok_or_else(|| Failure::words("UTF-16", format!("`{text}` is not valid Unicode")))
}

pub(super) fn make_directory(text: &OsText) -> Result<()> {
    make_private(path(text)?).map_err(|error| Failure::io("CreateDirectoryW", error))
}

/// Makes a directory for the system and administrators alone, and those above it that are missing.
pub(in super::super) fn make_private(path: &Path) -> io::Result<()> {
    let private = SecurityDescriptor::private()?;
    match security::create_directory(path, &private) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        made => return made,
    }
    // The roots, which are as private.
    let missing = path.ancestors().skip(1).take_while(|parent| !parent.is_dir());
    let missing: Vec<&Path> = missing.collect();
    for parent in missing.into_iter().rev() {
        match security::create_directory(parent, &private) {
            // Another container's creation was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    security::create_directory(path, &private)
}

pub(super) fn remove_directory(text: &OsText) -> Result<()> {
    let path = path(text)?;
    // What a scanner has open goes away in a moment, and so does what somebody who looks at it holds.
    let passes = |error: &io::Error| error.is_momentary() || error.kind() == io::ErrorKind::DirectoryNotEmpty;
    let removed = Backoff::BUSY.retry_if(passes, |_| fs::remove_dir_all(path));
    removed.map_err(|error| Failure::io("RemoveDirectoryW", error))
}

pub(super) fn reserve_name(text: &OsText, id: &ContainerId) -> Result<()> {
    let path = path(text)?;
    if let Some(directory) = path.parent().filter(|directory| !directory.is_dir()) {
        match security_of_roots(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(|error| Failure::io("CreateDirectoryW", error))?,
        }
    }
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    made.and_then(|mut entry| entry.write_all(id.as_str().as_bytes()))
        .map_err(|error| Failure::io("CreateFileW", error))
}

fn security_of_roots(directory: &Path) -> io::Result<()> {
    security::create_directory(directory, &SecurityDescriptor::private()?)
}

/// A name is released only while it still leads to this container.
pub(super) fn release_name(text: &OsText, id: &ContainerId) -> Result<()> {
    let path = path(text)?;
    match fs::read_to_string(path) {
        Ok(owner) if owner != id.as_str() => return Ok(()),
        _ => {}
    }
    fs::remove_file(path).map_err(|error| Failure::io("DeleteFileW", error))
}

pub(super) fn store_request(text: &OsText, request: &Request) -> Result<()> {
    let json = super::json("WriteFile", request)?;
    file::write(path(text)?, json.as_bytes()).map_err(|error| Failure::io("WriteFile", error))
}

pub(super) fn make_source(path: &str) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(()),
        Err(_) => fs::create_dir_all(path).map_err(|error| Failure::io("CreateDirectoryW", error)),
    }
}

/// The service does not follow links.
pub(super) fn resolve(path: &str) -> Result<String> {
    const FUNCTION: &str = "GetFinalPathNameByHandleW";
    let found = volume::final_path(Path::new(path));
    let real = found.map_err(|error| {
        let failure = Failure::io(FUNCTION, error);
        let said = failure.remark.as_deref().unwrap_or_default();
        Failure { remark: Some(format!("`{path}`: {said}")), ..failure }
    })?;
    real.into_os_string().into_string().map_err(|path| {
        Failure::words(FUNCTION, format!("`{}` is not valid Unicode", path.to_string_lossy()))
    })
}

pub(super) fn credential_spec(source: &CredentialSpec) -> Result<String> {
    let text = match source {
        CredentialSpec::Raw(text) => text.clone(),
        CredentialSpec::Registry(name) => registry::text(CREDENTIALS, name)
            .map_err(|error| Failure::io("RegGetValueW", error))?
            .ok_or_else(|| {
                Failure::words("RegGetValueW", format!(r"no value `{name}` in `HKLM\{CREDENTIALS}`"))
            })?,
        CredentialSpec::File(text) => {
            read_bounded(path(text)?).map_err(|error| Failure::io("ReadFile", error))?
        }
    };
    let document = serde_json::from_str::<serde_json::Value>(&text);
    if text.len() as u64 > MAX_CREDENTIALS || !document.is_ok_and(|document| document.is_object()) {
        return Err(Failure::words("credential specification", "not a JSON object of at most 64 KiB"));
    }
    Ok(text)
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_CREDENTIALS + 1).read_to_string(&mut text)?;
    // Editors of Windows begin with a mark.
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
