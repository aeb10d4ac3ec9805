//! Places in the source tree and in the target directory.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// The workspace's top directory.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// Where cargo and this program put what they make.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |set| root().join(set))
}

/// Whether the crate `crates/NAME` is part of this tree.
pub(crate) fn has_crate(name: &str) -> bool {
    root().join("crates").join(name).join("Cargo.toml").is_file()
}

/// The toolchain that `rust-toolchain.toml` pins, such as `1.95.0`.
pub(crate) fn toolchain() -> Result<String> {
    let text = read(&root().join("rust-toolchain.toml"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .map(|value| value.trim_matches('"').to_owned())
        .ok_or_else(|| Failure::new("`rust-toolchain.toml` names no channel"))
}

/// Whether this is an automatic run, where nobody reads and everything has to be there.
pub(crate) fn in_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// The path of `program` when `PATH` or one of the system's own directories has it.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Failure::io(format!("reading `{}`", path.display()), &error))
}

pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    fs::write(path, content).map_err(|error| Failure::io(format!("writing `{}`", path.display()), &error))
}

pub(crate) fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Failure::io(format!("making `{}`", path.display()), &error))
}

/// The entries of a directory by name; empty when it does not exist.
pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths
}
