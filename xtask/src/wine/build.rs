//! Builds what is in `sim/`.

use std::path::PathBuf;
use std::process::Command;

use super::{TARGET, prefix};
use crate::command;
use crate::failure::Result;
use crate::workspace;

/// The stand-ins, each a crate of its name.
const LIBRARIES: &[&str] =
    &["computecore", "computenetwork", "computestorage", "virtdisk", "vmcompute", "wslapi"];

pub(crate) const MANIFEST: &str = "sim/Cargo.toml";

/// What a bed needs.
pub(super) struct Built {
    /// The stand-ins.
    pub(super) libraries: Vec<PathBuf>,
    /// What every installation needs.
    pub(super) random: PathBuf,
    /// The compute service, a program of this system.
    pub(super) service: PathBuf,
    /// The Windows program that starts commands in containers.
    pub(super) launcher: PathBuf,
}

pub(super) fn build() -> Result<Built> {
    let target = target();
    let build = |arguments: &[&str]| {
        let mut cargo = command::cargo();
        cargo
            .args(["build", "--quiet", "--manifest-path", MANIFEST, "--target-dir"])
            .arg(&target)
            .args(arguments);
        command::run(&mut cargo)
    };
    build(&["--package", "compute-service"])?;
    let mut windows = vec!["--target", TARGET, "--package", "sim-launcher"];
    LIBRARIES.iter().for_each(|library| windows.extend(["--package", library]));
    build(&windows)?;
    let made = target.join(TARGET).join("debug");
    Ok(Built {
        libraries: LIBRARIES.iter().map(|library| made.join(format!("{library}.dll"))).collect(),
        random: random_library()?,
        service: target.join("debug/compute-service"),
        launcher: made.join("sim-launcher.exe"),
    })
}

/// Where the workspace of the stand-ins is built.
pub(crate) fn target() -> PathBuf {
    workspace::target().join("sim")
}

/// `bcryptprimitives.dll`, without which no Rust program starts under this Wine.
fn random_library() -> Result<PathBuf> {
    let library = prefix::directory().join("bcryptprimitives.dll");
    let source = workspace::root().join("sim/bcryptprimitives/bcryptprimitives.c");
    workspace::make_directory(&prefix::directory())?;
    let mut compiler = Command::new("x86_64-w64-mingw32-gcc");
    compiler.args(["-shared", "-O2", "-s", "-Wall", "-Wextra", "-Werror", "-o"]);
    command::output(compiler.arg(&library).arg(source).arg("-ladvapi32"))?;
    Ok(library)
}
