//! The virtual machine's kernel: Debian's cloud kernel, unpacked into the target directory and not
//! installed on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt;
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

/// The package whose only dependency is the newest kernel.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// A kernel and its modules.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) image: PathBuf,
    /// The directory that holds `kernel/` and `modules.dep`.
    pub(crate) modules: PathBuf,
}

/// The unpacked kernel, if `setup` fetched one.
pub(crate) fn kernel() -> Option<Kernel> {
    let directory = directory();
    let image = workspace::entries(&directory.join("boot"))
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))?;
    // Debian 13 ships its modules below `usr/lib`.
    let modules = ["lib/modules", "usr/lib/modules"]
        .iter()
        .find_map(|below| workspace::entries(&directory.join(below)).into_iter().next())?;
    Some(Kernel { image, modules })
}

fn directory() -> PathBuf {
    workspace::target().join("vm/kernel")
}

pub(super) fn install() -> Result<()> {
    if kernel().is_some() {
        return Ok(());
    }
    fetch().map_err(|failure| {
        Failure::new(format!(
            "a kernel for the virtual machine; unpack Debian's `{META_PACKAGE}` into `{}` or mend: {failure}",
            directory().display()
        ))
    })
}

fn fetch() -> Result<()> {
    if !apt::has_lists() {
        apt::update().map_err(Failure::new)?;
    }
    let package = newest_kernel_package()?;
    let download = workspace::target().join("vm/download");
    workspace::make_directory(&download)?;
    let mut get = Command::new("apt-get");
    // Root would drop to a user who may not write below the target directory.
    get.args(["download", "-qq", "-o", "APT::Sandbox::User=root", &package]).current_dir(&download);
    command::run(&mut get)?;
    let archive = workspace::entries(&download)
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&package)))
        .ok_or_else(|| Failure::new(format!("apt-get left no `{package}` in `{}`", download.display())))?;
    unpack(&archive)
}

fn newest_kernel_package() -> Result<String> {
    let depends = command::output(Command::new("apt-cache").args(["depends", META_PACKAGE]))?;
    depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .filter(|name| name.starts_with("linux-image-"))
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("`apt-cache depends {META_PACKAGE}` names no kernel")))
}

/// Unpacks beside the final place and renames, so that a broken unpacking is never taken for a kernel.
fn unpack(archive: &Path) -> Result<()> {
    let partial = workspace::target().join("vm/kernel.partial");
    let _ = std::fs::remove_dir_all(&partial);
    workspace::make_directory(&partial)?;
    command::run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&partial))?;
    std::fs::rename(&partial, directory())
        .and_then(|()| std::fs::remove_file(archive))
        .map_err(|error| Failure::io(format!("moving the kernel to `{}`", directory().display()), &error))
}
