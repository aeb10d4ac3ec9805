//! The C programs of the C interface's tests, compiled for Windows: Windows has no compiler here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::dll;
use crate::failure::{Failure, Result};
use crate::wine;
use crate::workspace;

/// The package whose tests use them.
pub(super) const PACKAGE: &str = "containerv-capi";
/// Tells those tests where they are.
pub(super) const VARIABLE: &str = "CONTAINERV_C_PROGRAMS";

const COMPILER: &str = "x86_64-w64-mingw32-gcc";
/// Programs that run in containers, and so need no library.
const FOR_CONTAINERS: [&str; 2] = ["arguments", "inside"];

/// Builds the DLL and the programs for both systems; returns the directory that they are in.
pub(super) fn build() -> Result<PathBuf> {
    let mut cargo = command::cargo();
    command::run(cargo.args(["build", "--quiet", "--target", wine::TARGET, "--package", PACKAGE]))?;
    let directory = workspace::target().join("windows/c");
    workspace::make_directory(&directory)?;
    let dll = directory.join(dll::NAME);
    let built = workspace::target().join(wine::TARGET).join("debug").join(dll::BUILT);
    std::fs::copy(&built, &dll).map_err(|error| Failure::io(built.display(), &error))?;
    let imports = dll::write_imports(&dll, &directory)?;
    let sources = workspace::root().join("crates").join(PACKAGE).join("tests/c");
    for name in programs(&workspace::read(&sources.join("programs.txt"))?) {
        compile(&sources, &name, &directory, imports.first().map(PathBuf::as_path))?;
    }
    for name in FOR_CONTAINERS {
        compile(&sources, name, &directory, None)?;
    }
    Ok(directory)
}

/// The programs of the table that are for both systems.
fn programs(table: &str) -> Vec<String> {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&"both")).map(|row| row[0].to_owned()).collect()
}

/// Compiles one, with the compiler's own libraries in it: they are not there where it runs.
fn compile(sources: &Path, name: &str, directory: &Path, imports: Option<&Path>) -> Result<()> {
    let mut compiler = Command::new(COMPILER);
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-pthread", "-static", "-I"]);
    compiler.arg(workspace::root().join("crates").join(PACKAGE).join("include"));
    compiler.arg(sources.join(name).with_extension("c")).args(imports);
    command::output(compiler.arg("-o").arg(directory.join(name).with_extension("exe"))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_for_one_system_are_left_out() {
        let table = "# a\nfirst  both\nsecond linux why\nthird both\n";
        assert_eq!(programs(table), ["first", "third"]);
    }
}
