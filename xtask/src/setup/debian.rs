//! A whole Debian system for tests of real programs, made in the target directory as root by
//! debootstrap.
//!
//! The archive is the one that this machine's apt uses for Debian, whose indexes tell it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt;
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

/// How tests are told where the system is.
pub(crate) const TREE_VARIABLE: &str = "CONTAINERV_DEBIAN";

const RELEASE: &str = "bookworm";

/// What tests run besides the essential packages and apt.
const PACKAGES: &str = "python3-minimal";

/// The system, if `setup` has made one.
pub(crate) fn tree() -> Option<PathBuf> {
    Some(directory()).filter(|tree| tree.is_dir())
}

fn directory() -> PathBuf {
    workspace::target().join(format!("debian-{RELEASE}"))
}

/// Makes the system. Only root can; without it the tests that use it are skipped.
pub(super) fn install() -> Result<()> {
    if tree().is_some() || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    make().map_err(|failure| {
        Failure::new(format!(
            "a Debian system for tests; `debootstrap --variant=minbase --include={PACKAGES} {RELEASE} {}` or mend: \
             {failure}",
            directory().display()
        ))
    })
}

/// Makes it beside the final place and renames, so that half a system is never taken for one.
fn make() -> Result<()> {
    let archive = archive()?;
    let partial = workspace::target().join(format!("debian-{RELEASE}.partial"));
    remove(&partial)?;
    // What it mounts below the new root goes with it, even if it is killed.
    let mut make = Command::new("unshare");
    make.args(["--mount", "--propagation", "private", "debootstrap", "--variant=minbase"]);
    make.arg(format!("--include={PACKAGES}")).arg(RELEASE).arg(&partial).arg(archive);
    println!("$ {}", command::shown(&make));
    command::output(&mut make)?;
    remove(&partial.join("var/cache/apt/archives"))?;
    workspace::make_directory(&partial.join("var/cache/apt/archives/partial"))?;
    std::fs::rename(&partial, directory())
        .map_err(|error| Failure::io(format!("moving the system to `{}`", directory().display()), &error))
}

fn remove(directory: &Path) -> Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::io(format!("removing `{}`", directory.display()), &error))
        }
        _ => Ok(()),
    }
}

/// The address of Debian's archive that this machine's apt is set to use. Each archive has all
/// releases.
fn archive() -> Result<String> {
    if !apt::has_lists() {
        apt::update().map_err(Failure::new)?;
    }
    let mut list = Command::new("apt-get");
    list.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]);
    let addresses = command::output(&mut list)?;
    addresses
        .lines()
        .next()
        .map(str::to_owned)
        .ok_or_else(|| Failure::new("apt has no source of Debian's (label `Debian`) to take packages from"))
}
