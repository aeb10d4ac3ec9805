//! The program that people install: `cv`, static and optimized.

use std::path::{Path, PathBuf};

use crate::command;
use crate::failure::Result;
use crate::wine;
use crate::workspace;

/// The target of static programs.
pub(crate) const STATIC_TARGET: &str = "x86_64-unknown-linux-musl";

const BUILD_CV: [&str; 9] =
    ["build", "--quiet", "--release", "--target", STATIC_TARGET, "--package", "cv", "--bin", "cv"];

/// How tests are told where `cv` is.
pub(crate) const CV_VARIABLE: &str = "CONTAINERV_CV";

/// Builds `cv` as it is shipped; `None` when this tree has no such crate.
pub(crate) fn build_cv() -> Result<Option<PathBuf>> {
    if !workspace::has_crate("cv") {
        return Ok(None);
    }
    command::run(command::cargo().args(BUILD_CV))?;
    Ok(built_cv())
}

/// Builds the same program, and has the linker write a map of it.
pub(crate) fn build_cv_with_map(target: &Path, map: &Path) -> Result<PathBuf> {
    let mut cargo = command::cargo();
    cargo.arg("rustc").args(&BUILD_CV[1..]).arg("--target-dir").arg(target);
    cargo.arg("--").arg(format!("-Clink-arg=-Wl,-Map={}", map.display()));
    command::run(&mut cargo)?;
    Ok(target.join(STATIC_TARGET).join("release/cv"))
}

/// Builds `cv.exe` for tests.
pub(crate) fn build_windows_cv() -> Result<PathBuf> {
    command::run(command::cargo().args(["build", "--quiet", "--target", wine::TARGET, "--package", "cv"]))?;
    Ok(windows_cv())
}

/// The `cv.exe` that was built, if one was.
pub(crate) fn built_windows_cv() -> Option<PathBuf> {
    Some(windows_cv()).filter(|path| path.is_file())
}

fn windows_cv() -> PathBuf {
    workspace::target().join(wine::TARGET).join("debug/cv.exe")
}

/// Builds the program that measures the library, in the same way; `None` when this tree has none.
pub(crate) fn build_library_measure() -> Result<Option<PathBuf>> {
    if !workspace::has_crate("containerv-tests") {
        return Ok(None);
    }
    let package = ["--package", "containerv-tests", "--bin", "measure-library"];
    command::run(
        command::cargo().args(["build", "--quiet", "--release", "--target", STATIC_TARGET]).args(package),
    )?;
    Ok(Some(workspace::target().join(STATIC_TARGET).join("release/measure-library")))
}

/// The `cv` that was built, if one was.
pub(crate) fn built_cv() -> Option<PathBuf> {
    let path = workspace::target().join(STATIC_TARGET).join("release/cv");
    (workspace::has_crate("cv") && path.is_file()).then_some(path)
}
